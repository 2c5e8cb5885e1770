"""Forked workers and gevent, each in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from secretconn.testing import Application, LocalSecretsManager, Rotator
from tests.live.drivers.table import DriverCase, named

MakeRotator = Callable[..., Rotator]
HERE = Path(__file__).parent


class KeepingAlive(BaseHTTPRequestHandler):
    """Passes requests on to Secrets Manager and keeps the client's connection open; werkzeug closes it."""

    protocol_version = "HTTP/1.1"
    behind = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        onward = http.client.HTTPConnection(self.behind, timeout=30)
        onward.request("POST", self.path, body, dict(self.headers))
        with onward.getresponse() as answer:
            said = answer.read()
        onward.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def keeping_alive(secrets_manager: LocalSecretsManager) -> Iterator[int]:
    """The port of a Secrets Manager that keeps connections open."""
    handler = type("Handler", (KeepingAlive,), {"behind": secrets_manager.endpoint_url.removeprefix("http://")})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def program(name: str, environment: Mapping[str, str], *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """One of the programs beside this file. It must end well."""
    with subprocess.Popen(
        [sys.executable, HERE / name, *map(str, arguments)],
        env={**os.environ, **environment, "PYTHONPATH": str(HERE.parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.stdin.close()  # type: ignore[union-attr]
            words = running.stderr.read()  # type: ignore[union-attr]
    assert running.returncode == 0, words
    assert "Traceback" not in words, words


def line(running: subprocess.Popen[str]) -> str:
    return running.stdout.readline()  # type: ignore[union-attr]


def go(running: subprocess.Popen[str]) -> None:
    print("go", file=running.stdin, flush=True)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("case", named("psycopg", "psycopg2", "pymysql", "mysqlclient"), ids=repr)
def test_forked_workers_recover_each_with_a_client_of_its_own(
    case: DriverCase,
    app: Application,
    rotator: MakeRotator,
    secrets_manager: LocalSecretsManager,
    keeping_alive: int,
) -> None:
    environment = {
        **secrets_manager.environment,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://127.0.0.1:{keeping_alive}",
    }
    with program("forking.py", environment, app.secret_id, case.driver, keeping_alive) as running:
        before = json.loads(line(running))["parent"]
        assert len(before) == 1, "the parent kept no connection that a worker could share by mistake"
        rotator().rotate()
        go(running)
        workers = [json.loads(line(running)) for _worker in range(4)]
        after = json.loads(line(running))
    assert [worker["recovered"] for worker in workers] == [1, 1, 1, 1]
    assert [worker["api_calls"] for worker in workers] == [1, 1, 1, 1]
    assert [worker["at_once"] for worker in workers] == [[], [], [], []]
    own = [inode for worker in workers for inode in worker["later"]]
    assert len(own) == len(set(own)) == 4
    assert not set(own) & set(before)
    assert after == {"ends": [0, 0, 0, 0], "recovered": 1, "parent": before}


@pytest.mark.parametrize("case", named("pymysql", "mysql-connector-pure", "pg8000", "psycopg"), ids=repr)
def test_greenlets_share_one_refresh(
    case: DriverCase, app: Application, rotator: MakeRotator, secrets_manager: LocalSecretsManager
) -> None:
    with program("greenlets.py", secrets_manager.environment, app.secret_id, case.driver) as running:
        assert line(running) == "ready\n"
        rotator().rotate()
        secrets_manager.reset_calls()
        go(running)
        stats = json.loads(line(running))
    assert secrets_manager.calls == {"GetSecretValue": 1}
    assert stats["connects"] == 34
    assert stats["recovered"] == stats["rejected"] >= 1
