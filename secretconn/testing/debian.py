"""Debian packages unpacked into a folder: real servers with no root, no install and no container.

    server = unpack("redis-server")
    subprocess.run([*server.command("usr/bin/redis-server"), "--version"], env=server.environment())

`unpack` asks apt what a package needs and fetches all of it but the C library; no list of libraries is kept by hand.
With ``suite="sid"`` it takes the package from Debian's unreleased suite, C library included. Such a program is started
through its own loader (`Unpacked.command`), never with ``LD_LIBRARY_PATH``: the machine's own programs would load the
newer C library too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from secretconn.testing._apt import Apt, Plan, run
from secretconn.testing.errors import ServerUnavailable

__all__ = ["Unpacked", "cache_folder", "unpack"]

FOR_MAINTAINER_SCRIPTS = (
    *("adduser", "base-files", "debconf*", "dpkg", "init-system-helpers", "lsb-base", "passwd", "perl*", "libperl*"),
    *("lib*-perl", "systemd*", "sysvinit-utils", "tar", "ucf", "usrmerge"),
)
"""Patterns of packages that others need to be installed, which is not done here."""

MANUALS = ("usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/man")

C_LIBRARY = ("libc6", "libc-bin", "libc-l10n")
"""The machine's own serves packages of its release."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Packages and all they need, in a folder.

    Attributes:
        root: The folder that stands for ``/``.
        foreign: True if they come from another suite than the machine's and bring their own C library.
    """

    root: Path
    foreign: bool = False

    def command(self, program: str) -> list[str]:
        """Return the words that start a program, given its path below root (``usr/sbin/mysqld``)."""
        path = str(self.root / program)
        if not self.foreign:
            return [path]
        return [str(self._loader()), "--library-path", os.pathsep.join(self._libraries()), path]

    def environment(self) -> dict[str, str]:
        """Return the variables that let programs find their libraries; none where `command` says so itself."""
        if self.foreign:
            return {}
        before = filter(None, [os.environ.get("LD_LIBRARY_PATH")])
        return {"LD_LIBRARY_PATH": os.pathsep.join([*self._libraries(), *before])}

    def at(self, root: Path) -> Unpacked:
        """Return the same for a copy of the folder."""
        return replace(self, root=root)

    def _libraries(self) -> list[str]:
        patterns = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/private")
        return [str(path) for pattern in patterns for path in sorted(self.root.glob(pattern))]

    def _loader(self) -> Path:
        for pattern in ("usr/lib/*/ld-linux*.so.*", "lib/*/ld-linux*.so.*"):
            for loader in sorted(self.root.glob(pattern)):
                return loader
        raise ServerUnavailable(f"no loader (ld-linux) in {self.root}")


def cache_folder() -> Path:
    """Where unpacked packages are kept: ``$SECRETCONN_CACHE``, else ``~/.cache/secretconn`` (XDG_CACHE_HOME)."""
    named = os.environ.get("SECRETCONN_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "secretconn"


def unpack(
    *packages: str,
    suite: str | None = None,
    without: Iterable[str] = (),
    drop: Iterable[str] = (),
    cache: str | Path | None = None,
) -> Unpacked:
    """Fetch Debian packages and all they need, and unpack them; what is there already is not fetched again.

    Says on standard error what it fetches and how large that is. The machine's own lists of packages are used unless a
    file they name is gone. A folder is there whole or not at all, whatever ends this process, and other processes that
    want the same wait.

    Args:
        packages: Their names, one or more.
        suite: A suite of Debian's archive to take them from ("sid"); default is what the machine's sources name.
        without: Patterns (fnmatch) of packages to leave out, and what only they need; ``["*"]``: the named ones alone.
        drop: Patterns (`Path.glob`) of files and folders below root not to keep, besides manuals and the like.
        cache: Where to keep them; default is `cache_folder`.

    Returns:
        The folder, and how to start programs in it.

    Raises:
        ServerUnavailable: No apt-get or dpkg-deb here, or a package or something it needs cannot be had.
    """
    place = (Path(cache) if cache is not None else cache_folder()).absolute() / "debian"
    patterns, dropped = tuple(without), tuple(drop)
    target = place / _folder_name(packages, suite, [*packages[1:], *patterns, *dropped])
    found = Unpacked(target, foreign=suite is not None)
    if target.exists():
        return found
    keyring = None if suite is None else _keyring(place.parent)
    place.mkdir(parents=True, exist_ok=True)
    with _locked(place):
        if not target.exists():  # another process may have been quicker
            left_out = (*FOR_MAINTAINER_SCRIPTS, *(C_LIBRARY if suite is None else ()), *patterns)
            work = place / "work" / target.name  # kept when it fails: the next try goes on from there
            files = _fetch(packages, left_out, target, _ways(work, suite, keyring))
            _extract(files, target, (*MANUALS, *dropped))
            shutil.rmtree(work)
            if suite is not None:  # its lists have served: nothing else asks for this suite
                shutil.rmtree(_lists(place, suite))
    return found


def _folder_name(packages: Sequence[str], suite: str | None, rest: Sequence[str]) -> str:
    differs = f"-{hashlib.sha256(' '.join(rest).encode()).hexdigest()[:8]}" if rest else ""
    return f"{suite or _release()}-{packages[0]}{differs}"


def _release() -> str:
    """The machine's release ("bookworm"): a home folder may be shared by several."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return "here"
    names = [line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")]
    return names[0] if names else "here"


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    import fcntl

    with (place / "lock").open("w") as lock:  # one apt at a time: the lists are shared
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield


def _lists(place: Path, suite: str | None) -> Path:
    return place / f"lists-{suite or _release()}"


def _ways(work: Path, suite: str | None, keyring: Path | None) -> list[Callable[[], Apt]]:
    """Ways to reach the archive, in this order: lists that are there, then lists fetched now."""
    lists = _lists(work.parent.parent, suite)
    if suite is None:
        return [lambda: Apt(work), lambda: _updated(Apt(work, lists=lists))]
    source = f"deb [signed-by={keyring}] {Apt(work).mirror()} {suite} main"
    here = [lambda: Apt(work, lists=lists, source=source)] if any(lists.glob("*Packages*")) else []
    return [*here, lambda: _updated(Apt(work, lists=lists, source=source))]


def _updated(apt: Apt) -> Apt:
    _say(f"fetching lists of packages into {apt.lists}")
    failed = apt.update()
    if failed:
        _say(failed)
    return apt


def _keyring(cache: Path) -> Path:
    """Return the file of Debian's keys: the machine's, or on Ubuntu that of a package which its own keys vouch for."""
    package = "debian-archive-keyring"
    roots: list[Callable[[], Path]] = [lambda: Path("/"), lambda: unpack(package, without=["*"], cache=cache).root]
    for root in roots:
        for kind in ("gpg", "pgp"):
            keyring = root() / f"usr/share/keyrings/{package}.{kind}"
            if keyring.exists():
                return keyring
    raise ServerUnavailable(f"Debian's keys are not in the package {package}")


def _fetch(
    packages: Sequence[str], without: Sequence[str], target: Path, ways: Sequence[Callable[[], Apt]]
) -> list[Path]:
    reasons = []
    for way in ways:
        try:
            apt = way()
            plan = apt.plan(packages, without)
            _say(_announcement(packages, plan, target))
            return apt.download(packages, plan)
        except ServerUnavailable as error:
            reasons.append(str(error))
    raise ServerUnavailable(f"{' and '.join(packages)} cannot be had: " + "; then ".join(dict.fromkeys(reasons)))


def _extract(files: Sequence[Path], target: Path, drop: Sequence[str] = ()) -> None:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as name:
        new = Path(name) / "root"
        new.mkdir()
        for file in files:
            run("dpkg-deb", "--extract", str(file), str(new))
        for path in [path for pattern in drop for path in new.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        new.rename(target)


def _announcement(packages: Sequence[str], plan: Plan, target: Path) -> str:
    names = " and ".join(packages)
    more = len(plan.files) - len(packages)
    what = f"{names} with {more} packages that come along" if more else names
    return f"fetching {what}: {plan.size / 1e6:.1f} MB, unpacked {plan.unpacked / 1e6:.0f} MB in {target}"


def _say(text: str) -> None:
    sys.stderr.write(f"secretconn: {text}\n")
