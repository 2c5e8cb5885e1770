"""Servers whose programs are looked for in several places, the rungs of a ladder: PATH, Docker, Debian's packages."""

from __future__ import annotations

import os
import shutil
import socket
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from secretconn.testing._process import open_to
from secretconn.testing._server import ManagedServer
from secretconn.testing.debian import Unpacked
from secretconn.testing.errors import ServerUnavailable

__all__ = ["Installation", "LadderServer"]

PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
"""Where servers are besides PATH."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where one server's programs are.

    Attributes:
        root: The folder to make reachable for the server's user; everything else is below it.
        server: The server, relative to root.
        base: Its basedir, relative to root.
        packages: Debian's packages that it came in, which know how to start their programs.
    """

    root: Path
    server: str
    base: str = "."
    packages: Unpacked | None = None

    @property
    def basedir(self) -> Path:
        return self.root / self.base

    def run(self, program: str) -> list[str]:
        """Return the words that run a program, which is given relative to root."""
        return [str(self.root / program)] if self.packages is None else self.packages.at(self.root).command(program)

    def environment(self) -> dict[str, str]:
        """Return the variables that the programs need to find their libraries."""
        return {} if self.packages is None else self.packages.at(self.root).environment()


class LadderServer(ManagedServer):
    """A private server from the first place that has one.

    Runs as ``nobody`` when we are root. Dies with this process.

    Args:
        user: The superuser's name.
        options: Server settings (``{"max_connections": "20"}``).
        files: More files for the data folder, name to content.
        ladder: Where to look for a server, in this order; default is all of ``rungs``.
        image: The image for the "docker" rung, where there is one.
        cache: The folder for the "debian" rung; default is that of `secretconn.testing.debian.cache_folder`.
        wait: Seconds to wait for each step of the start.

    Attributes:
        rung: The rung of the ladder it came from; None before the first start.

    Raises (from ``start``):
        ServerUnavailable: No rung of the ladder held; the text says why for each.
    """

    title: ClassVar[str]
    programs: ClassVar[Sequence[str]]
    rungs: ClassVar[Sequence[str]]
    image: ClassVar[str] = ""
    hello: ClassVar[tuple[bytes, bytes]] = (b"", b"")
    """What is said to a server that starts, and how its answer begins."""
    login_file: ClassVar[str]
    """The file with the superuser's login, which is read at the start and then deleted."""

    def __init__(
        self,
        *,
        user: str = "root",
        options: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        ladder: Sequence[str] | None = None,
        image: str | None = None,
        cache: str | Path | None = None,
        wait: float = 60.0,
    ) -> None:
        super().__init__(user=user, files=files, environment=None, wait=wait)
        self._ladder = self.rungs if ladder is None else tuple(ladder)
        if not self._ladder or not set(self._ladder) <= set(self.rungs):
            raise ValueError(f"ladder must name some of {', '.join(self.rungs)}, not {ladder!r}")
        self._options = self._settings(options or {})
        self._image = image or self.image
        self._cache = cache
        self._installation: Installation | None = None
        self.rung: str | None = None

    # What each server says for itself.

    @abstractmethod
    def _at(self, server: Path) -> Installation:
        """Return the installation of a server found on PATH. Raises ServerUnavailable where something is missing."""

    @abstractmethod
    def _from_debian(self) -> Installation:
        """Return the installation unpacked from Debian's packages."""

    def _settings(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return the server's settings, the caller's among them."""
        return dict(options)

    def _from_docker(self) -> None:
        """Start a container, which has an installation of its own."""

    # What they share.

    @property
    def _installed(self) -> Installation:
        if self._installation is None:
            raise ServerUnavailable(f"{self.title} has not been set up")
        return self._installation

    def _install(self) -> Installation | None:
        """Find the programs and make them reachable for the server's user; None for a container."""
        found = self._climb()
        if found is not None:
            root = open_to(self._account, found.root, self.folder / "program")
            found = self._installation = replace(found, root=root)
            self._environment.update(found.environment())
        return found

    def _ready(self) -> bool:
        """True once it answers: a server listens a little earlier than that."""
        said, answer = self.hello
        try:
            with socket.create_connection((self.host, self.port), timeout=1.0) as probe:
                probe.sendall(said)
                heard = probe.recv(8)
        except OSError:
            return False
        if not heard or not heard.startswith(answer):
            return False
        (self.folder / self.login_file).unlink(missing_ok=True)
        return True

    def _climb(self) -> Installation | None:
        ways = {"path": self._from_path, "docker": self._from_docker, "debian": self._from_debian}
        reasons = []
        for rung in self._ladder:
            try:
                found = ways[rung]()
            except ServerUnavailable as error:
                reasons.append(f"{rung}: {error}")
            else:
                self.rung = rung
                return found
        raise ServerUnavailable(f"{self.title} for tests cannot be had. " + "; ".join(reasons))

    def _from_path(self) -> Installation:
        places = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
        server = next(filter(None, (shutil.which(name, path=places) for name in self.programs)), None)
        if server is None:
            raise ServerUnavailable(f"no {' or '.join(self.programs)} on PATH")
        return self._at(Path(server))
