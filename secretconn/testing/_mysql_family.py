"""What the private servers of the MySQL family share: containers, the command line, the superuser."""

from __future__ import annotations

import os
import subprocess
import time
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from secretconn.testing._docker import Container
from secretconn.testing._ladder import Installation, LadderServer
from secretconn.testing._process import POLL
from secretconn.testing.errors import ServerUnavailable

if TYPE_CHECKING:
    from secretconn.testing.admins import MariaDBAdmin

__all__ = ["FamilyServer"]

QUICK = {
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_doublewrite": "0",
    "innodb_buffer_pool_size": "32M",
    "innodb_use_native_aio": "0",
    "performance_schema": "OFF",
    "skip_name_resolve": "1",
    "max_connect_errors": "1000000000",
}
"""Settings for data that nobody will miss; broken-off handshakes must not block the host."""


class FamilyServer(LadderServer):
    """A private server of the MySQL family; its classes say what is theirs."""

    rungs = ("path", "docker", "debian")
    login_file = "init.sql"
    password_variable: ClassVar[str]
    """The superuser's password, to the image."""
    _container: Container | None = None

    # What each of them says for itself.

    @abstractmethod
    def _usual(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """Return its own settings besides QUICK, given the caller's."""

    @abstractmethod
    def _make_data(self, found: Installation) -> None:
        """Make the data folder."""

    @abstractmethod
    def _no_blank_passwords(self) -> str:
        """Return the statements that take away logins without a password."""

    # What they share.

    def sql(self, statements: str, *, database: str | None = None) -> list[list[str]]:
        """Run SQL as the superuser (needs PyMySQL); rows of the last answer, as text. Statements end in ``;\\n``.

        Raises:
            pymysql.Error: The server refused a statement.
        """
        return self.admin(database).run(statements)

    def admin(self, database: str | None = None) -> MariaDBAdmin:
        """Return the superuser's hand on users and passwords, for `Rotator` (needs PyMySQL)."""
        from secretconn.testing.admins import MariaDBAdmin

        return MariaDBAdmin(self.login, host=self.host, port=self.port, database=database)

    @property
    def running(self) -> bool:
        return self._container.running if self._container is not None else super().running

    def log(self) -> str:
        """Return what the server wrote so far."""
        return self._container.log() if self._container is not None else super().log()

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it and keep its data. ``immediate`` is as if it crashed: open sessions just end."""
        if self._container is not None and self._owner == os.getpid():
            self._container.stop(immediate=immediate)
        super().stop(immediate=immediate)

    def close(self) -> None:
        """Stop it at once and delete its data. Safe to call twice."""
        if self._container is not None and self._owner == os.getpid():
            self._container.remove()
        self._container = None
        super().close()

    def _settings(self, options: Mapping[str, str]) -> dict[str, str]:
        given = {name.replace("-", "_"): value for name, value in options.items()}
        return {**QUICK, **self._usual(given), **given}

    def _launch(self) -> None:
        if self._container is None:
            super()._launch()
            return
        self._container.start()
        deadline = time.monotonic() + self._wait
        while not self._ready():
            if time.monotonic() > deadline:
                raise ServerUnavailable(f"{self.title} in Docker was not ready after {self._wait:g} s")
            time.sleep(POLL)

    def _initialise(self) -> None:
        found = self._install()
        if found is not None:
            self._make_data(found)

    def _command(self) -> list[str]:
        settings = {
            **self._places(self._installed),
            "bind_address": self.host,
            "port": str(self.port),
            "socket": str(self.folder / "socket"),
            "pid_file": str(self.folder / "pid"),
            "init_file": str(self._write(self.folder / self.login_file, self._first_statements())),
            **self._options,
        }
        return [*self._installed.run(self._installed.server), "--no-defaults", *words(settings)]

    def _places(self, found: Installation) -> dict[str, str]:
        """Return the settings that say where everything is."""
        base = found.basedir
        return {
            "basedir": str(base),
            "datadir": str(self.data),
            "lc_messages_dir": str(_first_of(base / "share/mysql", base / "share")),
            "plugin_dir": str(_first_of(base / "lib/mysql/plugin", base / "lib/plugin", base / "lib64/mysql/plugin")),
        }

    def _first_statements(self) -> str:
        """Return what the server runs at each start, before the first connection."""
        return (
            f"{self._no_blank_passwords()}"
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )

    def _at(self, server: Path) -> Installation:
        told = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
        if ("MariaDB" in told) != (self.title == "MariaDB"):
            raise ServerUnavailable(f"{server} is not {self.title}")
        base = server.resolve().parent.parent
        return Installation(base, str(server.resolve().relative_to(base)))

    def _from_docker(self) -> None:
        if self._files or self.user != "root":
            raise ServerUnavailable("the container takes no extra files, and its superuser is root")
        self._container = Container(self._image, {self.password_variable: self.password}, self._options)
        self.host, self.port = self._container.host, self._container.port


def words(settings: Mapping[str, str]) -> list[str]:
    """Return settings as the words of a command line."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


def _first_of(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.exists()), folders[0])
