"""What a failed login means, and what to do about it: by the server's codes, libpq's texts, a look at the network.

Codes: "PostgreSQL Error Codes"; "Server Error Message Reference" of the MySQL manual; "MariaDB Error Code Reference".
libpq shows no code of a failed login, so psycopg and psycopg2 are told by English text (see postgresql_errors.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from secretconn.cli.check import refusals
from secretconn.cli.check.network import Probe
from secretconn.cli.check.refusals import Place
from secretconn.cli.check.report import Finding
from secretconn.engines.base import Verdict, text_of, walk_causes
from secretconn.engines.mysql import code_of
from secretconn.engines.postgresql_errors import sqlstate_of

__all__ = ["Failure", "by_network", "by_server", "failure_of", "short", "unknown"]

MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """What the driver raised.

    Attributes:
        kind: The exception's type.
        code: The server's code, or None where the driver shows none.
        texts: Its text, and the texts of what it came from; none where one of them holds a password.
        verdict: What the driver's own table says.
    """

    kind: str
    code: str | int | None
    texts: tuple[str, ...]
    verdict: Verdict

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.texts)


def failure_of(error: BaseException, engine: str, verdict: Verdict, passwords: list[str]) -> Failure:
    """Take an exception apart.

    Args:
        error: What the driver raised.
        engine: The engine's name.
        verdict: What the driver's table says.
        passwords: Texts that must not be shown.
    """
    read: Callable[[BaseException], str | int | None] = sqlstate_of if engine in _LIKE_POSTGRESQL else code_of
    codes = [] if engine not in (*_LIKE_POSTGRESQL, "mysql") else [read(link) for link in walk_causes(error)]
    code = next((code for code in codes if code is not None), None)
    texts = tuple(text_of(link) for link in walk_causes(error))
    if any(password in text for password in passwords for text in texts):
        texts = ()
    return Failure(type(error).__name__, code, texts, verdict)


def short(failure: Failure) -> str:
    """The exception in one line, with what it came from where that says more."""
    said = ""
    for line in (text for text in map(_first_line, failure.texts) if text):
        said = said if line in said else f"{said}: {line}" if said else line
    return f"{failure.kind}: {said[:MAX_TEXT]}" if said else failure.kind


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    server = re.search(r"'M': (?:'([^']*)'|\"([^\"]*)\")", line)  # pg8000 shows the server's message as a dict
    return (server[1] or server[2]) if server else line.rpartition("FATAL:  ")[2]


def by_server(failure: Failure, place: Place) -> Finding | None:
    """The finding, where the server (or the driver, about TLS) said what is wrong; None where it did not.

    Args:
        failure: What was raised.
        place: Where the login was sent.
    """
    for codes, text, make in _TABLE.get(place.engine, ()):
        if failure.code in codes or (text and re.search(text, failure.text)):
            return make(place)
    if failure.verdict is Verdict.REJECTED:
        # MySQL and MariaDB say 1045 too where the account or the server requires TLS and there was none.
        ambiguous = place.engine == "mysql" and not place.tls
        return refusals.tls_or_password(place) if ambiguous else refusals.wrong_password(place)
    if re.search(_TLS_NOT_OFFERED, failure.text):
        return refusals.tls_not_offered(place)
    return refusals.tls_failed(place) if re.search(_TLS_FAILED, failure.text) else None


def by_network(probe: Probe, place: Place) -> Finding | None:
    """The finding, where a look at the address shows what is wrong."""
    make = _BY_OUTCOME.get(probe.outcome)
    return None if make is None else make(place)


def unknown(failure: Failure, place: Place) -> Finding:
    """Nobody knows what it is: the driver's own words must do."""
    return (refusals.hidden if failure.verdict is Verdict.SUSPECT else refusals.other)(place)


_TLS_NOT_OFFERED = (
    r"server does not support SSL|rejected SSL upgrade|Server refuses SSL"  # libpq, asyncpg, pg8000
    r"|SSL (?:connection error: )?.*(?:not support|is required)|doesn't support SSL"  # MySQL's clients, PyMySQL
)
_TLS_FAILED = r"(?i)certificate verify failed|SSL error|\bSSL\b.*(?:error|fail)|TLS.*(?:error|fail)"

_NO_TLS = r"(?:no pg_hba\.conf entry|pg_hba\.conf rejects connection)[^\n]*(?:no encryption|SSL off)"
_HBA = r"no pg_hba\.conf entry|pg_hba\.conf rejects connection"

_Row = tuple[tuple[str | int, ...], str, Callable[[Place], Finding]]
_POSTGRESQL: tuple[_Row, ...] = (
    (("28P01",), r"password authentication failed", refusals.wrong_password),
    (("3D000",), r'database "[^"\n]*" does not exist|no such database', refusals.wrong_database),
    (("42501",), r"permission denied for database", refusals.no_privilege),
    (("53300",), r"too many clients already|remaining connection slots|too many connections for", refusals.too_many),
    (("57P03",), r"the database system is|is not currently accepting connections", refusals.not_ready),
    ((), r"is not permitted to log in", refusals.locked),
    ((), _NO_TLS, refusals.tls_required),
    ((), _HBA, refusals.host_not_allowed),
)
_MYSQL: tuple[_Row, ...] = (
    ((1049,), "", refusals.wrong_database),
    ((1044,), "", refusals.no_privilege),
    ((3159,), "", refusals.tls_required),
    ((1130,), "", refusals.host_not_allowed),
    ((1129,), "", refusals.host_blocked),
    ((1040, 1203, 1226), "", refusals.too_many),
    ((3118, 4151), "", refusals.locked),
    ((3955, 4150), "", refusals.blocked),
    ((1820, 1862), "", refusals.expired),
    ((2059,), "", refusals.plugin),
)
_LIKE_POSTGRESQL = ("postgresql", "redshift")
_TABLE = {**dict.fromkeys(_LIKE_POSTGRESQL, _POSTGRESQL), "mysql": _MYSQL}
"""Engine to rows, looked through in order: codes, a text, what it means."""

_BY_OUTCOME = {
    "unresolved": refusals.not_resolved,
    "refused": refusals.closed_port,
    "silent": refusals.no_answer,
}
