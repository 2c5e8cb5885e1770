"""A managed server: the life of one private database server, whichever it is (start, stop, restart, close)."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from secretconn.testing._process import Account, end, free_port, spawn, temporary_folder, unprivileged, wait_until
from secretconn.testing.errors import ServerUnavailable
from secretconn.testing.logins import Login, new_password

__all__ = ["ManagedServer"]

PORT_TRIES = 3
LOG_LINES = 15
COMPLAINT = re.compile(r"\[ERROR\]|\b(?:ERROR|FATAL|PANIC):|FATAL CONFIG FILE ERROR")
"""How MariaDB, MySQL, PostgreSQL and Redis begin what is to be mended. MariaDB's install script ends in advice."""


class ManagedServer(ABC):
    """A private server on 127.0.0.1, with its own data folder, for one process and those it talks to.

    Attributes:
        host: Where it listens, always 127.0.0.1.
        port: Its TCP port; the same after a restart. 0 before the first start.
        user: The superuser's name.
        password: The superuser's password: random, and in no repr.
    """

    kind: ClassVar[str]
    engine: ClassVar[str]
    stop_signals: ClassVar[Sequence[int]] = (signal.SIGTERM,)
    kill_signal: ClassVar[int] = signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM

    def __init__(
        self, *, user: str, files: Mapping[str, str | bytes] | None, environment: Mapping[str, str] | None, wait: float
    ) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self._login = Login(user, new_password(exclude="\\'\" "))
        self._files = dict(files or {})
        self._environment = dict(environment or {})
        self._wait = wait
        self._owner = os.getpid()
        self._account = Account(None)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    # What each server says for itself.

    @abstractmethod
    def _initialise(self) -> None:
        """Make the data folder, once."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the server takes logins now."""

    # What they share.

    @property
    def user(self) -> str:
        return self._login.username

    @property
    def password(self) -> str:
        return self._login.password

    @property
    def login(self) -> Login:
        """The superuser's login, as an object that is safe to hand around."""
        return self._login

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The server's process id, or None while it is stopped."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def folder(self) -> Path:
        """The server's own folder, which ``close`` deletes.

        Raises:
            ServerUnavailable: It was never started.
        """
        if self._folder is None:
            raise ServerUnavailable(f"{self!r} has not been started")
        return self._folder

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def log(self) -> str:
        """What the server wrote so far."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> Self:
        """Start it; after ``stop`` with the same data at the same port. Nothing happens where it runs.

        Raises:
            ServerUnavailable: The binaries are not there, or the server did not start; the text has its last words.
        """
        if self.running:
            return self
        first = self._folder is None
        try:
            if first:
                self._prepare()
            self._launch()
        except BaseException:
            if first:  # there is no data yet that anybody could miss
                self.close()
            raise
        return self

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it and keep its data. ``immediate`` is as if it crashed: open sessions just end."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():  # a forked child must not stop its parent's server
            end(process, *((self.kill_signal,) if immediate else self.stop_signals))

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start, same port, same data."""
        self.stop(immediate=immediate)
        self.start()

    def close(self) -> None:
        """Stop it at once and delete its data. Safe to call twice."""
        self.stop(immediate=True)
        atexit.unregister(self.close)
        folder, self._folder = self._folder, None
        if folder is not None and self._owner == os.getpid():
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<{type(self).__name__} {self.user}:***@{self.host}:{self.port} {state}>"

    def _prepare(self) -> None:
        self._account = unprivileged()
        self._folder = temporary_folder(self.kind, self._account)
        self._owner = os.getpid()
        atexit.register(self.close)
        self._initialise()
        for name, content in self._files.items():
            self._write(self.data / name, content)

    def _launch(self) -> None:
        first = self.port == 0
        for tries_left in reversed(range(PORT_TRIES)):
            if first:
                self.port = free_port()
            begin = (self.folder / "log").stat().st_size if (self.folder / "log").exists() else 0
            self._process = self._spawn(self._command(), death_signal=self.kill_signal)
            try:
                wait_until(self._ready, self._process, seconds=self._wait, what=type(self).__name__)
                return
            except ServerUnavailable as error:
                self.stop(immediate=True)
                # Another process may have taken the port between our look and the server's.
                words = self.log()[begin:]
                if not (first and tries_left and "in use" in words):
                    raise ServerUnavailable(f"{error}. Its own words:\n{essence(words)}") from None

    def _spawn(self, command: Sequence[str | Path], *, death_signal: int) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return spawn(
                command,
                account=self._account,
                log=log,
                folder=self.folder,
                # Its own: MariaDB and MySQL delete every "#sql..." in the temporary folder when they start.
                environment={"TMPDIR": str(self.folder), **self._environment},
                death_signal=death_signal,
            )

    def _run(self, command: Sequence[str | Path]) -> None:
        """Run a helper program of the server to its end, as the server's user, into the server's log."""
        process = self._spawn(command, death_signal=self.kill_signal)
        if process.wait(self._wait):
            raise ServerUnavailable(f"{Path(command[0]).name} ended with {process.returncode}:\n{essence(self.log())}")

    def _write(self, path: Path, content: str | bytes) -> Path:
        """A file that only the server's user (and root) can read."""
        path.touch(mode=0o600)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._account.own(path)
        return path


def essence(log: str) -> str:
    """Return the lines of a log that tell of errors, and where there is none its last lines."""
    lines = log.splitlines()
    return "\n".join(([line for line in lines if COMPLAINT.search(line)] or lines)[-LOG_LINES:])
