"""A real application, instrumented as docs/telemetry.md says, and Debian's Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secretconn.testing import Application, LocalSecretsManager, PostgresServer, debian
from secretconn.testing._process import Account, end, free_port, spawn

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "telemetry.md").read_text(), re.MULTILINE | re.DOTALL)
LOAD = """
print("ready", flush=True)
import sys, threading
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
while not stopped.wait(0.02):
    secretconn.connect("prod/orders").close()
"""


class Observed:
    """The application as seen from outside.

    Attributes:
        app: Its user, database and secret.
        port: Where it answers scrapes.
        prometheus: The address of the Prometheus that scrapes it.
    """

    def __init__(self, app: Application, port: int, prometheus: str) -> None:
        self.app, self.port, self.prometheus = app, port, prometheus

    def scrape(self) -> str:
        return _get(f"http://127.0.0.1:{self.port}/metrics")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples an instant query finds."""
        result: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return result

    def ask(self, what: str, **parameters: str) -> dict[str, Any]:
        """An answer of Prometheus' HTTP API."""
        answer = json.loads(_get(f"{self.prometheus}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"))
        data: dict[str, Any] = answer["data"]
        return data


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder with prometheus and promtool."""
    return debian.unpack("prometheus", without=["fonts-*", "libjs-*"]).root / "usr" / "bin"


@pytest.fixture(scope="module")
def observed(
    postgres: PostgresServer, secrets_manager: LocalSecretsManager, programs: Path, tmp_path_factory: Any
) -> Iterator[Observed]:
    app, port = Application(postgres, secrets_manager), free_port()
    code = (BLOCKS[0] + LOAD).replace("prod/orders", app.secret_id).replace("9464", str(port))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | secrets_manager.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        with _prometheus(programs, port, tmp_path_factory.mktemp("prometheus")) as address:
            yield Observed(app, port, address)
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(30) == 0


@contextlib.contextmanager
def _prometheus(programs: Path, target: int, folder: Path) -> Iterator[str]:
    """The address of a Prometheus on loopback that scrapes the port, with our alert rules."""
    port, log = free_port(), folder / "log"
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(ROOT / "docs" / "grafana" / "alerts.yaml")],
        "scrape_configs": [{"job_name": "orders", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    command = [
        programs / "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with log.open("wb") as lines:
        process = spawn(command, account=Account(None), log=lines, folder=folder)
        try:
            _wait_for(f"http://127.0.0.1:{port}/-/ready", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process)


def _wait_for(address: str, log: Path, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            _get(address)
            return
        except urllib.error.HTTPError as error:
            error.close()  # Python 3.14 warns otherwise
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{address} does not answer: {log.read_text()}")


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        text: str = answer.read().decode()
        return text
