"""secretconn check, for tokens: it signs one, logs in through TLS, and says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from secretconn.cli import main
from tests.live.tokens.conftest import Database, database_of
from tests.unit.test_secrecy import WORD


@pytest.fixture
def database(request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path, own_keys: None) -> Database:
    return database_of("postgres", request, databases, ca)


def check(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main(["check", *words, "--json"])
    said = capsys.readouterr().out
    assert "X-Amz" not in said
    return json.loads(said)  # type: ignore[no-any-return]


def test_a_login_with_a_token(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    told = check(capsys, database.url())
    assert told["findings"] == []
    assert told["source"] == {"kind": "tokens signed here", "place": "eu-central-1"}
    assert told["connections"][0]["stages"] == "AWSCURRENT"
    assert database.iam.refused == []


def test_a_user_without_iam_is_a_rejected_login(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    told = check(capsys, database.url(database.stranger))
    assert [one["name"] for one in told["findings"]] == ["wrong-password"]


@pytest.mark.parametrize(
    ("url", "variables", "name"),
    [
        ("rds-iam://u@127.0.0.1:1/d?region=eu-central-1&engine=mysql", {"AWS_ACCESS_KEY_ID": ""}, "no-credentials"),
        ("rds-iam://u@127.0.0.1:1/d?engine=mysql", {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "no-region"),
        ("rds-iam://u@127.0.0.1:1/d?engine=mysql", {"AWS_PROFILE": f"{WORD}missing"}, "unknown-profile"),
    ],
)
def test_what_no_token_can_be_signed_without(
    url: str,
    variables: dict[str, str],
    name: str,
    own_keys: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    (found,) = check(capsys, url)["findings"]
    assert found["name"] == name
    assert found["problem"].startswith("No token could be signed: ")
