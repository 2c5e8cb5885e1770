"""What DescribeSecret's answer and a secret's content say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretconn._core.parsing import Shape, parse
from secretconn.cli.check.contents import incomplete, odd_keys, sentence, unreadable_stage, wrong_format
from secretconn.cli.check.description import described, findings_of
from secretconn.cli.check.report import Finding
from secretconn.credentials import Credentials, Payload
from secretconn.errors import SecretFormatError

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STEADY: dict[str, Any] = {
    "RotationEnabled": True,
    "RotationRules": {"AutomaticallyAfterDays": 30},
    "NextRotationDate": NOW + 9 * DAY,
    "VersionIdsToStages": {"v1": ["AWSPREVIOUS"], "v2": ["AWSPENDING", "AWSCURRENT"], "v0": []},
}


def names(**changed: Any) -> list[str]:
    return [found.name for found in findings_of(described({**STEADY, **changed}), "s", NOW)]


def test_a_secret_after_its_rotation_has_nothing_wrong() -> None:
    assert names() == []
    description = described(STEADY)
    assert description.versions == {"v1": ("AWSPREVIOUS",), "v2": ("AWSCURRENT", "AWSPENDING")}
    assert description.version("AWSPENDING") == "v2"
    assert description.sentence() == "rotation is on, every 30 days, next on 2026-05-10"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"RotationEnabled": False, "RotationRules": {}}, ["rotation-never-configured"]),
        ({"RotationEnabled": False, "RotationRules": {}, "LastRotatedDate": NOW}, ["rotation-off"]),
        ({"RotationEnabled": False, "RotationRules": {}, "RotationLambdaARN": "arn"}, ["rotation-off"]),
        ({"NextRotationDate": NOW - 2 * DAY}, ["rotation-overdue"]),
        ({"NextRotationDate": NOW - DAY / 2}, []),
        ({"NextRotationDate": None}, []),
        ({"VersionIdsToStages": {"v1": ["AWSCURRENT"], "v2": ["AWSPENDING"]}}, ["rotation-unfinished"]),
        ({"VersionIdsToStages": {"v1": ["AWSCURRENT"]}}, []),
        ({"VersionIdsToStages": {"v1": ["AWSPREVIOUS"]}}, ["no-current-version"]),
        ({"VersionIdsToStages": {}}, ["no-current-version"]),
        ({"DeletedDate": NOW}, ["secret-deleted"]),
    ],
)
def test_what_describe_secret_shows(changed: dict[str, Any], expected: list[str]) -> None:
    assert names(**changed) == expected


def test_only_what_stops_a_connection_is_a_failure() -> None:
    every = [
        found
        for changed in (
            {"RotationEnabled": False, "RotationRules": {}},
            {"NextRotationDate": NOW - 2 * DAY},
            {"VersionIdsToStages": {"v1": ["AWSPENDING"]}},
            {"DeletedDate": NOW},
        )
        for found in findings_of(described({**STEADY, **changed}), "s", NOW)
    ]
    assert {found.name for found in every if not found.warning} == {"no-current-version", "secret-deleted"}


def test_a_schedule_is_shown_as_it_is_written() -> None:
    answer = {**STEADY, "RotationRules": {"ScheduleExpression": "rate(4 hours)", "AutomaticallyAfterDays": 1}}
    assert described(answer).sentence() == "rotation is on, rate(4 hours), next on 2026-05-10"


def format_error(content: str, shape: Shape | None = None) -> SecretFormatError:
    with pytest.raises(SecretFormatError) as caught:
        judged(content, shape or Shape())
    return caught.value


def judged(content: str, shape: Shape) -> None:
    for problem in parse(Payload("v1", content), "s", shape).problems.values():
        raise problem.error("s", "v1")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("not JSON", "malformed"),
        ("[1]", "malformed"),
        ('{"username": "a"}', "missing-key"),
        ('{"password": "a"}', "missing-key"),
        ('{"username": "a", "password": "b", "port": "x"}', "wrong-key"),
        ('{"username": "a", "password": "b", "database": "x"}', "missing-key"),
        ('{"user": "a", "password": "b"}', "missing-key"),
        ('{"username": "a", "password": ""}', "wrong-key"),
    ],
)
def test_content_that_is_no_login(content: str, name: str) -> None:
    assert wrong_format(format_error(content)).name == name


@settings(deadline=None)
@given(st.text(min_size=6).filter(lambda text: text not in "is not a JSON object username password"))
def test_no_content_is_ever_shown(content: str) -> None:
    try:
        parse(Payload("v1", content), "s", Shape())
    except SecretFormatError as error:
        found = wrong_format(error)
        known = wrong_format(format_error("not JSON"))
        assert (found.problem, found.advice) == (known.problem, known.advice)


@pytest.mark.parametrize(
    ("content", "odd"),
    [
        ({"host": "db ", "port": " 5432", "username": "app\n", "password": " pw "}, ["host", "port", "username"]),
        ({"password": "pw\n"}, ["password"]),
        ({"dbname": "\torders", "engine": "postgres\n"}, ["engine", "dbname"]),
        ({"note": " mine ", "port": 5432}, []),
    ],
)
def test_blanks_around_a_value_are_told_by_its_key(content: dict[str, object], odd: list[str]) -> None:
    for text in (json.dumps(content), "\ufeff" + json.dumps(content), json.dumps(content).encode()):
        assert odd_keys(Payload("v1", text), Shape()) == odd


@pytest.mark.parametrize("content", [" only a password\n", "[1]", '"text "', b"\xff"])
def test_other_contents_have_no_keys(content: str | bytes) -> None:
    assert odd_keys(Payload("v1", content), Shape()) == []


def test_a_login_in_a_line_has_no_password() -> None:
    login = Credentials("s", "v1", "app", "pw-1", "db", 5432, "orders", "postgres")
    assert sentence(login) == "version v1: postgres, user app at db:5432/orders"
    assert sentence(Credentials("s", "v1", "app", "pw-1")) == "version v1: no engine, user app"


def test_what_a_managed_secret_lacks() -> None:
    bare = Credentials("s", "v1", "app", "pw-1")
    whole = Credentials("s", "v1", "app", "pw-1", host="db", engine="mysql")
    both = incomplete(bare, host=False, engine=False)
    assert both is not None
    assert "no host and no engine" in both.problem
    assert "--host and --engine" in both.advice
    only = incomplete(bare, host=True, engine=False)
    assert only is not None
    assert "names no engine;" in only.problem
    assert incomplete(bare, host=True, engine=True) is None
    assert incomplete(whole, host=False, engine=False) is None


@pytest.mark.parametrize(("stage", "word"), [("AWSPENDING", "pending"), ("AWSPREVIOUS", "previous")])
def test_a_stage_that_cannot_be_read_is_a_warning(stage: str, word: str) -> None:
    denied = Finding("access-denied", "No.", "Allow.", permission="secretsmanager:GetSecretValue")
    found = unreadable_stage(stage, denied)
    assert (found.name, found.warning) == (f"{word}-unreadable", True)
    assert found.permission == f"secretsmanager:GetSecretValue (of version stage {stage})"
    assert "secretsmanager:VersionStage" in found.advice
    throttled = unreadable_stage(stage, Finding("throttled", "Too many.", "Wait."))
    assert (throttled.permission, throttled.advice) == (None, "Wait.")
