"""Which PostgreSQL errors mean a rejected login: by SQLSTATE where the driver has it, by text where libpq hides it.

asyncpg and pg8000 report the SQLSTATE of a failed connect. libpq does not, so psycopg and psycopg2 leave only the
message, which may be translated (the server's lc_messages) or hold several attempts (sslmode=prefer, several hosts).
A FATAL that no table knows, before the session is up, is SUSPECT for every driver alike.
"""

from __future__ import annotations

import re

from .base import GRAVEST_FIRST, Verdict, attribute, classifier, text_of
from .postgresql_texts import known

__all__ = ["classify", "sqlstate_of"]

# "PostgreSQL Error Codes" in the PostgreSQL manual.
_WRONG_LOGIN = "28P01"  # wrong password, unknown user, VALID UNTIL in the past, role without a password
_NO_PRIVILEGE = "42501"  # no CONNECT privilege
_TEXT_TELLS = frozenset({
    _WRONG_LOGIN,  # Odyssey says so of an unknown user too
    "28000",  # NOLOGIN, pg_hba, PAM, LDAP, RADIUS
    "08P01",  # all of PgBouncer's own failures
    "3D000",  # no such database; Odyssey and PgCat: no such user on it
    "58000", "XX000",  # all of PgCat's and Supavisor's own failures
})  # fmt: skip
_OTHER_CLASSES = frozenset({"08", "0A", "22", "25", "3D", "42", "53", "54", "55", "57"})

# A message of the server's, in any language: libpq puts "<severity>:  " before it, with two blanks. Also FATAL alone.
_SERVER_SAID = re.compile(r"\bFATAL\b|(?:^|: )[^\s:]{1,40}:  ", re.MULTILINE)

# Where an attempt begins: libpq 14 and newer say whom they asked; psycopg lists its attempts with "- host:".
_ATTEMPT = re.compile(r"(?=connection to server (?:at|on) |\n- host: |\bFATAL:  )")


def _opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, OSError):  # asyncpg: refused, unresolvable, timed out
        return Verdict.OTHER
    sqlstate, text = sqlstate_of(error), text_of(error)
    return _by_text(error, text) if sqlstate is None else _by_sqlstate(error, sqlstate, text)


classify = classifier(_opinion)


def _by_sqlstate(error: BaseException, sqlstate: str, text: str) -> Verdict:
    said = known(text) if sqlstate in _TEXT_TELLS else None
    if sqlstate == _WRONG_LOGIN:
        return Verdict.BARRED if said is Verdict.BARRED else Verdict.REJECTED
    if said is not None:
        return said
    if sqlstate == _NO_PRIVILEGE:
        return Verdict.BARRED
    if sqlstate not in _TEXT_TELLS and sqlstate[:2] in _OTHER_CLASSES:
        return Verdict.OTHER
    return Verdict.OTHER if _severity_of(error) == "ERROR" else Verdict.SUSPECT


def _by_text(error: BaseException, text: str) -> Verdict | None:
    """psycopg, psycopg2; psqlpy, psqlODBC; wrappers that repeat such a text."""
    attempts = {attempt: known(attempt) for attempt in _ATTEMPT.split(text)}
    verdicts = set(attempts.values()) - {None}
    unknown = any(verdict is None and _SERVER_SAID.search(attempt) for attempt, verdict in attempts.items())
    own = hasattr(error, "pgconn") or hasattr(error, "pgerror")
    if unknown and Verdict.REJECTED not in verdicts:
        if not own and (attribute(error, "orig") or error.__cause__):
            return None  # what it wraps knows more
        return Verdict.SUSPECT
    return next((verdict for verdict in GRAVEST_FIRST if verdict in verdicts), Verdict.OTHER if own else None)


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE: asyncpg and psycopg ``sqlstate``, psycopg2 ``pgcode``, pg8000 field C of the message in args[0]."""
    for value in (attribute(error, "sqlstate"), attribute(error, "pgcode"), _field(error, "C")):
        if isinstance(value, str) and len(value) == len(_WRONG_LOGIN):
            return value
    return None


def _severity_of(error: BaseException) -> str | None:
    """FATAL where the server ends the connection: asyncpg ``severity``, pg8000 field V or, translated, S."""
    values = (attribute(error, "severity_en"), attribute(error, "severity"), _field(error, "V"), _field(error, "S"))
    return next((value for value in values if isinstance(value, str)), None)


def _field(error: BaseException, name: str) -> object:
    first = error.args[0] if error.args else None
    return first.get(name) if isinstance(first, dict) else None
