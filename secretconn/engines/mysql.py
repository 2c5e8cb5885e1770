"""MySQL, MariaDB and Aurora MySQL: which codes mean a rejected login, and how each driver takes and reports them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from .adapters import once_more, rewriting
from .arguments import keyword_reader, refusing
from .base import PLAIN, Driver, Engine, Given, Verdict, attribute, classifier, text_of
from .tls import asked_of_connector, asked_of_mariadb, asked_of_mysqlclient, asked_of_pymysql, asked_with_context

__all__ = ["ENGINE", "PLUGIN_MISSING", "classify", "code_of"]

# Sources: "Server Error Message Reference" (1000-1999, 3000 and up) and "Client Error Message Reference" (2000-2999) of
# the MySQL manual; "MariaDB Error Code Reference" (1900-1999, 4000 and up). Every other code is OTHER.
_CODES: dict[int, Verdict] = {
    # The server refused this login; another one may work.
    1045: Verdict.REJECTED,  # ER_ACCESS_DENIED_ERROR: wrong password, unknown user or host, TLS required of this user
    1698: Verdict.REJECTED,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR: socket or PAM user, no password was asked for
    1820: Verdict.REJECTED,  # ER_MUST_CHANGE_PASSWORD: expired; the session opens, its first statement fails
    1862: Verdict.REJECTED,  # ER_MUST_CHANGE_PASSWORD_LOGIN: expired, and the client cannot change it
    # caching_sha2_password without TLS: the server remembers whom it let in, and to them a hash is enough. A new
    # password empties its memory, a stale one is not in it; then it asks for the password itself, and the client stops.
    2000: Verdict.SUSPECT,  # CR_UNKNOWN_ERROR: MariaDB's client, for a password too long to encrypt
    2061: Verdict.SUSPECT,  # CR_AUTH_PLUGIN_ERR: "Authentication requires secure connection."
    # The server refused this user, and says so of the right password only: a newer one of this user is refused too.
    1044: Verdict.BARRED,  # ER_DBACCESS_DENIED_ERROR: no privilege on the database
    3118: Verdict.BARRED,  # MySQL ER_ACCOUNT_HAS_BEEN_LOCKED
    4151: Verdict.BARRED,  # MariaDB ER_ACCOUNT_HAS_BEEN_LOCKED
    # Too many wrong passwords: even the right one is refused until an administrator unlocks. Never send it again.
    3955: Verdict.BARRED,  # MySQL ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK
    4150: Verdict.BARRED,  # MariaDB ER_USER_IS_BLOCKED: max_password_errors
    # The login was accepted, or never came to be judged. A user's limit is no refusal: another user of the secret would
    # only be a way around it.
    1040: Verdict.OTHER,  # ER_CON_COUNT_ERROR: too many connections
    1049: Verdict.OTHER,  # ER_BAD_DB_ERROR: no such database
    1129: Verdict.OTHER,  # ER_HOST_IS_BLOCKED: max_connect_errors
    1130: Verdict.OTHER,  # ER_HOST_NOT_PRIVILEGED
    1203: Verdict.OTHER,  # ER_TOO_MANY_USER_CONNECTIONS
    1226: Verdict.OTHER,  # ER_USER_LIMIT_REACHED
    2002: Verdict.OTHER,  # CR_CONNECTION_ERROR: refused, socket missing
    2003: Verdict.OTHER,  # CR_CONN_HOST_ERROR: refused, unresolvable
    2005: Verdict.OTHER,  # CR_UNKNOWN_HOST
    2006: Verdict.OTHER,  # CR_SERVER_GONE_ERROR
    2013: Verdict.OTHER,  # CR_SERVER_LOST: closed, timed out
    2026: Verdict.OTHER,  # CR_SSL_CONNECTION_ERROR
    2059: Verdict.OTHER,  # CR_AUTH_PLUGIN_CANNOT_LOAD: a plugin the client lacks, not a wrong password
}

# MySQL Connector/Python without a code: with failover=... it swallows each server's error; in Python without TLS it
# does not answer a plugin that a server may only pretend to use (_PRETENDED).
_HIDDEN_BY_CONNECTOR = ("Unable to connect to any of the target hosts", "sha256_password requires SSL")

# PyMySQL, aiomysql and asyncmy where their peers say 2061 or 2000: RuntimeError without the package cryptography,
# ValueError for a password longer than the server's RSA key encrypts.
_HIDDEN_BY_ENCRYPTION = {
    RuntimeError: "'cryptography' package is required for sha256_password or caching_sha2_password",
    ValueError: "Encryption failed",
}

# MariaDB Connector/C (mysqlclient, mariadb) says 1045 too where a plugin's file is missing on the client's side.
PLUGIN_MISSING = re.compile(r"(?m)^\W*(?:1045\W+(?:\w{5}\W+)?)?Plugin (\S+) could not be loaded")

# MySQL answers a user that it does not have as if that user had one of its plugins, so that nobody learns which users
# there are (seen with 9.7: every second name gets this one).
_PRETENDED = "sha256_password"


def _opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, OSError):  # its errno is the system's, not the server's
        return Verdict.OTHER
    code = code_of(error)
    missing = PLUGIN_MISSING.match(text_of(error)) if code == 1045 else None  # noqa: PLR2004
    if missing is not None:  # no login was judged
        return Verdict.SUSPECT if missing[1] == _PRETENDED else Verdict.OTHER
    if code is not None:
        return _CODES.get(code, Verdict.OTHER)
    if any(type(error) is kind and text_of(error).startswith(text) for kind, text in _HIDDEN_BY_ENCRYPTION.items()):
        return Verdict.SUSPECT
    if attribute(error, "errno") is not None and text_of(error).endswith(_HIDDEN_BY_CONNECTOR):
        return Verdict.SUSPECT
    return None


classify = classifier(_opinion)


def code_of(error: BaseException) -> int | None:
    """The server's or client library's code, or None. The connector's -1 stands for "no code"."""
    errno = attribute(error, "errno")  # mysql-connector; mariadb, whose args hold only the text
    if type(errno) is int:
        return errno if errno > 0 else None
    match error.args:
        case (int() as code, str() | bytes(), *_) if (
            type(code) is int and code > 0
        ):  # PyMySQL, MySQLdb, asyncmy, Django
            return code
    return None


_FILES = ("read_default_file", "read_default_group")
_TCP_PORT = {"port": ("MYSQL_TCP_PORT",)}  # libmysqlclient's and MariaDB Connector/C's mysql_server_init()
_SHORT = {"passwd": "password", "db": "database", "unix_socket": "host"}

_connector_plain = keyword_reader(
    PLAIN | {"username": "user"} | _SHORT, option_files=("option_files", "read_default_file")
)


def _connector_given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    """Connector/Python's ``failover`` is a tuple of dicts of connect arguments that win over the others."""
    given = _connector_plain(args, kwargs)
    servers = kwargs.get("failover")
    if not isinstance(servers, (tuple, list)):
        return given
    each = [_connector_plain((), server) for server in servers if isinstance(server, Mapping)]
    hosts = ",".join(one.host for one in each if one.host)
    ports = ",".join(one.port for one in each if one.port)
    names = given.names.union(*(one.names for one in each))
    return Given(names, hosts or given.host, ports or given.port, given.database, given.option_file)


def _as_utf8(args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """Have a driver that encodes passwords as Latin-1 send UTF-8, as the others do: its text, one character a byte."""
    keywords["password"] = keywords["password"].encode().decode("latin-1")
    return args


_in_utf8 = rewriting(_as_utf8)

# MariaDB Connector/C: of two threads that load an authentication plugin for the first time, one is told this (seen with
# 3.3, mysql_clear_password). It has sent no login.
_of_one_loading = once_more("could not be loaded: it is already loaded")

_POOLS = ("pool_name", "pool_size", "pool_reset_session")
_POOLED = (
    "makes a pool inside the driver that keeps its first login and ignores later ones. "
    "Leave it out, and put a pool that calls connect around it"
)

_driver = partial(Driver, engine="mysql", keywords=PLAIN, classify=classify)

_PYMYSQL = _driver(
    name="pymysql",
    module="pymysql",
    extra="pymysql",
    given=refusing(
        keyword_reader(PLAIN | _SHORT, option_files=_FILES),  # keyword-only since 1.0
        ("defer_connect",),
        "makes PyMySQL log in after connect() has returned, where a rejected login cannot be recovered. Leave it out",
    ),
    adapt=_in_utf8,
    tls=asked_of_pymysql,
)

_MYSQLCLIENT = _driver(
    name="mysqlclient",
    module="MySQLdb",
    extra="mysqlclient",
    given=keyword_reader(PLAIN | _SHORT, ("host", "user", "password", "database", "port", "host"), _FILES),
    variables=_TCP_PORT,
    adapt=_of_one_loading,
    tls=asked_of_mysqlclient,
    other_modules=("_mysql",),
    aliases=("mysqldb",),
)

_async_driver = partial(_driver, adapt=_in_utf8, connect=None, aconnect="connect", tls=asked_with_context)

_AIOMYSQL_KEYWORDS = PLAIN | {"database": "db"}  # it has no keyword "database"
_AIOMYSQL = _async_driver(
    name="aiomysql",
    module="aiomysql",
    extra="aiomysql",
    keywords=_AIOMYSQL_KEYWORDS,
    given=keyword_reader(
        {keyword: name for name, keyword in _AIOMYSQL_KEYWORDS.items()} | {"unix_socket": "host"},
        ("host", "user", "password", "database", "port", "host"),
        _FILES,
    ),
)

_ASYNCMY = _async_driver(
    name="asyncmy",
    module="asyncmy",
    extra="asyncmy",
    given=keyword_reader(
        PLAIN | {"password_creator": "password", "db": "database", "unix_socket": "host", "sock": "host"},
        # 0.2.18; before password_creator came, host stood third, so positional hosts of older ones read as a password
        ("user", "password", "password", "host", "database", "host", "host", "port"),
        _FILES,
    ),
)

_MYSQL_CONNECTOR = _driver(
    name="mysql-connector",
    module="mysql.connector",
    extra="mysql-connector",
    given=refusing(_connector_given, _POOLS, _POOLED),
    tls=asked_of_connector,
    aconnect="aio.connect",
    aliases=("mysql-connector-python", "mysqlconnector"),
)

_MARIADB = _driver(
    name="mariadb",
    module="mariadb",
    extra="mariadb",
    given=refusing(
        keyword_reader(  # takes no login by position: the first is a refused dsn
            PLAIN | {"username": "user"} | _SHORT, option_files=(*_FILES, "default_file", "default_group")
        ),
        _POOLS,
        _POOLED,
    ),
    adapt=_of_one_loading,
    tls=asked_of_mariadb,
    variables=_TCP_PORT,
    aliases=("mariadbconnector", "mariadb-connector"),
)

ENGINE = Engine(
    name="mysql",
    secret_names=frozenset({"mysql", "mariadb", "aurora-mysql"}),
    default_port=3306,
    default_database=None,
    drivers=(_PYMYSQL, _MYSQLCLIENT, _AIOMYSQL, _ASYNCMY, _MYSQL_CONNECTOR, _MARIADB),
)
