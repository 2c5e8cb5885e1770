"""MariaDBServer: a private MariaDB for tests, from PATH, from Docker, or from Debian packages in a cache folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from secretconn.testing import debian
from secretconn.testing._docker import Container
from secretconn.testing._process import POLL, open_to
from secretconn.testing._server import ManagedServer
from secretconn.testing.errors import ServerUnavailable

if TYPE_CHECKING:
    from secretconn.testing.admins import MariaDBAdmin

__all__ = ["MariaDBServer"]

LADDER = ("path", "docker", "debian")

PACKAGES = ("mariadb-server-core", "mariadb-client-core")

QUICK = {
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_doublewrite": "0",
    "innodb_buffer_pool_size": "32M",
    "innodb_use_native_aio": "0",
    "performance_schema": "OFF",
    "skip_name_resolve": "1",
    "max_connect_errors": "1000000000",
    "skip_ssl": "1",
}
"""Settings for data that nobody will miss; broken-off handshakes must not block the host; TLS only where asked for."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where one MariaDB's programs are.

    Attributes:
        root: The folder to make reachable for the server's user; everything else is below it.
        server: ``mariadbd``, relative to root.
        install: ``mariadb-install-db``, relative to root.
        base: MariaDB's basedir, relative to root.
        environment: What the programs need to find their libraries, given the root in use.
    """

    root: Path
    server: str
    install: str
    base: str
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda _root: {})


class MariaDBServer(ManagedServer):
    """A private MariaDB on 127.0.0.1: random port, own data folder, no blank passwords, no TLS, data not synced.

    Runs as ``nobody`` when we are root. Dies with this process. The first use of the "debian" rung downloads about
    15 MB of packages into the cache folder; later uses start from there.

    Args:
        user: The superuser's name.
        options: Server settings (``{"max_password_errors": "3", "max_connections": "20"}``); naming an ``ssl_``
            setting turns TLS on.
        files: More files for the data folder, name to content.
        ladder: Where to look for a server, in this order: "path", "docker", "debian".
        image: The image for the "docker" rung.
        cache: The folder for the "debian" rung; default is that of `secretconn.testing.debian.cache_folder`.
        wait: Seconds to wait for each step of the start.

    Raises (from ``start``):
        ServerUnavailable: No rung of the ladder held; the text says why for each.
    """

    kind = "mariadb"
    engine = "mariadb"

    def __init__(
        self,
        *,
        user: str = "root",
        options: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        ladder: Sequence[str] = LADDER,
        image: str = "mariadb:11.4",
        cache: str | Path | None = None,
        wait: float = 60.0,
    ) -> None:
        super().__init__(user=user, files=files, environment=None, wait=wait)
        if not ladder or not set(ladder) <= set(LADDER):
            raise ValueError(f"ladder must name some of {', '.join(LADDER)}, not {ladder!r}")
        self._options = {**QUICK, **(options or {})}
        if any(name.replace("-", "_").startswith("ssl_") for name in options or {}):
            del self._options["skip_ssl"]
        self._ladder = tuple(ladder)
        self._image = image
        self._cache = cache
        self._installation: Installation | None = None
        self._container: Container | None = None
        self.rung: str | None = None

    def sql(self, statements: str, *, database: str | None = None) -> list[list[str]]:
        """Run SQL as the superuser (needs PyMySQL); rows of the last answer, as text. Statements end in ``;\\n``.

        Raises:
            pymysql.Error: The server refused a statement.
        """
        return self.admin(database).run(statements)

    def admin(self, database: str | None = None) -> MariaDBAdmin:
        """The superuser's hand on users and passwords, for `Rotator` (needs PyMySQL)."""
        from secretconn.testing.admins import MariaDBAdmin

        return MariaDBAdmin(self.login, host=self.host, port=self.port, database=database)

    @property
    def running(self) -> bool:
        return self._container.running if self._container is not None else super().running

    def log(self) -> str:
        """What the server wrote so far."""
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

    def _launch(self) -> None:
        if self._container is None:
            super()._launch()
            return
        self._container.start()
        deadline = time.monotonic() + self._wait
        while not self._ready():
            if time.monotonic() > deadline:
                raise ServerUnavailable(f"MariaDB in Docker was not ready after {self._wait:g} s")
            time.sleep(POLL)

    def _climb(self) -> Installation | None:
        reasons = []
        for rung in self._ladder:
            try:
                found = self._RUNGS[rung](self)
            except ServerUnavailable as error:
                reasons.append(f"{rung}: {error}")
            else:
                self.rung = rung
                return found
        raise ServerUnavailable("MariaDB for tests cannot be had. " + "; ".join(reasons))

    def _initialise(self) -> None:
        found = self._climb()
        if found is None:
            return
        root = open_to(self._account, found.root, self.folder / "program")
        self._environment.update(found.environment(root))
        self._installation = found = Installation(root, found.server, found.install, found.base)
        self._run(
            [
                root / found.install,
                "--no-defaults",
                f"--basedir={root / found.base}",
                f"--datadir={self.data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--force",  # looks up no host name: not every machine has one in /etc/hosts
                "--innodb-use-native-aio=0",  # io_uring locks memory, and two at once can exceed the limit of a user
            ]
        )

    def _command(self) -> list[str]:
        found = self._installation
        if found is None:
            raise ServerUnavailable("MariaDB has not been set up")
        base = found.root / found.base
        settings = {
            "basedir": str(base),
            "datadir": str(self.data),
            "lc_messages_dir": str(_first(base / "share/mysql", base / "share")),
            "plugin_dir": str(_first(base / "lib/mysql/plugin", base / "lib/plugin", base / "lib64/mysql/plugin")),
            "bind_address": self.host,
            "port": str(self.port),
            "socket": str(self.folder / "socket"),
            "pid_file": str(self.folder / "pid"),
            "init_file": str(self._write(self.folder / "init.sql", self._first_statements())),
            **self._options,
        }
        return [
            str(found.root / found.server),
            "--no-defaults",
            *(f"--{name.replace('_', '-')}={value}" for name, value in settings.items()),
        ]

    def _first_statements(self) -> str:
        """The install leaves blank-password root rows; they go before the first connection is taken."""
        return (
            "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE OR REPLACE USER '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )

    def _ready(self) -> bool:
        """The first byte of the handshake: the server listens a little earlier than it answers."""
        try:
            with socket.create_connection((self.host, self.port), timeout=1.0) as probe:
                answered = bool(probe.recv(1))
        except OSError:
            return False
        if answered:
            (self.folder / "init.sql").unlink(missing_ok=True)
        return answered

    def _from_path(self) -> Installation:
        places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
        server = shutil.which("mariadbd", path=places) or shutil.which("mysqld", path=places)
        if server is None:
            raise ServerUnavailable("no mariadbd or mysqld on PATH")
        if "MariaDB" not in subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout:
            raise ServerUnavailable(f"{server} is not MariaDB")
        base = Path(server).resolve().parent.parent
        for script in ("bin/mariadb-install-db", "scripts/mariadb-install-db", "bin/mysql_install_db"):
            if (base / script).exists():
                return Installation(base, str(Path(server).resolve().relative_to(base)), script, ".")
        raise ServerUnavailable(f"{server} has no mariadb-install-db beside it")

    def _from_debian(self) -> Installation:
        unpacked = debian.unpack(*PACKAGES, cache=self._cache)
        programs = ("usr/sbin/mariadbd", "usr/bin/mariadb-install-db")
        return Installation(unpacked.root, *programs, "usr", lambda root: unpacked.at(root).environment())

    def _from_docker(self) -> None:
        if self._files or self.user != "root":
            raise ServerUnavailable("the container takes no extra files, and its superuser is root")
        self._container = Container(self._image, self.login, self._options)
        self.host, self.port = self._container.host, self._container.port

    _RUNGS: ClassVar[Mapping[str, Callable[[MariaDBServer], Installation | None]]] = {
        "path": _from_path,
        "docker": _from_docker,
        "debian": _from_debian,
    }


def _first(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.exists()), folders[0])
