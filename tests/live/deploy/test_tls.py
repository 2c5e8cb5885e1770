"""A server that says it knows no TLS, in the place of the database: nobody sends it a password."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from secretconn.testing import LocalSecretsManager, new_password

ROOT = Path(__file__).parents[3]
SETUP, WEBAPP = ROOT / "deploy" / "setup", ROOT / "examples" / "webapp"
ENGINES = ("postgresql", "mysql")
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class NoTLS:
    """Takes connections, offers no TLS, asks for the password in clear and keeps every byte it is sent."""

    def __init__(self, engine: str) -> None:
        self.received = b""
        self.connections = 0
        self._talk = {"postgresql": self._postgresql, "mysql": self._mysql}[engine]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NoTLS:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10.0)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10.0)
                self._talk(connection)

    def _read(self, connection: socket.socket) -> bytes:
        sent = connection.recv(65536)
        self.received += sent
        return sent

    def _postgresql(self, connection: socket.socket) -> None:
        """Protocol as in PostgreSQL's manual: SSLRequest, AuthenticationCleartextPassword."""
        if self._read(connection) == SSL_REQUEST:
            connection.sendall(b"N")
            if not self._read(connection):
                return
        connection.sendall(b"R" + struct.pack("!ii", 8, 3))
        self._read(connection)

    def _mysql(self, connection: socket.socket) -> None:
        """As in MySQL's internals manual: a handshake without CLIENT_SSL, then an AuthSwitchRequest."""
        flags = 0x0008F7FF & ~0x0800  # all of MySQL 5.7's first ones, but CLIENT_SSL; with CLIENT_PLUGIN_AUTH
        greeting = b"\x0a8.0.40\x00" + struct.pack("<I", 1) + b"12345678\x00" + struct.pack("<H", flags & 0xFFFF)
        greeting += b"\x2d" + struct.pack("<HHB", 2, flags >> 16, 21) + bytes(10) + b"123456789012\x00"
        greeting += b"mysql_native_password\x00"
        connection.sendall(struct.pack("<I", len(greeting))[:3] + b"\x00" + greeting)
        if not self._read(connection):
            return
        switch = b"\xfemysql_clear_password\x00"
        connection.sendall(struct.pack("<I", len(switch))[:3] + b"\x02" + switch)
        self._read(connection)


@pytest.fixture(params=ENGINES)
def impostor(request: pytest.FixtureRequest) -> Iterator[tuple[str, NoTLS]]:
    with NoTLS(request.param) as server:
        yield request.param, server


def run(
    command: list[str], folder: Path, secrets: LocalSecretsManager, engine: str, server: NoTLS, authorities: str
) -> tuple[str, str]:
    """Run a program of the project with its database at this server; its errors, and the password that is right."""
    password, name = new_password(), f"tls/{engine}/{server.port}"
    address = {"engine": {"postgresql": "postgres"}.get(engine, engine), "host": "127.0.0.1", "port": server.port}
    login = {"username": "superuser", "password": password, "dbname": "webapp"}
    secrets.create_secret(name, {**address, **login})
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PG", "DJANGO_"))},
        **secrets.environment,
        "WEBAPP_ENGINE": engine,
        "WEBAPP_SECRET": name,
        "WEBAPP_TLS_CA": authorities,
        "SETUP_MAIN_SECRET": name,
        "SETUP_HOST": "127.0.0.1",
        "SETUP_PORT": str(server.port),
        "SETUP_DATABASE": "webapp",
        "PYTHONPATH": os.pathsep.join([str(folder), *(path for path in sys.path if path)]),
    }
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    return done.stderr, password


PROGRAMS = {
    "setup": ([sys.executable, "setup_database.py"], SETUP),
    "webapp": ([sys.executable, "manage.py", "migrate"], WEBAPP),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_server_without_tls_gets_no_password(
    program: str, impostor: tuple[str, NoTLS], secrets_manager: LocalSecretsManager
) -> None:
    engine, server = impostor
    errors, password = run(*PROGRAMS[program], secrets_manager, engine, server, certifi.where())
    assert server.connections, errors
    assert password.encode() not in server.received
    assert "SSL" in errors, "it says why"
    assert password not in errors


def test_the_impostor_would_get_it(impostor: tuple[str, NoTLS], secrets_manager: LocalSecretsManager) -> None:
    """The test above can fail: told not to verify, the drivers send the password in clear."""
    engine, server = impostor
    _, password = run(*PROGRAMS["setup"], secrets_manager, engine, server, "")
    assert password.encode() in server.received


def test_setup_wants_to_be_told(impostor: tuple[str, NoTLS], secrets_manager: LocalSecretsManager) -> None:
    engine, server = impostor
    command = [
        sys.executable,
        "-c",
        "import os, runpy; del os.environ['WEBAPP_TLS_CA']; runpy.run_path('setup_database.py', run_name='__main__')",
    ]
    errors, _ = run(command, SETUP, secrets_manager, engine, server, "x")
    assert "WEBAPP_TLS_CA" in errors
    assert not server.connections
