"""Debian packages unpacked into a folder: real servers with no root, no install and no container.

Facts: apt.conf(5) (``Dir::State::lists``, ``Dir::Cache``, ``APT::Sandbox::User``, ``Debug::NoLocking``), dpkg-deb(1).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from secretconn.testing.errors import ServerUnavailable

__all__ = ["cache_folder", "environment", "unpack"]

RECORD = ".unpacked"
APT_TIMEOUT = 300.0
"""Seconds one call of apt-get may take."""


def cache_folder() -> Path:
    """Where unpacked packages are kept: ``$SECRETCONN_CACHE``, else ``~/.cache/secretconn`` (XDG_CACHE_HOME)."""
    named = os.environ.get("SECRETCONN_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "secretconn"


def unpack(packages: Iterable[str], folder: str | Path | None = None) -> Path:
    """Download Debian packages with apt-get and unpack them; what is there already is not fetched again.

    Only the named packages: dependencies are the caller's to name. Safe against other processes that do the same.

    Args:
        packages: Names; "libaio1|libaio1t64" takes the first one that this release has.
        folder: Where to unpack; default is a folder for just these packages in `cache_folder`, so that what one set of
            packages brings never changes under a program that another set started.

    Returns:
        The folder, which now has ``usr/...`` with all of them in it.

    Raises:
        ServerUnavailable: No apt-get or dpkg here, or a package cannot be had.
    """
    wanted = list(packages)
    target = Path(folder) if folder is not None else cache_folder() / "debian" / _folder_name(wanted)
    if not _missing(target, wanted):
        return target
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise ServerUnavailable(f"unpacking Debian packages needs {program}, which is not on PATH")
    target.mkdir(parents=True, exist_ok=True)
    with _locked(target):
        missing = _missing(target, wanted)  # another process may have been quicker
        if missing:
            _fetch_and_unpack(missing, target)
    return target


def environment(folder: str | Path) -> dict[str, str]:
    """Environment variables that let programs from the folder find the folder's libraries."""
    libraries = [
        str(path)
        for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/private")
        for path in sorted(Path(folder).glob(pattern))
    ]
    return {"LD_LIBRARY_PATH": os.pathsep.join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])}


def _folder_name(wanted: list[str]) -> str:
    return f"{wanted[0].split('|')[0]}-{hashlib.sha256(' '.join(sorted(wanted)).encode()).hexdigest()[:8]}"


def _missing(target: Path, wanted: Iterable[str]) -> list[str]:
    have = _record(target)
    return [package for package in wanted if not have.intersection(package.split("|"))]


def _record(target: Path) -> set[str]:
    try:
        return set(json.loads((target / RECORD).read_text()))
    except FileNotFoundError:
        return set()


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    import fcntl

    with target.with_name("lock").open("w") as lock:  # one apt at a time: the lists are shared
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield


def _fetch_and_unpack(packages: list[str], target: Path) -> None:
    apt = _Apt(target.with_name("apt"))
    with tempfile.TemporaryDirectory(prefix="secretconn-debs-") as downloads:
        names = apt.download(packages, Path(downloads))
        for deb in sorted(Path(downloads).glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(deb), str(target)])
    record = target / (RECORD + ".new")
    record.write_text(json.dumps(sorted(_record(target).union(names))))
    record.replace(target / RECORD)


class _Apt:
    """apt-get with lists and caches of its own, so that it needs no root and disturbs nobody."""

    def __init__(self, state: Path) -> None:
        self.lists = state / "lists"
        (self.lists / "partial").mkdir(parents=True, exist_ok=True)
        (state / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
        settings = {
            "Dir::State::lists": self.lists,
            "Dir::Cache": state / "cache",
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "1",
        }
        self.options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def download(self, packages: list[str], folder: Path) -> list[str]:
        """The packages' names, once their files are in the folder."""
        if any(self.lists.glob("*Packages*")):
            with contextlib.suppress(ServerUnavailable):  # lists of some days ago may name files that are gone
                return self._download(packages, folder)
        _run(["apt-get", *self.options, "-q", "update"])
        return self._download(packages, folder)

    def _download(self, packages: list[str], folder: Path) -> list[str]:
        names = [self._choose(package) for package in packages]
        _run(["apt-get", *self.options, "-q", "download", *names], cwd=folder)
        return names

    def _choose(self, package: str) -> str:
        for name in package.split("|"):
            known = subprocess.run(
                ["apt-cache", *self.options, "show", "--no-all-versions", name],
                capture_output=True,
                check=False,
                env=_untranslated(),
            )
            if known.returncode == 0 and known.stdout.strip():
                return name
        raise ServerUnavailable(f"this release of Debian has no package {package}")


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=False, timeout=APT_TIMEOUT, env=_untranslated()
        )
    except subprocess.TimeoutExpired:
        raise ServerUnavailable(f"{command[0]} took more than {APT_TIMEOUT:g} s") from None
    if done.returncode:
        raise ServerUnavailable(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def _untranslated() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
