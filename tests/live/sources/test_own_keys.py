"""The process's own AWS keys come late, expire and are replaced: what connect() does then, through the real SDK."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

import secretconn
from secretconn import RotatingCredentials, SecretUnavailable
from secretconn._core.rotating import core_of
from secretconn.testing import Application, LocalSecretsManager
from tests.live.faults.harness import Time
from tests.support.faults import FAULTS, Answer, FaultySecretsManager

REFUSED = {
    "ExpiredTokenException": 400,
    "UnrecognizedClientException": 400,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "SignatureDoesNotMatch": 403,
}
"""Code to status: "Common errors" of the Secrets Manager API reference and of STS, whose codes AWS's endpoints mix."""


@pytest.fixture
def faulty(secrets_manager: LocalSecretsManager) -> Iterator[FaultySecretsManager]:
    with FaultySecretsManager(secrets_manager) as server:
        yield server


class Keys:
    """The shared credentials file, written by another process, and which of its keys AWS takes."""

    def __init__(self, file: Path, faulty: FaultySecretsManager) -> None:
        self._file, self._faulty = file, faulty

    def write(self, key: str) -> None:
        code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
        text = f"[default]\naws_access_key_id={key}\naws_secret_access_key=x\naws_session_token=t\n"
        subprocess.run([sys.executable, "-c", code, str(self._file), text], check=True)

    def refuse(self, key: str, code: str = "ExpiredTokenException") -> None:
        self._faulty.set(Answer(REFUSED[code], code, "not these"), lambda request: request.key == key)


@pytest.fixture
def keys(faulty: FaultySecretsManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": faulty.endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    return Keys(tmp_path / "credentials", faulty)


def connect(credentials: RotatingCredentials) -> None:
    secretconn.connect(credentials, driver="psycopg").close()


def made(app: Application, **settings: Any) -> RotatingCredentials:
    return RotatingCredentials(app.secret_id, runtime=Time().runtime(), **settings)


def test_keys_that_come_late_are_found(keys: Keys, postgres_app: Application, faulty: FaultySecretsManager) -> None:
    credentials = made(postgres_app)
    with pytest.raises(SecretUnavailable) as caught:
        connect(credentials)
    assert str(caught.value) == (
        f"secret {postgres_app.secret_id!r} could not be read from Secrets Manager in us-east-1 at "
        f"{faulty.endpoint_url}: the AWS credentials of this process are missing, expired or not accepted "
        f"(NoCredentialsError). To see what is wrong, run: secretconn check {postgres_app.secret_id}"
    )
    keys.write("AKLATE")
    connect(credentials)


@pytest.mark.parametrize("code", REFUSED)
def test_keys_that_another_process_replaced_cost_no_connect(keys: Keys, postgres_app: Application, code: str) -> None:
    keys.write("AKOLD")
    credentials = made(postgres_app)
    for number in range(3):
        connect(credentials)
        keys.write(f"AKNEW{number}")
        keys.refuse(f"AKNEW{number - 1}" if number else "AKOLD", code)
        postgres_app.rotator().rotate()
    connect(credentials)
    assert credentials.stats().recovered == 3


def test_expired_keys_keep_the_held_login_and_are_looked_for_at_each_read(
    keys: Keys, postgres_app: Application
) -> None:
    keys.write("AKOLD")
    credentials = made(postgres_app)
    connect(credentials)
    keys.refuse("AKOLD")
    connect(credentials)
    postgres_app.rotator().rotate()
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(credentials)
    assert "(ClientError: ExpiredTokenException)" in caught.value.__notes__[0]
    keys.write("AKNEW")
    credentials.refresh()
    connect(credentials)


@pytest.mark.parametrize("given", ["client", "session"])
def test_what_was_given_is_never_dropped(given: str, keys: Keys, postgres_app: Application) -> None:
    """Its keys are its owner's to replace."""
    session = Counted("AKOLD", "x", region_name="us-east-1")
    mine = session.client("secretsmanager") if given == "client" else session
    credentials = made(postgres_app, **{given: mine})
    connect(credentials)
    keys.write("AKNEW")
    keys.refuse("AKOLD")
    for _ in range(2):
        with pytest.raises(SecretUnavailable, match="ExpiredTokenException"):
            credentials.refresh()
    keys.refuse("AKNEW")
    credentials.refresh()
    source: Any = core_of(credentials).reader.source
    assert (source.client is mine) if given == "client" else (source._way.session is mine and session.made > 1)


def test_the_sdk_s_own_retries_are_among_the_calls(
    keys: Keys, postgres_app: Application, faulty: FaultySecretsManager
) -> None:
    keys.write("AKOLD")
    first = itertools.cycle([True, False])
    faulty.set(FAULTS["internal error"], lambda _request: next(first))
    credentials = made(postgres_app)
    credentials.prefetch()
    assert credentials.stats().api_calls == faulty.calls.total() == 2
    credentials.refresh()
    assert credentials.stats().api_calls == faulty.calls.total()


class Counted(boto3.session.Session):
    """Counts the clients that are made from it."""

    made = 0

    def client(self, *args: Any, **kwargs: Any) -> Any:
        self.made += 1
        return super().client(*args, **kwargs)
