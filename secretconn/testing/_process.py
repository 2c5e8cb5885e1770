"""Processes for the test bed: servers that run unprivileged, on a free port, and never outlive their parent."""

from __future__ import annotations

import functools
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from secretconn.testing.errors import ServerUnavailable

__all__ = ["Account", "end", "free_port", "open_to", "spawn", "unprivileged", "wait_until", "with_a_name"]

POLL = 0.01
"""Seconds between two looks at a starting server."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as: ids below zero mean "as we are"."""

    name: str | None
    uid: int = -1
    gid: int = -1

    def own(self, path: Path) -> None:
        """Give the path to this user, where it is another one than ours."""
        if self.uid >= 0:
            os.chown(path, self.uid, self.gid)

    def may_enter(self, folder: Path) -> bool:
        """Whether the mode bits let this user enter the folder and all folders above it."""
        if self.uid < 0:
            return True
        return all(self._passes(step.stat()) for step in (folder, *folder.parents))

    def _passes(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & (0o010 if status.st_gid == self.gid else 0o001))


def unprivileged() -> Account:
    """``nobody`` when we are root (PostgreSQL refuses to run as root), else ourselves."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return Account(None)
    import pwd

    nobody = pwd.getpwnam("nobody")
    return Account("nobody", nobody.pw_uid, nobody.pw_gid)


def with_a_name(folder: Path) -> list[str]:
    """Return the words before a program that asks for its user's name, which fails where our id has no entry in passwd.

    Args:
        folder: For the files that this may need.

    Raises:
        ServerUnavailable: There is no way to give it a name.
    """
    ways: list[Callable[[], list[str]]] = [list, _in_a_namespace, functools.partial(_wrapped, folder)]
    reasons = []
    for way in ways if hasattr(os, "geteuid") else ():
        try:
            words = way()
            subprocess.run([*words, "id", "-un"], capture_output=True, check=True)
        except (OSError, StopIteration, subprocess.CalledProcessError, ServerUnavailable) as error:
            reasons.append(str(error))
        else:
            return words
    if not reasons:
        return []
    raise ServerUnavailable(
        f"user id {os.geteuid()} has no entry in passwd, and neither unshare --user nor Debian's libnss-wrapper gives "
        f"it one: {'; '.join(reasons[1:])}"
    )


def _in_a_namespace() -> list[str]:
    """In a user namespace we are some user who has an entry, and what it makes is ours outside."""
    import pwd

    other = next(entry for entry in pwd.getpwall() if entry.pw_uid)
    return ["unshare", "--user", f"--map-user={other.pw_uid}", f"--map-group={other.pw_gid}", "--"]


def _wrapped(folder: Path) -> list[str]:
    """Where a container may make no namespace: what postgres' image does as well."""
    from secretconn.testing import debian

    ids = f"{os.geteuid()}:{os.getegid()}"
    (folder / "passwd").write_text(f"secretconn:x:{ids}::/:/bin/sh\n")
    (folder / "group").write_text(f"secretconn:x:{os.getegid()}:\n")
    unpacked = debian.unpack("libnss-wrapper", without=["*"], cache=folder)
    library = next(unpacked.root.glob("usr/lib/*/libnss_wrapper.so"))
    files = [f"NSS_WRAPPER_PASSWD={folder / 'passwd'}", f"NSS_WRAPPER_GROUP={folder / 'group'}"]
    return ["env", f"LD_PRELOAD={library}", *files]


def open_to(account: Account, folder: Path, spare: Path, parts: Sequence[str] = (".",)) -> Path:
    """The folder itself where the account can reach it, else a copy at ``spare`` (hard links where they can be made).

    Only the named parts of the folder are copied; programs find their libraries by where these stand to each other.

    Programs installed below /root cannot be reached by ``nobody``, and opening up /root for tests is not ours to do.
    """
    if all(account.may_enter(folder / part) for part in parts):
        return folder
    for part in parts:
        shutil.copytree(folder / part, spare / part, symlinks=True, copy_function=_link_or_copy)
    for path, _, _ in os.walk(spare):
        Path(path).chmod(0o755)
    return spare


def _link_or_copy(source: str, target: str) -> None:
    # A file that others may not read would be of no use as a link, and its own mode is not ours to change.
    mode = Path(source).stat().st_mode
    if mode & 0o004:
        try:
            os.link(source, target, follow_symlinks=False)
            return
        except OSError:
            pass  # another file system
    shutil.copy(source, target)
    Path(target).chmod(0o755 if mode & 0o100 else 0o644)


def free_port() -> int:
    """A TCP port at 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def temporary_folder(kind: str, account: Account) -> Path:
    """A new folder that only the account (and root) can enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"secretconn-{kind}-"))
    account.own(folder)
    return folder


_PASSED_ON = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "SYSTEMROOT", "TEMP", "TMP", "ASAN_")


def bare_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a server needs of our environment. The rest, AWS keys say, is none of its business: /proc would show it to
    the account it runs as."""
    exact = {name for name in _PASSED_ON if not name.endswith("_")}
    starts = tuple(name for name in _PASSED_ON if name.endswith("_"))
    return {name: value for name, value in environ.items() if name in exact or name.startswith(starts)}


def spawn(
    command: Sequence[str | Path],
    *,
    account: Account,
    log: IO[bytes],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    death_signal: int = int(signal.SIGTERM),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (Ctrl-C goes to the tests), as the account, to die when we die.

    Raises:
        OSError: The program cannot be run.
    """
    ids: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": ()} if account.uid >= 0 else {}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_tied(death_signal), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**bare_environment(os.environ), **(environment or {})},
            start_new_session=True,
            umask=0o077,
            **ids,
        )

    return _from_lasting_thread(start)


def _tied(death_signal: int) -> list[str]:
    """Return the words before a command that end it with the thread that starts it."""
    program = _setpriv()
    name = signal.Signals(death_signal).name.removeprefix("SIG")
    return [] if program is None else [program, "--pdeathsig", name, "--"]


@functools.cache
def _setpriv() -> str | None:
    """Return the path of util-linux's setpriv (Linux); BusyBox's knows no death signal."""
    program = shutil.which("setpriv")
    if program is None:
        return None
    tried = subprocess.run([program, "--pdeathsig", "TERM", "true"], capture_output=True, check=False)
    return None if tried.returncode else program


def _from_lasting_thread(call: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    future: Future[subprocess.Popen[bytes]] = Future()
    _lasting(os.getpid()).put((future, call))
    return future.result()


@functools.cache
def _lasting(_process_id: int) -> queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]]:
    """Start a thread that lives as long as this process and return the queue of its work.

    Linux sends the death signal when the starting *thread* ends.
    """
    work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()

    def run() -> None:
        while True:
            future, call = work.get()
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001  (it is the caller's)
                future.set_exception(error)

    threading.Thread(target=run, name="secretconn-testing-spawn", daemon=True).start()
    return work


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], *, seconds: float, what: str) -> None:
    """Return when ``ready()`` is true.

    Raises:
        ServerUnavailable: The process ended first, or the seconds passed.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise ServerUnavailable(f"{what} ended with exit code {process.returncode} while it was starting")
        if time.monotonic() > deadline:
            raise ServerUnavailable(f"{what} was not ready after {seconds:g} s")
        time.sleep(POLL)


def end(process: subprocess.Popen[bytes], *signals: int, grace: float = 10.0) -> None:
    """Send each signal in turn, waiting ``grace`` seconds after each; the last resort is SIGKILL."""
    for number in signals:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.kill()
        process.wait()
