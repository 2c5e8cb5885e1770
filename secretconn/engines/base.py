"""What an engine and a driver are to secretconn, and the three answers a classifier can give."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Classify", "Driver", "Engine", "Given", "Verdict", "walk_causes"]

MAX_CAUSES = 16
"""How many exceptions of a chain are looked at. Real chains are two to four long; the bound is against cycles."""


class Verdict(enum.Enum):
    """What a failed connect says about the login.

    Attributes:
        REJECTED: the server refused this login; another one may work.
        SUSPECT: the driver hides the reason; it may be a refused login.
        OTHER: anything else: network, TLS, missing database, too many connections, locked account.
    """

    REJECTED = "rejected"
    SUSPECT = "suspect"
    OTHER = "other"


Classify = Callable[[BaseException], Verdict]
"""Takes the exception a driver's connect raised, answers a Verdict. Must never raise."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller's own connect arguments already say, wherever they say it (keyword, position, DSN).

    Attributes:
        names: The canonical names ("user", "password", "host", "port", "database") that the caller has given.
        host: The host(s) given, as text, or None. Also a socket path or service name: whatever stands for the address.
        port: The port(s) given, as text, or None.
        database: The database given, as text, or None.
    """

    names: frozenset[str] = frozenset()
    host: str | None = None
    port: str | None = None
    database: str | None = None


NOTHING_GIVEN = Given()


@dataclass(frozen=True, slots=True)
class Driver:
    """One Python package (or one way of using it) that opens connections to one engine.

    Attributes:
        name: What users call it: ``driver="psycopg"``.
        engine: The engine's name: "postgresql", "mysql".
        module: The module to import, and by which ``driver=<module>`` is recognised.
        extra: The extra of secretconn that installs it: ``pip install secretconn[extra]``.
        connect: Dotted path of the sync connect callable inside the module, or None.
        aconnect: Dotted path of the async connect callable inside the module, or None. What it returns is awaitable;
            it need not be a coroutine function (aiomysql, asyncmy).
        keywords: Canonical name ("user", "password", "host", "port", "database") to the driver's keyword.
        given: Reads the caller's (args, kwargs) and says what they already name. Called only when there are any.
        classify: The engine's table applied to this driver's exceptions.
        other_modules: Further top-level modules whose connect callables mean this driver (``MySQLdb`` has none;
            ``psycopg`` is also reached as ``psycopg.connection``: the top-level name is enough).
    """

    name: str
    engine: str
    module: str
    extra: str
    keywords: Mapping[str, str]
    given: Callable[[tuple[Any, ...], Mapping[str, Any]], Given]
    classify: Classify
    connect: str | None = "connect"
    aconnect: str | None = None
    other_modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Engine:
    """A database family.

    Attributes:
        name: "postgresql", "mysql".
        secret_names: Values of a secret's ``engine`` key that mean this family.
        default_port: Port where neither the secret nor the caller has one.
        default_database: Database where neither has one, or None to leave it to the driver.
        drivers: Its drivers; the first one installed is the default, in this order.
    """

    name: str
    secret_names: frozenset[str]
    default_port: int | None
    default_database: str | None
    drivers: tuple[Driver, ...] = field(default=())


def walk_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from: ``.orig``, ``__cause__``, ``__context__``; each once, at most MAX_CAUSES."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting and len(seen) < MAX_CAUSES:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [_orig(current), current.__cause__, current.__context__]


def _orig(error: BaseException) -> object:
    """``error.orig`` (SQLAlchemy's name for the driver's error), or None where the attribute itself misbehaves."""
    try:
        return getattr(error, "orig", None)
    except Exception:  # a property of a foreign class may do anything; a classifier must not raise
        return None
