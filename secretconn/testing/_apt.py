"""apt-get with a configuration of its own: needs no root, changes nothing on the machine, runs none of its hooks.

Facts: apt.conf(5) (``Dir::State::status``, ``APT::Sandbox::User``, ``Debug::NoLocking``), apt-get(8)
(``--print-uris``, ``--download-only``), deb-control(5). apt checks signatures (by the keyring that the sources name)
and hashes; ``Check-Valid-Until`` is off because a snapshot of the archive is signed but past its date.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from secretconn.testing.errors import ServerUnavailable

__all__ = ["Apt", "Plan"]

TIMEOUT = 900.0
"""Seconds one call may take; a stalled connection ends after 30."""

CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear Acquire::IndexTargets::deb-src;
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Debug::NoLocking "true";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Check-Valid-Until "false";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""
LISTS = 'Dir::State::lists "{lists}";\n'
SOURCES = 'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "-";\n'

URI = re.compile(r"^'[^']+' (?P<file>(?P<name>[^_ ]+)_(?P<version>[^_ ]+)_[^_ ]+\.deb) (?P<size>\d+)", re.MULTILINE)
FIELDS = re.compile(r"^(?:Package|Version|Architecture|Multi-Arch|Provides|Installed-Size): .*$", re.MULTILINE)
INSTALLED_SIZE = re.compile(r"^Installed-Size: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be fetched.

    Attributes:
        files: Name of the package file to name of the package.
        size: Bytes to fetch.
        unpacked: Bytes on the disk afterwards, about.
    """

    files: dict[str, str]
    size: int
    unpacked: int


class Apt:
    """apt-get in a folder of its own.

    Args:
        folder: For its configuration and downloads.
        lists: Where its lists of packages are; None means the machine's own, which are only read.
        source: The only source, as a line of sources.list(5); None means the machine's own.
    """

    def __init__(self, folder: Path, *, lists: Path | None = None, source: str | None = None) -> None:
        self.folder, self.lists = folder, lists
        self.archives = folder / "cache" / "archives"
        (self.archives / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        text = CONFIGURATION.format(folder=folder)
        if lists is not None:
            (lists / "partial").mkdir(parents=True, exist_ok=True)
            text += LISTS.format(lists=lists)
        if source is not None:
            (folder / "sources.list").write_text(source + "\n")
            text += SOURCES.format(folder=folder)
        (folder / "apt.conf").write_text(text)

    def update(self) -> str:
        """Fetch the lists; what went wrong, as text. Sources that do not matter may fail."""
        return self._run("apt-get", "update", check=False).stderr.strip()

    def plan(self, packages: Sequence[str], without: Sequence[str]) -> Plan:
        """Ask what the packages need where nothing is installed but what matches a pattern of ``without``.

        Raises:
            ServerUnavailable: No such package, or apt-get cannot resolve what one needs.
        """
        left_out: dict[str, str] = {}
        (self.folder / "status").write_text("")
        while True:
            found = self._needed(packages)
            unwanted = {
                match["name"]: unquote(match["version"])
                for match in found
                if match["name"] not in packages and any(fnmatch.fnmatchcase(match["name"], one) for one in without)
            }
            if unwanted.keys() <= left_out.keys():
                break
            left_out |= unwanted
            (self.folder / "status").write_text(self._as_installed(left_out))
        wanted = [match for match in found if match["name"] not in unwanted]
        names = {match["file"]: match["name"] for match in wanted}
        return Plan(names, sum(int(match["size"]) for match in wanted), self._unpacked_size(names.values()))

    def download(self, packages: Sequence[str], plan: Plan) -> list[Path]:
        """Fetch the plan's files; what an earlier try has fetched is not fetched again.

        Raises:
            ServerUnavailable: A file cannot be had, or is not what the signed lists say.
        """
        self._run("apt-get", "install", "--download-only", "--yes", *packages)
        files = [self.archives / name for name in plan.files]
        missing = [file.name for file in files if not file.exists()]
        if missing:
            raise ServerUnavailable(f"apt-get did not fetch {', '.join(missing)}")
        return files

    def mirror(self) -> str:
        """The Debian archive that the machine's sources name; default is the one that everybody has."""
        targets = self._run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", check=False)
        for uri in targets.stdout.split():
            if "debian" in uri.rstrip("/").split("/"):
                return uri
        return "http://deb.debian.org/debian"

    def _needed(self, packages: Sequence[str]) -> list[re.Match[str]]:
        empty = self.folder / "empty"  # files that an earlier try has fetched would not be listed
        (empty / "partial").mkdir(parents=True, exist_ok=True)
        words = ("install", "--print-uris", "--yes", "-o", f"Dir::Cache::archives={empty}", *packages)
        return list(URI.finditer(self._run("apt-get", *words).stdout))

    def _as_installed(self, packages: dict[str, str]) -> str:
        """The packages as paragraphs of dpkg's status file, with what they provide and nothing they need.

        On hold: apt would take the archive's package of the same version, which needs more, for an upgrade.
        """
        shown = self._run("apt-cache", "show", *(f"{name}={version}" for name, version in packages.items())).stdout
        paragraphs = ["\n".join(FIELDS.findall(one)) for one in shown.split("\n\n") if one.strip()]
        return "".join(f"{one}\nStatus: hold ok installed\n\n" for one in paragraphs)

    def _unpacked_size(self, names: Iterable[str]) -> int:
        shown = self._run("apt-cache", "show", "--no-all-versions", *names).stdout
        return sum(int(kilobytes) for kilobytes in INSTALLED_SIZE.findall(shown)) * 1024

    def _run(self, program: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(program, "-c", str(self.folder / "apt.conf"), "-q", *words, check=check)


def run(program: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, untranslated.

    Raises:
        ServerUnavailable: It is not there, ended with an error, or took too long.
    """
    if shutil.which(program) is None:
        raise ServerUnavailable(f"unpacking Debian packages needs {program}, which is not on PATH")
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, check=False, timeout=TIMEOUT, env=environment
        )
    except subprocess.TimeoutExpired:
        raise ServerUnavailable(f"{program} took more than {TIMEOUT:g} s") from None
    if check and done.returncode:
        told = done.stderr[max(done.stderr.find("E: "), 0) :].strip()  # apt's first error; what follows comes of it
        raise ServerUnavailable(f"{program} ended with {done.returncode}: {told[:1000]}")
    return done
