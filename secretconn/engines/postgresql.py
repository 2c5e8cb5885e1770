"""PostgreSQL and Aurora PostgreSQL: the drivers, and how each takes what the caller already says.

What their errors mean is in ``postgresql_errors``; connection strings are read by ``conninfo``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .arguments import Found, ReadGiven, keyword_reader, refusing, take, to_given
from .base import NOTHING_GIVEN, PLAIN, Driver, Engine, Given
from .conninfo import UNSHOWABLE, parse
from .postgresql_errors import classify
from .tls import asked_of_asyncpg, asked_of_libpq, asked_of_pg8000

__all__ = ["ENGINE", "classify"]

_KEYWORDS = {"user": "user", "password": "password", "host": "host", "port": "port", "database": "dbname"}
# libpq's keyword to the canonical name. The later of two wins: libpq connects to hostaddr, people know the host.
_LIBPQ = {"hostaddr": "host"} | {keyword: name for name, keyword in _KEYWORDS.items()}
_SERVICE = ("servicefile", "service")


def _dsn_reader(dsn: str, *, database: tuple[str, ...], lenient: bool = False) -> ReadGiven:
    """A ``given`` function for a driver whose first argument is a connection string; keywords win over the string.

    Args:
        dsn: The keyword by which the string can be passed too.
        database: The driver's keywords for the database.
        lenient: Read the string as asyncpg does.
    """
    keywords = {key: name for key, name in _LIBPQ.items() if name != "database"} | dict.fromkeys(database, "database")
    known = frozenset(keywords).union(_SERVICE, (dsn,))

    def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
        if not args and known.isdisjoint(kwargs):
            return NOTHING_GIVEN
        found: Found = {}
        text = args[0] if args else kwargs.get(dsn)
        if isinstance(text, str):
            _take_string(found, text, lenient)
        for keyword, name in keywords.items():
            if keyword in kwargs:
                take(found, name, kwargs[keyword])
        _take_service(found, kwargs)
        return to_given(found)

    return given


def _take_string(found: Found, text: str, lenient: bool) -> None:
    parts = parse(text, lenient=lenient)
    for key, name in _LIBPQ.items():
        if key in parts:
            take(found, name, parts[key])
            if parts[key] == UNSHOWABLE:
                found[name] = None
    _take_service(found, parts)


def _take_service(found: Found, values: Mapping[str, Any]) -> None:
    """A service stands for the whole address; what is said besides it still counts."""
    service: Found = {}
    for key in _SERVICE:
        take(service, "host", values.get(key))
    if service:
        found.setdefault("host", service["host"])
        found.setdefault("port")
        found.setdefault("database")


# "Environment Variables" in the libpq chapter of the PostgreSQL manual; a service stands for the whole address.
_VARIABLES = {
    "host": ("PGHOST", "PGHOSTADDR", "PGSERVICE"),
    "port": ("PGPORT", "PGSERVICE"),
    "database": ("PGDATABASE", "PGSERVICE"),
}

_driver = partial(Driver, engine="postgresql", keywords=_KEYWORDS, classify=classify, tls=asked_of_libpq)

_PSYCOPG = _driver(
    name="psycopg",
    module="psycopg",
    extra="psycopg",
    given=_dsn_reader("conninfo", database=("dbname",)),
    aconnect="AsyncConnection.connect",
    aliases=("psycopg3", "psycopg-binary", "psycopg[binary]"),
    variables=_VARIABLES,
)

_PSYCOPG2 = _driver(
    name="psycopg2",
    module="psycopg2",
    extra="psycopg2",
    given=refusing(
        _dsn_reader("dsn", database=("dbname", "database")),
        ("async", "async_"),
        "makes psycopg2 log in while the caller polls, after connect() has returned, where a rejected login cannot be "
        "recovered. Leave it out, or use psycopg or asyncpg",
    ),
    aliases=("psycopg2-binary",),
    variables=_VARIABLES,
)

_ASYNCPG = _driver(
    name="asyncpg",
    module="asyncpg",
    extra="asyncpg",
    keywords=PLAIN,
    given=_dsn_reader("dsn", database=("database",), lenient=True),
    connect=None,
    aconnect="connect",
    variables=_VARIABLES | {"host": ("PGHOST", "PGSERVICE")},
    tls=asked_of_asyncpg,
)

_PG8000 = _driver(
    name="pg8000",
    module="pg8000.dbapi",
    extra="pg8000",
    keywords=PLAIN,
    given=keyword_reader(
        PLAIN | {"unix_sock": "host", "sock": "host"},
        ("user", "host", "database", "port", "password", None, "host"),
    ),
    tls=asked_of_pg8000,
    other_modules=("pg8000",),  # pg8000.connect (legacy) and pg8000.native.Connection take the same arguments
)

ENGINE = Engine(
    name="postgresql",
    secret_names=frozenset({"postgresql", "postgres", "aurora-postgresql"}),
    default_port=5432,
    default_database="postgres",
    drivers=(_PSYCOPG, _PSYCOPG2, _ASYNCPG, _PG8000),
)
