"""A database that only knows passwords: what a real run connects to where the database's own time must not count.

It is a folder with one file a user, which holds a hash of the password, so that all processes see the same at once.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

from secretconn.engines.base import Verdict
from secretconn.testing.logins import Login

DRIVER = "psycopg"
"""The driver whose argument names it takes; the package is not needed."""


class Refused(Exception):
    """The null server refused a login."""


class NullServer:
    """Users and hashes of passwords in a folder that only this user can read; a DatabaseAdmin, and a connect."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def user_exists(self, username: str) -> bool:
        return (self._folder / username).exists()

    def create_user(self, login: Login, like: str) -> None:  # noqa: ARG002  (there are no privileges)
        self.set_password(login)

    def set_password(self, login: Login) -> None:
        fresh = self._folder / f".{login.username}"
        fresh.write_text(_hash(login.password))
        os.replace(fresh, self._folder / login.username)  # noqa: PTH105  (at once, for all readers)

    def verify(self, login: Login) -> bool:
        return self.user_exists(login.username) and (self._folder / login.username).read_text() == _hash(login.password)

    def connect(self, *, user: str, password: str, **_: Any) -> io.StringIO:
        """Return something that can be closed. Raises Refused."""
        if not self.verify(Login(user, password)):
            raise Refused(f"user {user!r} was refused")
        return io.StringIO()

    async def aconnect(self, *, user: str, password: str, **_: Any) -> io.StringIO:
        """Do the same for a task."""
        return self.connect(user=user, password=password)


def judge(error: BaseException) -> Verdict | None:
    """Return the verdict on a refusal; for ``classify=``."""
    return Verdict.REJECTED if isinstance(error, Refused) else None


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
