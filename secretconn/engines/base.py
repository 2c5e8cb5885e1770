"""What an engine and a driver are to secretconn, and the four answers a classifier can give."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeGuard

__all__ = [
    "GRAVEST_FIRST",
    "NOTHING_GIVEN",
    "NO_NUL",
    "PLAIN",
    "Arguments",
    "Classify",
    "Driver",
    "Engine",
    "Given",
    "Opener",
    "Verdict",
    "attribute",
    "classifier",
    "judge",
    "text_of",
    "walk_causes",
]

MAX_CAUSES = 16
"""How many exceptions of a chain are looked at. Real chains are two to four long; the bound is against cycles."""

MAX_TEXT = 20_000
"""How many characters of a message are searched. A libpq message with ten hosts has about two thousand."""


PLAIN: dict[str, str] = {name: name for name in ("user", "password", "host", "port", "database")}
"""The keywords of a driver that calls everything by its canonical name."""

NO_NUL: Mapping[str, str] = dict.fromkeys(("user", "password", "host", "database"), "\0")
"""C strings, and the startup messages of PostgreSQL and MySQL, end at a NUL."""


class Verdict(enum.Enum):
    """What a failed connect says about the login.

    Attributes:
        REJECTED: the server refused this login; another one may work.
        SUSPECT: the driver hides the reason; it may be a refused login.
        BARRED: the server refused this user, whatever its password: a locked account, no right to connect. Another user
            may work, another password never does.
        OTHER: anything else: network, TLS, missing database, too many connections.
    """

    REJECTED = "rejected"
    SUSPECT = "suspect"
    BARRED = "barred"
    OTHER = "other"


GRAVEST_FIRST = (Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER)
"""Which opinion counts where several are heard. BARRED only where no attempt was, or may have been, refused for its
password: with sslmode=prefer, what the second attempt says, the one without TLS, says little about the login."""

Classify = Callable[[BaseException], Verdict]
"""Takes the exception a driver's connect raised, answers a Verdict. Must never raise."""


class Arguments:
    """A caller's own arguments for the driver, in no repr. Callers' frames keep this instead of the arguments, which
    may hold a password: a frame that raises must not show it.
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs

    def drop(self) -> None:
        """Forget them."""
        self.args, self.kwargs = (), {}


class Given(NamedTuple):
    """What the caller's own connect arguments already say, wherever they say it (keyword, position, DSN).

    Attributes:
        names: The canonical names ("user", "password", "host", "port", "database") that the caller has given.
        host: The host(s) given, as text, or None. Also a socket path or service name: whatever stands for the address.
        port: The port(s) given, as text, or None.
        database: The database given, as text, or None.
        option_file: Whether an option file is named, in which the driver looks for what nothing else says.
        tls: The keywords by which the driver is asked for TLS besides, for tokens; None where nobody has looked.
    """

    names: frozenset[str] = frozenset()
    host: str | None = None
    port: str | None = None
    database: str | None = None
    option_file: bool = False
    tls: Mapping[str, Any] | None = None

    @property
    def has_login(self) -> bool:
        """Whether a user or a password is among them."""
        return "user" in self.names or "password" in self.names


NOTHING_GIVEN = Given()


class Opener(Protocol):
    """What an adapter is told of the connector it works for.

    Attributes:
        driver: The driver whose connect callable is adapted.
    """

    @property
    def driver(self) -> Driver: ...


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
        aliases: Further names users type for it, in lower case: ``mysqldb``, ``psycopg3``.
        async_modules: Modules whose connect callables are for asyncio though nothing else tells (``redis.asyncio``).
        adapt: For a driver that does not simply take the keywords: gets its connect callable and the Opener, returns
            the callable to use instead. That one is called with the caller's arguments and ``keywords``' keywords.
        variables: Canonical name to the environment variables in which the driver itself looks for it.
        forbidden: Canonical name to the characters no such value may have: the driver, or the protocol, ends there.
        tls: Says what the driver must be told to take a token through TLS; see tls.py. None: it takes no tokens.
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
    aliases: tuple[str, ...] = ()
    async_modules: tuple[str, ...] = ()
    adapt: Callable[[Callable[..., Any], Opener], Callable[..., Any]] | None = None
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forbidden: Mapping[str, str] = field(default_factory=lambda: NO_NUL)
    tls: Callable[[tuple[Any, ...], Mapping[str, Any], Mapping[str, str]], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """A database family.

    Attributes:
        name: "postgresql", "mysql".
        secret_names: Values of a secret's ``engine`` key that mean this family.
        default_port: Port where neither the secret nor the caller has one.
        default_database: Database where neither has one, or None to leave it to the driver.
        drivers: Its drivers; the first one installed is the default, in this order. Those of another engine that speak
            to this one too may be among them (psycopg2 for Redshift).
    """

    name: str
    secret_names: frozenset[str]
    default_port: int | None
    default_database: str | None
    drivers: tuple[Driver, ...] = field(default=())


def walk_causes(error: BaseException, *, context: bool = True) -> Iterator[BaseException]:
    """Yield the error and what it came from: ``.orig``, ``__cause__``, ``__context__``; each once, at most MAX_CAUSES.

    Args:
        error: Where to begin.
        context: False leaves out ``__context__``, which may be an older error of the caller's that is none of ours.
    """
    links = ("orig", "__cause__", "__context__") if context else ("orig", "__cause__")
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting and len(seen) < MAX_CAUSES:
        current = waiting.pop(0)
        if id(current) in seen or not _is_exception(current):
            continue
        seen.add(id(current))
        yield current
        waiting += [attribute(current, link) for link in links]


def judge(error: BaseException, opinion: Callable[[BaseException], Verdict | None]) -> Verdict:
    """The verdict on a whole chain of causes. Never raises.

    The error and what it says it came from (``.orig``, ``__cause__``) are heard first and the gravest opinion counts,
    because drivers that try twice keep the first refusal as the cause of the second. Only when none of those has an
    opinion is ``__context__`` heard: someone who connects inside an ``except`` block has an unrelated error there.

    Args:
        error: What the driver's connect raised.
        opinion: What one exception alone says, or None where it says nothing. May raise; that counts as None.
    """
    for context in (False, True):
        heard = {_heard(opinion, one) for one in walk_causes(error, context=context)}
        for verdict in GRAVEST_FIRST:
            if verdict in heard:
                return verdict
    return Verdict.OTHER


def classifier(opinion: Callable[[BaseException], Verdict | None]) -> Classify:
    """A ``classify`` that says whether the server refused a login, by what each exception of a chain alone says."""
    return partial(judge, opinion=opinion)


def attribute(thing: object, name: str) -> Any:
    """``thing.name``, or None where there is none or the attribute itself misbehaves (foreign classes may)."""
    try:
        return getattr(thing, name)
    except Exception:  # noqa: BLE001 - a property of a foreign class may do anything; a classifier must not raise
        return None


def text_of(error: BaseException) -> str:
    """``str(error)``, at most MAX_TEXT characters, or the empty text where that fails."""
    try:
        return str(error)[:MAX_TEXT]
    except Exception:  # noqa: BLE001 - as above
        return ""


def _is_exception(thing: object) -> TypeGuard[BaseException]:
    """isinstance() by the type alone; it would also ask ``__class__``, which may be a property that raises."""
    return issubclass(type(thing), BaseException)


def _heard(opinion: Callable[[BaseException], Verdict | None], error: BaseException) -> Verdict | None:
    try:
        return opinion(error)
    except Exception:  # noqa: BLE001 - hostile __eq__, __hash__, __bool__ of what hangs on a foreign exception
        return None
