"""Mounted files: a secret as one file, or as a folder with one file for each key, as Kubernetes mounts them.

The Secrets Store CSI driver, External Secrets and every Kubernetes volume of a Secret put the files of one version into
a folder of its own and then swap a ``..data`` link to it, atomically. Everything is read through that one folder, so
that a login is never made of two versions. boto3 is never imported.
"""

from __future__ import annotations

import encodings.utf_8_sig  # noqa: F401  (a thread that reads must not import)
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Set
from pathlib import Path

from secretconn.credentials import PENDING, PREVIOUS, Hidden, Payload
from secretconn.errors import SecretUnavailable
from secretconn.sources.base import Reading

__all__ = ["FileSource"]

LINK = "..data"
TRIES = 20
"""How often a read begins anew because the files were swapped under it."""

MAX_BYTES = 65536
"""Secrets Manager's limit for one secret, and so for what a file of it can hold; a larger one is no login."""

CHUNK = 16384


class FileSource:
    """The one version that is in a file or folder. It has the current stage; there is no other.

    Args:
        path: One file with the secret's content, or a folder with one file for each key. A folder's files with a name
            that begins with a dot, folders within it, and files that are no UTF-8 text or larger than 65,536 bytes are
            left out.
        resolve: Says where the path leads now; for tests.
    """

    free = True  # a read costs nothing

    def __init__(self, path: str | os.PathLike[str], *, resolve: Callable[[Path], Path] | None = None) -> None:
        self._path = Path(path)
        self._resolve = resolve or _resolve

    @property
    def api_calls(self) -> int:
        """0: reading a file costs nothing."""
        return 0

    @property
    def place(self) -> str:
        """The path."""
        return str(self._path)

    where = place

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read.

        Raises:
            SecretUnavailable: the file or folder is not there, or may not be read, or is swapped all the time.
        """
        error: OSError | None = None
        for _ in range(TRIES):
            where = self._resolve(self._path)
            try:
                before = _mark(where)
                found: Hidden[str] | Hidden[bytes] = _read_folder(where) if where.is_dir() else _read_file(where)
                unchanged = before == _mark(where) and where == self._resolve(self._path)
            except OSError as reason:
                error = reason
                continue
            if unchanged:
                current = [stage for stage in stages if stage not in (PENDING, PREVIOUS)]
                content = {} if before in held or not current else {before: Payload(before, found.content)}
                return Reading(dict.fromkeys(current, before), content)
        raise self._unavailable(error) from error

    def after_fork(self, in_use: bool) -> None:
        """Nothing: no file stays open."""

    def _unavailable(self, error: OSError | None) -> SecretUnavailable:
        why = "it changed during each of many reads" if error is None else error.strerror or type(error).__name__
        return SecretUnavailable(
            f"secret file {self._path} could not be read: {why}. Mount the volume, and let this user read it",
            secret_id=self.place,
        )


def _resolve(path: Path) -> Path:
    """Where the path leads now: through ``..data`` of the folder, and through every other link."""
    link = path / LINK
    return Path(os.path.realpath(link if link.is_symlink() else path))


def _mark(where: Path) -> str:
    """Tells one state of the files from another by path, inode, size and time: it reveals nothing of the content."""
    names = sorted(entry.name for entry in os.scandir(where)) if where.is_dir() else []
    parts = [str(where)]
    for place in (where, *(where / name for name in names)):
        seen = place.stat()
        parts.append(f"{place.name}:{seen.st_dev}:{seen.st_ino}:{seen.st_size}:{seen.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def _read_folder(folder: Path) -> Hidden[str]:
    """The folder's files as one JSON object. The values stay wrapped while anything can still be raised."""
    files: dict[str, Hidden[bytes]] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not entry.name.startswith(".") and entry.is_file():
            files[entry.name] = _read_file(folder / entry.name)
    return Hidden(_as_json(files))


def _as_json(files: Mapping[str, Hidden[bytes]]) -> str:
    return json.dumps({name: text for name, file in files.items() if (text := _text(file)) is not None})


def _text(file: Hidden[bytes]) -> str | None:
    """A file's text without the line end that editors and shells add; None for what is no part of a login."""
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.removesuffix("\n").removesuffix("\r") if len(file.content) <= MAX_BYTES else None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a FIFO, and never wait for more of a file in /proc."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_file(path: Path) -> Hidden[bytes]:
    """A file's bytes, but no more than shows that it is too large."""
    found = Hidden(b"")
    with open(path, "rb", buffering=0, opener=_open_at_once) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        while len(found.content) <= MAX_BYTES and (chunk := Hidden(stream.read(CHUNK) or b"")).content:
            found.content += chunk.content
    return found
