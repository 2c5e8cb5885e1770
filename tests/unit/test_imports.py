"""What is imported when: nothing that is not needed yet. Each in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SDK = {"boto3", "botocore", "aws_secretsmanager_caching"}
LATER = {"asyncio", "importlib.metadata", "importlib.util", "ipaddress", "json", "pathlib", "random", "urllib.parse"}

AGENT = """
import http.server, json, os, threading

class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = json.dumps({"engine": "postgres", "host": "db", "username": "app", "password": "p"})
        answer = {"VersionId": "v" * 32, "VersionStages": ["AWSCURRENT"], "SecretString": content}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["SECRETCONN_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
os.environ["SECRETCONN_SOURCE"] = SOURCE
os.environ["AWS_SESSION_TOKEN"] = "a token"
"""


def imported(code: str) -> set[str]:
    """Return the modules that are imported once this has run."""
    ending = "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def connecting(secret_id: str) -> str:
    return (
        "import secretconn\n"
        "def connect(**keywords):\n    return keywords['user']\n"
        f"assert secretconn.wrap(connect, {secret_id!r}, driver='psycopg')() == 'app'\n"
    )


def test_importing_secretconn_imports_no_more_than_it_needs() -> None:
    bare = imported("pass")
    assert (imported("import secretconn; secretconn.connect") - bare) & (SDK | LATER) == set()


def test_a_secret_in_a_file_needs_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"engine": "postgres", "host": "db", "username": "app", "password": "p"}')
    assert imported(connecting(f"file://{tmp_path}/secret")) & SDK == set()


@pytest.mark.parametrize("source", ["agent", "extension"])
def test_nor_does_one_from_the_agent_or_the_extension(source: str) -> None:
    served = f"SOURCE = {source!r}\n{AGENT}"
    assert imported(served + connecting(f"{source}://prod/orders")) & SDK == set()
