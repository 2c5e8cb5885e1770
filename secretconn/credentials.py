"""Credentials: one immutable login from one version; Payload: what a source read for one; Hidden: anything secret."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from secretconn.errors import SecretFormatError

__all__ = ["CURRENT", "PENDING", "PREVIOUS", "Credentials", "Hidden", "Payload", "Problem"]

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
"""Stages: labels that Secrets Manager moves from version to version."""


class Problem(NamedTuple):
    """Why a value of a secret cannot be used. Holds no content.

    Attributes:
        sentence: What is wrong, with the secret as its subject.
        key: The secret's key, or None where the content as a whole is wrong.
    """

    sentence: str
    key: str | None = None

    def error(self, secret_id: str, version_id: str) -> SecretFormatError:
        """The error that says so."""
        text = f"secret {secret_id!r}, version {version_id!r}: {self.sentence}"
        return SecretFormatError(text, secret_id=secret_id, version_id=version_id, key=self.key)


class _Unpicklable:
    """Refuses pickle, and copies as itself: a pickle would carry the password somewhere nobody looks for it."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a password and cannot be pickled; pickle the secret's id instead")

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(None)

    def __copy__(self) -> _Unpicklable:
        return self

    def __deepcopy__(self, memo: object) -> _Unpicklable:
        return self


Content = TypeVar("Content")

_NO_PROBLEMS: Mapping[str, Problem] = MappingProxyType({})


class Credentials(_Unpicklable):
    """One login, from one version of one secret. Frozen. Not a dataclass: ``asdict()`` and the JSON encoders that know
    dataclasses would show the password.

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
        problems: What is wrong with a value that a login may not need ("host", "port", ...). Such a value is judged
            when it is used: reading an attribute that has an unusable value raises SecretFormatError.
    """

    __slots__ = (
        "database",
        "engine",
        "host",
        "password",
        "port",
        "problems",
        "secret_id",
        "ssl",
        "username",
        "version_id",
    )

    secret_id: str
    version_id: str
    username: str
    password: str
    host: str | None
    port: int | None
    database: str | None
    engine: str | None
    ssl: bool | None
    problems: Mapping[str, Problem]

    def __init__(
        self,
        secret_id: str,
        version_id: str,
        username: str,
        password: str,
        host: str | Problem | None = None,
        port: int | Problem | None = None,
        database: str | Problem | None = None,
        engine: str | Problem | None = None,
        ssl: bool | None = None,
        problems: Mapping[str, Problem] = _NO_PROBLEMS,
    ) -> None:
        keep = object.__setattr__
        keep(self, "problems", problems)
        keep(self, "secret_id", secret_id)
        keep(self, "version_id", version_id)
        keep(self, "username", username)
        keep(self, "password", password)
        keep(self, "ssl", ssl)
        for name, value in (("host", host), ("port", port), ("database", database), ("engine", engine)):
            if isinstance(value, Problem):  # the slot stays empty, and __getattr__ tells why
                keep(self, "problems", MappingProxyType({**self.problems, name: value}))
            else:
                keep(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Credentials are frozen; {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Credentials are frozen; {name} cannot be deleted")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Called only for an attribute without a value."""
            if name in ("host", "port", "database", "engine"):
                raise self.problems[name].error(self.secret_id, self.version_id)
            raise AttributeError(f"Credentials have no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, Credentials) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.secret_id, self.version_id, self.username))

    def __repr__(self) -> str:
        host, port, database, engine = self._values()[4:8]
        where = f"{host or '?'}:{port or '?'}/{database or '?'}"
        return (
            f"Credentials(secret_id={self.secret_id!r}, version_id={self.version_id!r}, "
            f"username={self.username!r}, password='***', at={where!r}, engine={engine!r})"
        )

    def same_login(self, other: Credentials) -> bool:
        """Whether the server would see the same login: the same user with the same password."""
        return self.username == other.username and self.password == other.password

    def said(self, name: str) -> Any:
        """Host, port, database or engine by its name, or None where it is missing or cannot be used. Never raises."""
        return None if name in self.problems else getattr(self, name)

    def _values(self) -> tuple[object, ...]:
        place = (self.said(name) for name in ("host", "port", "database", "engine"))
        return (self.secret_id, self.version_id, self.username, self.password, *place, self.ssl)


class Hidden(_Unpicklable, Generic[Content]):
    """Something that may hold a secret, wrapped so that no repr or traceback shows it."""

    __slots__ = ("content",)

    def __init__(self, content: Content) -> None:
        self.content = content

    def __repr__(self) -> str:
        return "Hidden('***')"


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
