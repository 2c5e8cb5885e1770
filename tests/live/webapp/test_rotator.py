"""The service `rotator` of compose.yaml, on servers that are no containers: it provisions, rotates, ends in order."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from secretconn.testing import LocalSecretsManager, Login, MySQLServer, PostgresServer

from .conftest import WEBAPP

SERVICE = yaml.safe_load((WEBAPP / "compose.yaml").read_text())["services"]["rotator"]
NAMES = ("harbour/database", "harbour/django-key")


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_composes_rotator_provisions_and_rotates(
    kind: str, request: pytest.FixtureRequest, secrets_manager: LocalSecretsManager, tmp_path: Path
) -> None:
    """The program of the service `rotator`, on servers that are not containers."""
    server: PostgresServer | MySQLServer = request.getfixturevalue(kind)
    password = tmp_path / "password"
    password.write_text(server.password + "\n")
    environment = {
        **os.environ,
        **secrets_manager.environment,
        **{name: str(value) for name, value in SERVICE["environment"].items() if name.startswith("ROTATOR_")},
        "ROTATOR_ENGINE": kind,
        "ROTATOR_DATABASE": f"{server.host}:{server.port}",
        "ROTATOR_SUPERUSER_PASSWORD_FILE": str(password),
        "ROTATOR_BIND": "127.0.0.1:0",
        "ROTATOR_EVERY": "0",
        "ROTATOR_PAUSE": "0",
    }
    with subprocess.Popen(
        [sys.executable, "compose_rotator.py"], cwd=WEBAPP, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("rotator: http://").strip().rstrip("/")
            before = _login(secrets_manager)
            assert server.admin("harbour").verify(before)
            assert _ask(url, "POST", {"strategy": "never-heard-of"})[0] == 400
            assert _ask(url, "POST", {"strategy": "single-user"})[0] == 202
            _until_idle(url)
            assert not server.admin("harbour").verify(before)
            assert server.admin("harbour").verify(_login(secrets_manager))

            for name in NAMES:  # as when the local Secrets Manager restarts
                secrets_manager.delete_secret(name)
            _until(lambda: server.admin("harbour").verify(_login(secrets_manager)))
        finally:
            process.terminate()
        assert process.wait(30.0) == 0, "it ends on SIGTERM"
    key = secrets_manager.client().get_secret_value(SecretId="harbour/django-key")["SecretString"]
    assert len(key) >= 50
    for name in NAMES:
        secrets_manager.delete_secret(name)


class Recording:
    """A Secrets Manager without secrets and a database, in one: what is done, in order."""

    class exceptions:  # noqa: N801  (boto3's name)
        ResourceNotFoundException = KeyError
        ResourceExistsException = FileExistsError

    host, port = "database", 5432

    def __init__(self) -> None:
        self.done: list[str] = []

    def get_secret_value(self, **_: str) -> None:
        raise KeyError

    def create_secret(self, **_: str) -> None:
        self.done.append("createSecret")

    def put_secret_value(self, *, VersionStages: list[str], **_: str) -> None:  # noqa: N803
        self.done.append(*VersionStages)

    def user_exists(self, _: str) -> bool:
        return True

    def set_password(self, _: Login) -> None:
        self.done.append("password")


def test_a_lost_secret_comes_back_in_the_order_of_a_rotation() -> None:
    """Between the database's new password and AWSCURRENT there is a moment: a login finds the new one in it."""
    from compose_rotator import provision

    recording: Any = Recording()
    provision(recording, "postgres", recording, "orders", "key")
    assert recording.done[-3:] == ["AWSPENDING", "password", "AWSCURRENT"]


def _login(secrets_manager: LocalSecretsManager) -> Login:
    answer = secrets_manager.client().get_secret_value(SecretId="harbour/database", VersionStage="AWSCURRENT")
    content = json.loads(answer["SecretString"])
    return Login(content["username"], content["password"])


def _ask(address: str, method: str, wish: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address, timeout=30.0)
    connection.request(method, "/", json.dumps(wish), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.load(answer)


def _until_idle(address: str) -> None:
    _until(lambda: not _ask(address, "GET")[1]["busy"])


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while True:
        with contextlib.suppress(ClientError):
            if done():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Halting:
    """A rotation that goes on when it is told to."""

    def __init__(self) -> None:
        self.began, self.go_on, self.done = threading.Event(), threading.Event(), False

    def __call__(self, strategy: str, **settings: Any) -> Halting:
        return self

    def rotate(self) -> None:
        self.began.set()
        self.done = self.go_on.wait(30.0)


def test_a_rotation_under_way_is_finished_before_the_rotator_ends() -> None:
    from rotator import DevRotator

    halting: Any = Halting()
    with DevRotator(halting) as rotator:
        assert rotator.begin("single-user")
        assert halting.began.wait(30.0)
        assert not rotator.finish(0.01)
        halting.go_on.set()
        assert rotator.finish(30.0)
        assert halting.done
        assert not rotator.begin("single-user"), "none begins after that"


def test_a_rotation_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    from rotator import DevRotator

    def broken(*arguments: Any, **settings: Any) -> Any:
        raise ConnectionError("no route")

    with DevRotator(broken) as rotator:
        assert rotator.rotate("single-user")
        assert rotator.state()["step"] == "single-user: failed, ConnectionError"
    assert "no route" in caplog.text
