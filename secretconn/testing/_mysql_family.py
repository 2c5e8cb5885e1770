"""What the private servers of the MySQL family share: where they come from, their command line, their superuser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from secretconn.testing._docker import Container
from secretconn.testing._process import POLL, open_to
from secretconn.testing._server import ManagedServer
from secretconn.testing.debian import Unpacked
from secretconn.testing.errors import ServerUnavailable

if TYPE_CHECKING:
    from secretconn.testing.admins import MariaDBAdmin

__all__ = ["FamilyServer", "Installation", "first_of"]

LADDER = ("path", "docker", "debian")

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


@dataclass(frozen=True, slots=True)
class Installation:
    """Where one server's programs are.

    Attributes:
        root: The folder to make reachable for the server's user; everything else is below it.
        server: The server, relative to root.
        base: Its basedir, relative to root.
        command: The words that run a program, given the root in use and the program's place in it.
        environment: What the programs need to find their libraries, given the root in use.
    """

    root: Path
    server: str
    base: str
    command: Callable[[Path, str], list[str]] = field(default=lambda root, program: [str(root / program)])
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda _root: {})

    @classmethod
    def unpacked(cls, found: Unpacked, server: str) -> Installation:
        """A server out of Debian's packages."""
        return cls(
            found.root,
            server,
            "usr",
            lambda root, program: found.at(root).command(program),
            lambda root: found.at(root).environment(),
        )

    @property
    def basedir(self) -> Path:
        return self.root / self.base

    def run(self, program: str) -> list[str]:
        """The words that run a program, which is given relative to root."""
        return self.command(self.root, program)


class FamilyServer(ManagedServer):
    """A private server of the MySQL family; its classes say what is theirs.

    Attributes:
        rung: The rung of the ladder it came from; None before the first start.
    """

    title: ClassVar[str]
    programs: ClassVar[Sequence[str]]
    image: ClassVar[str]
    password_variable: ClassVar[str]
    """The superuser's password, to the image."""

    def __init__(
        self,
        *,
        user: str = "root",
        options: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        ladder: Sequence[str] = LADDER,
        image: str | None = None,
        cache: str | Path | None = None,
        wait: float = 60.0,
    ) -> None:
        super().__init__(user=user, files=files, environment=None, wait=wait)
        if not ladder or not set(ladder) <= set(LADDER):
            raise ValueError(f"ladder must name some of {', '.join(LADDER)}, not {ladder!r}")
        self._options = self._settings({name.replace("-", "_"): value for name, value in (options or {}).items()})
        self._ladder = tuple(ladder)
        self._image = image or self.image
        self._cache = cache
        self._installation: Installation | None = None
        self._container: Container | None = None
        self.rung: str | None = None

    # What each of them says for itself.

    @abstractmethod
    def _settings(self, options: dict[str, str]) -> dict[str, str]:
        """The settings of the server, the caller's among them."""

    @abstractmethod
    def _at(self, base: Path, server: str) -> Installation:
        """The installation of a server that was found on PATH; ServerUnavailable where something is missing there."""

    @abstractmethod
    def _from_debian(self) -> Installation:
        """The installation unpacked from Debian's packages."""

    @abstractmethod
    def _make_data(self, found: Installation) -> None:
        """Make the data folder."""

    @abstractmethod
    def _first_statements(self) -> str:
        """What the server runs at each start, before the first connection: the superuser, and no blank password."""

    # What they share.

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
                raise ServerUnavailable(f"{self.title} in Docker was not ready after {self._wait:g} s")
            time.sleep(POLL)

    def _initialise(self) -> None:
        found = self._climb()
        if found is None:
            return
        root = open_to(self._account, found.root, self.folder / "program")
        self._environment.update(found.environment(root))
        self._installation = Installation(root, found.server, found.base, found.command, found.environment)
        self._make_data(self._installation)

    def _climb(self) -> Installation | None:
        reasons = []
        for rung in self._ladder:
            try:
                found = {"path": self._from_path, "docker": self._from_docker, "debian": self._from_debian}[rung]()
            except ServerUnavailable as error:
                reasons.append(f"{rung}: {error}")
            else:
                self.rung = rung
                return found
        raise ServerUnavailable(f"{self.title} for tests cannot be had. " + "; ".join(reasons))

    def _command(self) -> list[str]:
        found = self._installation
        if found is None:
            raise ServerUnavailable(f"{self.title} has not been set up")
        settings = {
            **self._places(found),
            "bind_address": self.host,
            "port": str(self.port),
            "socket": str(self.folder / "socket"),
            "pid_file": str(self.folder / "pid"),
            "init_file": str(self._write(self.folder / "init.sql", self._first_statements())),
            **self._options,
        }
        return [*found.run(found.server), "--no-defaults", *words(settings)]

    def _places(self, found: Installation) -> dict[str, str]:
        """The settings that say where everything is."""
        base = found.basedir
        return {
            "basedir": str(base),
            "datadir": str(self.data),
            "lc_messages_dir": str(first_of(base / "share/mysql", base / "share")),
            "plugin_dir": str(first_of(base / "lib/mysql/plugin", base / "lib/plugin", base / "lib64/mysql/plugin")),
        }

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
        server = next(filter(None, (shutil.which(name, path=places) for name in self.programs)), None)
        if server is None:
            raise ServerUnavailable(f"no {' or '.join(self.programs)} on PATH")
        told = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
        if ("MariaDB" in told) != (self.title == "MariaDB"):
            raise ServerUnavailable(f"{server} is not {self.title}")
        real = Path(server).resolve()
        base = real.parent.parent
        return self._at(base, str(real.relative_to(base)))

    def _from_docker(self) -> None:
        if self._files or self.user != "root":
            raise ServerUnavailable("the container takes no extra files, and its superuser is root")
        self._container = Container(self._image, {self.password_variable: self.password}, self._options)
        self.host, self.port = self._container.host, self._container.port


def words(settings: Mapping[str, str]) -> list[str]:
    """Settings as the words of a command line."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


def first_of(*folders: Path) -> Path:
    """The first of the folders that is there; the first one where none is."""
    return next((folder for folder in folders if folder.exists()), folders[0])
