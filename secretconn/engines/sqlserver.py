"""SQL Server, Azure SQL and RDS for SQL Server: the codes, and how pymssql, pyodbc and mssql-python report them.

The server sends a number; pyodbc shows it in the text, mssql-python hides it, and FreeTDS (pymssql) keeps the number of
an earlier failure. Where the number cannot be trusted the verdict is SUSPECT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from .adapters import rewriting
from .arguments import keyword_reader
from .base import NO_NUL, NOTHING_GIVEN, PLAIN, Driver, Engine, Given, Verdict, attribute, classifier, text_of
from .odbc import given_reader, login_adder

__all__ = ["CODES", "ENGINE", "classify"]

CODES: dict[int, Verdict] = {
    # Source: "Database Engine events and errors" in the SQL Server documentation. Every other number is OTHER.
    18456: Verdict.REJECTED,  # login failed for user: wrong password, unknown user
    18487: Verdict.REJECTED,  # the password of the account has expired
    18488: Verdict.REJECTED,  # the password of the account must be changed
    # The server refused this user, whatever its password.
    18470: Verdict.BARRED,  # the account is disabled
    18486: Verdict.BARRED,  # the account is locked out
    17892: Verdict.BARRED,  # a logon trigger refused it
    916: Verdict.BARRED,  # the login has no user in the database
    4060: Verdict.BARRED,  # cannot open the database: missing, or not for this login; 18456 follows as a second message
    # The login was accepted, or never came to be judged.
    18452: Verdict.OTHER,  # the login is from an untrusted domain (Windows authentication)
    40613: Verdict.OTHER,  # Azure SQL: the database is not available now
    40615: Verdict.OTHER,  # Azure SQL: the firewall does not let this address in
    17809: Verdict.OTHER,  # too many connections
}

# DB-Library's own error beside the server's number: "Adaptive Server connection failed" with the severity of a refused
# login. FreeTDS, include/sybdb.h (SYBEFCON 20002), src/tds/util.c (20018 TDS general error).
_FREETDS_REFUSED = "20018, severity 14"
# Where no text of the server's comes first, the number is that of this process's first failure (measured, 2.4).
_FREETDS_REPEATS = r"\(+\d+, b?['\"]DB-Lib error message"
_NUMBER = r"\((\d{3,6})\)"
# What mssql-python makes of SQLSTATE 28000 (its exceptions.py); also of 4060 and 40615, which cannot be told apart.
_HIDDEN_28000 = "Invalid authorization specification"


def _opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, OSError):
        return Verdict.OTHER
    hidden = attribute(error, "driver_error")
    if isinstance(hidden, str):
        return Verdict.SUSPECT if hidden.startswith(_HIDDEN_28000) else Verdict.OTHER
    match error.args:
        case ((int() as number, bytes() | str()), *_) | (int() as number, bytes() | str()):
            return _by_db_library(number, text_of(error))
        case (str() as state, str() as text, *_) if len(state) == len("28000"):
            return _by_odbc(text)
    return None


classify = classifier(_opinion)


def _by_db_library(number: int, text: str) -> Verdict:
    verdict = CODES.get(number, Verdict.OTHER)
    if verdict is Verdict.OTHER or _FREETDS_REFUSED not in text:
        return Verdict.OTHER
    is_current = not re.match(_FREETDS_REPEATS, text)
    return Verdict.BARRED if verdict is Verdict.BARRED and is_current else Verdict.SUSPECT


def _by_odbc(text: str) -> Verdict:
    verdicts = {CODES.get(int(number), Verdict.OTHER) for number in re.findall(_NUMBER, text)}
    if Verdict.BARRED in verdicts:  # before the 18456 that follows
        return Verdict.BARRED
    if Verdict.REJECTED in verdicts:  # FreeTDS shows 4060 as 18456
        return Verdict.SUSPECT if "[FreeTDS]" in text else Verdict.REJECTED
    return Verdict.OTHER


_pymssql_plain = keyword_reader(
    {"server": "host"} | PLAIN,
    ("host", "user", "password", "database", None, None, None, None, "host", None, "port"),
)


def _pymssql_given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    """``server`` may have the port in it, or the name of an instance, which stands for a port."""
    given = _pymssql_plain(args, kwargs)
    if given.host and re.search(r"[,:\\]", given.host):
        return Given(given.names | {"port"}, given.host, given.port, given.database)
    return given


_PYMSSQL = Driver(
    name="pymssql",
    engine="sqlserver",
    module="pymssql",
    extra="pymssql",
    keywords=PLAIN | {"host": "server"},
    given=_pymssql_given,
    classify=classify,
    other_modules=("_mssql",),
)

_KEYS = {
    "UID": "user", "USER": "user", "USER ID": "user", "USERNAME": "user", "TRUSTED_CONNECTION": "user",
    "PWD": "password", "PASSWORD": "password", "TOKEN_PROVIDER": "password",
    "SERVERNAME": "host", "ADDRESS": "host", "ADDR": "host", "NETWORK ADDRESS": "host", "DATA SOURCE": "host",
    "HOST": "host", "SERVER": "host",
    "PORT": "port",
    "INITIAL CATALOG": "database", "DATABASE": "database",
}  # fmt: skip
_NO = frozenset({"no", "false", "0"})
_odbc_plain = given_reader(_KEYS, string="", whole=frozenset({"DSN", "FILEDSN"}))
# Braces would do for the driver of Microsoft; FreeTDS's does not know all of them (odbc.py), and no name needs one.
_UNQUOTABLE = {**NO_NUL, "host": "\0;", "database": "\0;"}
_OURS = {"user": "UID", "password": "PWD", "host": "SERVER", "port": "PORT", "database": "DATABASE"}


def _odbc_given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    if not args and not kwargs:
        return NOTHING_GIVEN
    kept = {key: value for key, value in kwargs.items() if str(value).strip().lower() not in _NO}
    for string in ("connection_str", "p_str"):
        if not args and isinstance(kept.get(string), str):
            args = (kept.pop(string),)
    if args and isinstance(args[0], str):
        args = (re.sub(r"(?i)\btrusted_connection\s*=\s*\{?(?:no|false|0)\}?\s*(?=;|$)", "", args[0]),)
    return _odbc_plain(args, kept)


def _server(keywords: dict[str, Any]) -> dict[str, object]:
    """SERVER=host,port: there is no key for the port alone."""
    host, port = keywords.pop("SERVER", None), keywords.pop("PORT", None)
    if host is not None and "," in str(host):  # a secret whose host has the port in it
        port = None
    if host is None and port is not None:  # the caller's own PORT=, as FreeTDS has it, or ours beside the caller's host
        keywords["PORT"] = port
    return {
        "SERVER": f"{host},{port}" if host is not None and port is not None else host,
        "DATABASE": keywords.pop("DATABASE", None),
        "UID": keywords.pop("UID"),
        "PWD": keywords.pop("PWD"),
    }


_odbc = partial(
    Driver,
    engine="sqlserver",
    keywords=_OURS,
    given=_odbc_given,
    classify=classify,
    adapt=rewriting(login_adder("connection_str", _server)),
    forbidden=_UNQUOTABLE,
)
_PYODBC = _odbc(name="pyodbc", module="pyodbc", extra="pyodbc")
_MSSQL_PYTHON = _odbc(name="mssql-python", module="mssql_python", extra="mssql-python")

ENGINE = Engine(
    name="sqlserver",
    secret_names=frozenset({"sqlserver", "mssql"}),
    default_port=1433,
    default_database=None,  # each login has one of its own at the server, "master" if nothing else was said
    drivers=(_MSSQL_PYTHON, _PYMSSQL, _PYODBC),  # pyodbc needs to be told an ODBC driver
)
