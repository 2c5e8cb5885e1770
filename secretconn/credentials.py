"""Credentials: one immutable login from one version of a secret; Payload: what a source read for one version."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

__all__ = ["CURRENT", "PENDING", "PREVIOUS", "Credentials", "Payload"]

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
"""Stages: labels that Secrets Manager moves from version to version."""


class _Unpicklable:
    """Refuses pickle, and copies as itself: a pickle would carry the password somewhere nobody looks for it."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a password and cannot be pickled; pickle the secret's id instead")

    def __copy__(self) -> _Unpicklable:
        return self

    def __deepcopy__(self, memo: object) -> _Unpicklable:
        return self


@dataclass(frozen=True, slots=True, repr=False)
class Credentials(_Unpicklable):
    """One login, from one version of one secret. Frozen; the password is in no repr and no pickle.

    Attributes:
        secret_id: The secret, as the caller named it.
        version_id: The version this login was read from.
        username: The user to log in as. Alternating-users rotation changes it.
        password: The password. Read it only where it is handed to a driver.
        host: Host name, or None where the secret has none (RDS-managed secrets).
        port: TCP port, or None where the secret has none.
        database: Database name, or None where the secret has none.
        engine: The secret's ``engine`` value ("postgres", "aurora-mysql"), or None. "redis" for
            ElastiCache's secrets, which name none but have a ``user_arn``.
        ssl: The secret's ``ssl`` value, or None. secretconn shows it and leaves TLS to the driver's own arguments.
    """

    secret_id: str
    version_id: str
    username: str
    password: str = field(repr=False)
    host: str | None = None
    port: int | None = None
    database: str | None = None
    engine: str | None = None
    ssl: bool | None = None

    def __repr__(self) -> str:
        where = f"{self.host or '?'}:{self.port or '?'}/{self.database or '?'}"
        return (
            f"Credentials(secret_id={self.secret_id!r}, version_id={self.version_id!r}, "
            f"username={self.username!r}, password='***', at={where!r}, engine={self.engine!r})"
        )

    def same_login(self, other: Credentials) -> bool:
        """Whether the server would see the same login: the same user with the same password."""
        return self.username == other.username and self.password == other.password


class Payload(_Unpicklable):
    """What a source read for one version, wrapped so that no repr or traceback shows it.

    Args:
        version_id: The version's id.
        content: The secret string, or the secret binary.
    """

    __slots__ = ("content", "version_id")

    def __init__(self, version_id: str, content: str | bytes) -> None:
        self.version_id = version_id
        self.content = content

    def __repr__(self) -> str:
        return f"Payload(version_id={self.version_id!r}, content='***')"
