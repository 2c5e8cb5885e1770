"""PostgreSQL as Debian builds it (TLS, translations) and PgBouncer, unpacked into the cache folder with no root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from secretconn.testing import Application, Login, PostgresServer, ServerUnavailable, debian
from secretconn.testing._process import end, free_port, open_to, spawn, temporary_folder, unprivileged, wait_until

WITHOUT = ("libllvm*", "locales*", "postgresql-*-jit", "ssl-cert", "tzdata-legacy")

DOUBLED = '"'
"""What PgBouncer's file of users wants twice."""


class Programs:
    """PostgreSQL and PgBouncer unpacked, at a place that the servers' user can reach.

    Attributes:
        root: Where they are; below it is ``usr``.
    """

    def __init__(self, spare: Path) -> None:
        unpacked = debian.unpack("postgresql", "pgbouncer", without=WITHOUT, drop=["usr/lib/postgresql/*/lib/bitcode"])
        self._unpacked = unpacked.at(open_to(unprivileged(), unpacked.root, spare / "programs"))
        self._locales = spare / "locales"
        self.root = self._unpacked.root

    @property
    def binaries(self) -> Path:
        found = [path for path in (self.root / "usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
        if not found:
            raise ServerUnavailable(f"no PostgreSQL in {self.root}")
        return found[0]

    @property
    def environment(self) -> dict[str, str]:
        return self._unpacked.environment()

    def locale(self, name: str) -> dict[str, str]:
        """Compile a locale; the variables that let a program find it."""
        folder = self._locales
        folder.mkdir(exist_ok=True)
        share = debian.unpack("locales", without=["*"]).root / "usr/share/i18n"
        subprocess.run(
            ["localedef", "-c", "-i", share / "locales" / name, "-f", "UTF-8", folder / f"{name}.UTF-8"],
            check=True,
            capture_output=True,
            env={**os.environ, "I18NPATH": str(share)},
        )
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return {"LOCPATH": str(folder)}


@contextmanager
def programs() -> Iterator[Programs]:
    """The packages; a copy that was needed is deleted again."""
    spare = temporary_folder("debian", unprivileged())
    try:
        yield Programs(spare)
    finally:
        shutil.rmtree(spare, ignore_errors=True)


def certificate(folder: Path) -> Mapping[str, bytes]:
    """A self-made certificate for localhost, as files of PostgreSQL's data folder."""
    key, crt = folder / "server.key", folder / "server.crt"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"],
            "-keyout",
            key,
            "-out",
            crt,
        ],
        check=True,
        capture_output=True,
    )
    return {"server.key": key.read_bytes(), "server.crt": crt.read_bytes()}


class Bouncer:
    """PgBouncer before a server. Who may log in, and with which password, it asks the server (``auth_query``).

    Args:
        programs: Where it is.
        server: The server.
        auth_type: How a client proves who it is.
        users: Logins for its own file. With them it does not ask the server.
    """

    def __init__(
        self,
        programs: Programs,
        server: PostgresServer,
        *,
        auth_type: str = "scram-sha-256",
        users: Sequence[Login] = (),
    ) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self._programs, self._server = programs, server
        self._auth_type, self._users = auth_type, users

    @contextmanager
    def running(self) -> Iterator[Bouncer]:
        account = unprivileged()
        folder = temporary_folder("pgbouncer", account)
        server = self._server
        users = [(login.username, login.password) for login in self._users] or [(server.user, server.password)]
        lines = [f'"{user}" "{password.replace(DOUBLED, DOUBLED * 2)}"\n' for user, password in users]
        texts = {
            "users.txt": "".join(lines),
            "pgbouncer.ini": f"""
[databases]
* = host={server.host} port={server.port}
[pgbouncer]
listen_addr = {self.host}
listen_port = {self.port}
unix_socket_dir =
auth_type = {self._auth_type}
auth_file = {folder / "users.txt"}
{"" if self._users else f"auth_user = {server.user}"}
pool_mode = session
ignore_startup_parameters = extra_float_digits
""",
        }
        for name, text in texts.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(text)
            account.own(path)
        with (folder / "log").open("wb") as log:
            process = spawn(
                [self._programs.root / "usr/sbin/pgbouncer", folder / "pgbouncer.ini"],
                account=account,
                log=log,
                folder=folder,
                environment=self._programs.environment,
            )
        try:
            wait_until(self._listens, process, seconds=20.0, what="pgbouncer")
            yield self
        finally:
            end(process)
            shutil.rmtree(folder, ignore_errors=True)

    def _listens(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((self.host, self.port)) == 0


def rotations(app: Application) -> Iterator[str]:
    """The steps of a single-user, two alternating-users and another single-user rotation."""
    for strategy in ("single-user", "alternating-users", "alternating-users", "single-user"):
        for done in app.rotator(strategy).steps():
            yield done.step
