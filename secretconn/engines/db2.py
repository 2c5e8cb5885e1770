"""Db2: which reason codes of SQL30082N mean a rejected login, and how ibm_db takes and reports them."""

from __future__ import annotations

import re
from typing import Any

from .adapters import rewriting
from .base import NO_NUL, Driver, Engine, Verdict, classifier, text_of
from .odbc import given_reader, login_adder

__all__ = ["ENGINE", "REASONS", "classify"]

REASONS: dict[str, Verdict] = {
    # Source: "SQL30082N" in the Db2 documentation, "-30082" in that of Db2 for z/OS. Every other reason is OTHER.
    "24": Verdict.REJECTED,  # user name or password invalid
    "1": Verdict.REJECTED,  # password expired
    "2": Verdict.REJECTED,  # z/OS: password invalid
    "6": Verdict.BARRED,  # z/OS: user ID invalid
    "7": Verdict.BARRED,  # z/OS: user ID revoked
    "19": Verdict.BARRED,  # userid disabled or restricted
    "15": Verdict.OTHER,  # security processing at the server failed
    "17": Verdict.OTHER,  # unsupported function: the authentication types of client and server differ
}

# The server refused this user: SQL30060N and SQL1060N, no authority to connect. All others are OTHER: SQL30081N
# communication error, SQL30061N no such database, SQL1336N unresolvable.
_NO_AUTHORITY = ("30060", "1060")
_SQL = r"\bSQL(\d{4,5})[NCW]\b"
_REASON = r'\breason "(\d+)"'
_SECURITY = "30082"


def _opinion(error: BaseException) -> Verdict | None:
    text = text_of(error)  # ibm_db knows no codes, only texts; ibm_db_dbi's exceptions repeat them
    found = re.search(_SQL, text)
    if found is None:
        return None
    if found[1] in _NO_AUTHORITY:
        return Verdict.BARRED
    reason = re.search(_REASON, text)
    if found[1] != _SECURITY or reason is None:
        return Verdict.OTHER
    return REASONS.get(reason[1], Verdict.OTHER)


classify = classifier(_opinion)


def _own(keywords: dict[str, Any]) -> dict[str, object]:
    host = keywords.pop("HOSTNAME", None)
    return {
        "HOSTNAME": host,
        "PORT": keywords.pop("PORT", None),
        "PROTOCOL": None if host is None else "TCPIP",  # without it HOSTNAME is not looked at
        "DATABASE": keywords.pop("DATABASE", None),
        "UID": keywords.pop("UID"),
        "PWD": keywords.pop("PWD"),
    }


# Db2's CLI driver knows no quoting at all (measured, 12.1): braces, quotes and backslashes are parts of the value.
_add_login = login_adder("dsn", _own, write=str)


def _rewrite(args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """ibm_db and ibm_db_dbi both take the string first, then a user and a password, which the string has already."""
    for name in ("user", "password"):
        keywords.pop(name, None)
    string, *rest = _add_login(args, keywords)
    return (string, "", "", *rest[2:])


_IBM_DB = Driver(
    name="ibm-db",
    engine="db2",
    module="ibm_db_dbi",
    extra="ibm-db",
    keywords={"user": "UID", "password": "PWD", "host": "HOSTNAME", "port": "PORT", "database": "DATABASE"},
    given=given_reader(
        {
            "UID": "user",
            "USER": "user",
            "PWD": "password",
            "PASSWORD": "password",
            "HOST": "host",
            "HOSTNAME": "host",
            "PORT": "port",
            "SERVICENAME": "port",
            "DBALIAS": "database",
            "DATABASE": "database",
        },
        string="dsn",
        whole=frozenset({"DSN"}),
        positions=("user", "password", "host", "database"),
    ),
    classify=classify,
    other_modules=("ibm_db",),
    aliases=("ibm-db-dbi",),
    adapt=rewriting(_rewrite),
    forbidden=dict.fromkeys(NO_NUL, "\0;"),
)

ENGINE = Engine(
    name="db2",
    secret_names=frozenset({"db2"}),
    default_port=50000,
    default_database=None,
    drivers=(_IBM_DB,),
)
