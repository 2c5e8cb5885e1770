"""The web application and a database with TLS: it logs in where certificate and name are right, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from secretconn.testing import Application, LocalSecretsManager, MariaDBServer, PostgresServer
from tests.live.rules.debian_postgres import programs

WEBAPP = Path(__file__).parents[3] / "examples" / "webapp"


def certificate(folder: Path) -> Path:
    """A self-made one for 127.0.0.1; its key is beside it."""
    made = folder / "server.crt"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=database"],
            *["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "server.key", "-out", made],
        ],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, PostgresServer | MariaDBServer, Path]]:
    """The engine, its server and the authority that its certificate is verified with."""
    made = certificate(tmp_path_factory.mktemp("tls"))
    files = {path.name: path.read_bytes() for path in (made, made.with_suffix(".key"))}
    with ExitStack() as stack:
        if request.param == "postgresql":
            debian = stack.enter_context(programs())
            where = {"binaries": debian.binaries, "environment": debian.environment}
            running = stack.enter_context(PostgresServer(**where, files=files, options={"ssl": "on"}))
            yield request.param, running, made
        else:
            tls = {"ssl_cert": "server.crt", "ssl_key": "server.key"}
            yield request.param, stack.enter_context(MariaDBServer(options=tls, files=files)), made


@pytest.mark.parametrize(
    ("host", "right", "complaint"),
    [
        ("127.0.0.1", True, ""),
        ("127.0.0.1", False, "certificate verify failed"),
        ("localhost", True, "localhost"),
    ],
    ids=["right", "another authority", "another name"],
)
def test_the_application_verifies_authority_and_name(
    server: tuple[str, PostgresServer | MariaDBServer, Path],
    secrets_manager: LocalSecretsManager,
    tmp_path: Path,
    host: str,
    right: bool,
    complaint: str,
) -> None:
    engine, running, authority = server
    app = Application(running, secrets_manager, content={"host": host})
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG", "DJANGO_"))},
        **secrets_manager.environment,
        "WEBAPP_ENGINE": engine,
        "WEBAPP_SECRET": app.secret_id,
        "WEBAPP_TLS_CA": str(authority if right else certificate(tmp_path)),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"], cwd=WEBAPP, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (not complaint), done.stderr
    assert complaint in done.stderr
