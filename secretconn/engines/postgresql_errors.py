"""Which PostgreSQL errors mean a rejected login: by SQLSTATE where the driver has it, by text where libpq hides it.

asyncpg and pg8000 report the SQLSTATE of a failed connect. libpq does not, so psycopg and psycopg2 leave only the
message, which may be translated (the server's lc_messages) or hold several attempts (sslmode=prefer, several hosts).
psycopg adds a snapshot of the connection: ``error.pgconn``. Where neither tells, the verdict is SUSPECT.
"""

from __future__ import annotations

import re

from .base import Verdict, attribute, judge, text_of

__all__ = ["classify", "sqlstate_of"]

# Class 28 and 08 of "PostgreSQL Error Codes" in the PostgreSQL manual.
_WRONG_LOGIN = "28P01"  # wrong password, unknown user, VALID UNTIL in the past, role without a password
_INVALID_AUTHORIZATION = "28000"  # NOLOGIN, pg_hba, PAM, LDAP, RADIUS: only the text tells which
_PROTOCOL_VIOLATION = "08P01"  # all of PgBouncer's own failures
# Every other code is OTHER: 3D000 no such database, 42501 no CONNECT privilege, 53300 too many connections, 57P03
# starting up or shutting down, the rest of class 08.

# Sources: auth_failed() in PostgreSQL's src/backend/libpq/auth.c; PgBouncer's src/client.c; "Troubleshooting for RDS
# Proxy" in the Amazon RDS User Guide.
_METHOD_FAILED = r"\b(?:PAM|LDAP|RADIUS) authentication failed"
_RDS_PROXY = (
    r"The password that was provided for the role .* is wrong"
    r"|This RDS [Pp]roxy has no credentials for the role"
)
_PGBOUNCER = r"SASL authentication failed|password authentication failed"
_REJECTED_28000 = re.compile(f"{_METHOD_FAILED}|{_RDS_PROXY}")
_REJECTED_08P01 = re.compile(_PGBOUNCER)
_REJECTED = re.compile(f"{_METHOD_FAILED}|{_RDS_PROXY}|{_PGBOUNCER}")

# NOLOGIN, 28000. The server looks at it only after it has accepted the password, so this login is not stale: a newer
# one of the same user is locked as well. (A wrong password for such a role is 28P01.)
_LOCKED = r"is not permitted to log in"

# English texts that are surely about something else; what a driver without SQLSTATE shows of them.
_OTHER = re.compile(
    f"{_LOCKED}|"
    r'database "[^"\n]*" does not exist|no such database'  # 3D000, PgBouncer 08P01
    r"|permission denied for database"  # 42501
    r"|too many clients already|remaining connection slots|too many connections for (?:role|database)"  # 53300
    r"|no more connections allowed"  # PgBouncer
    r"|the database system is|is not currently accepting connections|terminating connection due to"  # 57P03, 57P01
    r"|no pg_hba\.conf entry|pg_hba\.conf rejects connection"  # 28000
    r"|ECIRCUITBREAKER|EAUTHQUERY"  # Supavisor's own state, not this login's
    r"|Connection refused|Connection reset|No route to host|Network is unreachable|No such file or directory"
    r"|could not translate host name|failed to resolve host|timeout expired|timed out"
    r"|server closed the connection unexpectedly|SSL error|does not support SSL|certificate"
)

# A message of the server's, in any language: libpq puts "<severity>:  " before it, with two blanks. Also FATAL alone.
_SERVER_SAID = re.compile(r"\bFATAL\b|(?:^|: )[^\s:]{1,40}:  ", re.MULTILINE)

# Where an attempt begins: libpq 14 and newer say whom they asked; psycopg lists its attempts with "- host:".
_ATTEMPT = re.compile(r"(?:\n- host: [^\n]*?)?connection to server (?:at|on) |\n- host: ")
_OLD_ATTEMPT = re.compile(r"\bFATAL:  ")


def classify(error: BaseException) -> Verdict:
    """Say whether the server refused this login. Never raises."""
    return judge(error, _opinion)


def _opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, OSError):  # asyncpg: refused, unresolvable, timed out
        return Verdict.OTHER
    sqlstate, text = sqlstate_of(error), text_of(error)
    return _by_text(error, text) if sqlstate is None else _by_sqlstate(sqlstate, text)


def _by_text(error: BaseException, text: str) -> Verdict | None:
    if _REJECTED.search(text):
        return Verdict.REJECTED
    attempts = _attempts(text)
    if all(_OTHER.search(attempt) for attempt in attempts):
        return Verdict.OTHER
    if hasattr(error, "pgconn"):
        return _by_snapshot(attribute(error, "pgconn"), attempts)
    return _by_unknown_text(error, text)


def _by_sqlstate(sqlstate: str, text: str) -> Verdict:
    if sqlstate == _WRONG_LOGIN:
        return Verdict.REJECTED
    if sqlstate == _INVALID_AUTHORIZATION:
        if _REJECTED_28000.search(text):
            return Verdict.REJECTED
        return Verdict.OTHER if re.search(_LOCKED, text) else Verdict.SUSPECT
    if sqlstate == _PROTOCOL_VIOLATION and _REJECTED_08P01.search(text):
        return Verdict.REJECTED
    return Verdict.OTHER


def _by_snapshot(pgconn: object, attempts: list[str]) -> Verdict:
    """psycopg, with a text that is not known. The snapshot is only of the last attempt."""
    if len(attempts) > 1:
        return Verdict.SUSPECT
    sent_one = attribute(pgconn, "used_password") and not attribute(pgconn, "needs_password")
    return Verdict.SUSPECT if sent_one else Verdict.OTHER


def _by_unknown_text(error: BaseException, text: str) -> Verdict | None:
    """psycopg2, known by its ``pgerror``; psqlpy, psqlODBC; wrappers that repeat such a text."""
    own = hasattr(error, "pgerror")
    if not own and (attribute(error, "orig") or error.__cause__):
        return None  # what it wraps knows more
    if _SERVER_SAID.search(text):
        return Verdict.SUSPECT
    return Verdict.OTHER if own else None


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE: asyncpg and psycopg ``sqlstate``, psycopg2 ``pgcode``, pg8000 field C of the message in args[0]."""
    first = error.args[0] if error.args else None
    field = first.get("C") if isinstance(first, dict) else None
    for value in (attribute(error, "sqlstate"), attribute(error, "pgcode"), field):
        if isinstance(value, str) and len(value) == len(_WRONG_LOGIN):
            return value
    return None


def _attempts(text: str) -> list[str]:
    """The message cut into one piece for each login that was tried; what comes before the first is dropped."""
    for begin in (_ATTEMPT, _OLD_ATTEMPT):
        pieces = begin.split(text)[1:]
        if pieces:
            return pieces
    return [text]
