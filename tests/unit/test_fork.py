"""Rule 10: a forked child waits for no lock that a thread of its parent held, and uses what it inherited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize(
    ("scene", "needs", "fewest"),
    [
        ("core", "secretconn", 4),
        ("clients", "aws_secretsmanager_caching", 6),
        ("otel", "opentelemetry.sdk", 2),
        ("django", "django", 1),
    ],
)
def test_a_child_uses_all_while_a_thread_of_its_parent_held_every_lock(scene: str, needs: str, fewest: int) -> None:
    pytest.importorskip(needs)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-u", "-m", "tests.unit.fork_with_locks_held", scene],
        cwd=ROOT,
        env={**os.environ, "AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= fewest  # or the walk finds none, and this test can no longer fail


WATCHED = """
import asyncio, sys
from secretconn import RotatingCredentials, Runtime, wrap
from secretconn.engines.arguments import keyword_reader
from secretconn.engines.base import Driver, Verdict

def spawn(work):
    before = set(sys.modules)
    work()
    late.update(set(sys.modules) - before)

late, names = set(), {name: name for name in ("user", "password", "host", "port", "database")}
driver = Driver(
    name="own", engine="postgresql", module="own", extra="own", keywords=names, given=keyword_reader(names),
    classify=lambda error: Verdict.OTHER,
)
address = {} if sys.argv[2].startswith("file:") else {"endpoint_url": sys.argv[3]}
credentials = RotatingCredentials(sys.argv[2], runtime=Runtime(spawn=spawn), **address)
connect = wrap(lambda **login: None, credentials, driver=driver)

async def opened(**login):
    pass

aconnect = wrap(opened, credentials, driver=driver)

async def of(name):
    await (aconnect() if name == "aconnect" else getattr(credentials, name)())

call = sys.argv[1]
if call.startswith("a"):
    asyncio.run(of(call))
else:
    connect() if call == "connect" else getattr(credentials, call)()
print(credentials.stats().fetches, *sorted(late))
"""


class _Service(BaseHTTPRequestHandler):
    """Secrets Manager and its agent, as far as one secret and this test go."""

    def do_POST(self) -> None:
        answer = {"ARN": "arn", "Name": "s", "VersionId": VERSION, "VersionStages": ["AWSCURRENT"]}
        if self.headers["X-Amz-Target"].endswith("DescribeSecret"):
            answer["VersionIdsToStages"] = {VERSION: ["AWSCURRENT"]}
        body = json.dumps({**answer, "SecretString": LOGIN}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.headers["X-Amz-Target"] = ""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


VERSION = "v" * 32
LOGIN = '{"username": "app", "password": "p1", "host": "db"}'


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("localhost", 0), _Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("place", ["s", "agent://s", "file"])
@pytest.mark.parametrize("call", ["current", "acurrent", "refresh", "arefresh", "connect", "aconnect"])
def test_all_that_a_first_read_needs_is_imported_before_its_thread_starts(
    call: str, place: str, service: str, tmp_path: Path
) -> None:
    """A module whose import a fork breaks off is locked for ever in the child."""
    if place == "file":
        (tmp_path / "login.json").write_text(LOGIN)
        place = f"file://{tmp_path}/login.json"
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "eu-west-1", "AWS_TOKEN": "token"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, call, place, service],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
