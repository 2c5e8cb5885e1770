"""What a failed login means: by the server's codes and texts, and the driver's table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from secretconn.cli.check.drivers import TLS_OPTIONS
from secretconn.cli.check.findings import finding
from secretconn.cli.check.findings.known import Cause
from secretconn.cli.check.findings.login import LOGIN
from secretconn.cli.check.report import Finding
from secretconn.credentials import Credentials
from secretconn.engines.base import Verdict, text_of, walk_causes
from secretconn.engines.mysql import code_of
from secretconn.engines.postgresql_errors import sqlstate_of

MAX_TEXT = 300


class Place(NamedTuple):
    """Where a login was sent, and by which driver; ``tls`` if that uses TLS wherever the server offers it."""

    driver: str
    engine: str
    user: str
    host: str | None
    port: int | None
    database: str | None
    tls: bool = False

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}" if self.port is not None else str(self.host)


class Failure(NamedTuple):
    """What the driver raised: its type, the server's code, the texts of all causes, and the driver's own verdict."""

    kind: str
    code: str | int | None
    texts: tuple[str, ...]
    verdict: Verdict


def failure_of(error: BaseException, engine: str, verdict: Verdict, logins: Sequence[Credentials]) -> Failure:
    """Take an exception apart; its texts are left out if one of them holds a password of the logins."""
    read: Callable[[BaseException], str | int | None] | None = _CODES.get(engine)
    causes = list(walk_causes(error))
    code = next((code for code in map(read, causes) if code is not None), None) if read is not None else None
    texts = tuple(map(text_of, causes))
    if any(login.password in text for login in logins for text in texts):
        texts = ()
    return Failure(type(error).__name__, code, texts, verdict)


def short(failure: Failure) -> str:
    """Return the exception in one line, with its causes if they say more."""
    said = ""
    for line in filter(None, map(_first_line, failure.texts)):
        said = said if line in said else f"{said}: {line}" if said else line
    return f"{failure.kind}: {said[:MAX_TEXT]}" if said else failure.kind


def explained(key: str, place: Place) -> Finding:
    """Return the finding of a key for a login that was sent there."""
    option = TLS_OPTIONS.get(place.driver.partition(" ")[0])
    tls = f"{option} (here --option '{option}')" if option else "its documentation says how"
    return finding(key, place=place, tls=tls)


def by_server(failure: Failure, place: Place) -> str | None:
    """Return the finding's key if the server (or the driver, about TLS) said what is wrong."""
    text = "\n".join(failure.texts)
    family = "postgresql" if place.engine == "redshift" else place.engine
    for key, known in LOGIN.items():
        cause: Cause | None = getattr(known, family, None)
        if cause is not None and (failure.code in cause.codes or (cause.text and re.search(cause.text, text))):
            return key
    if failure.verdict is Verdict.REJECTED:
        # MySQL and MariaDB say 1045 too where the account or the server requires TLS and there was none.
        return "tls-or-password" if place.engine == "mysql" and not place.tls else "wrong-password"
    if re.search(_TLS_NOT_OFFERED, text):
        return "tls-not-offered"
    return "tls-failed" if re.search(_TLS_FAILED, text) else None


def unknown(failure: Failure) -> str:
    """Return the finding's key if nothing else says what is wrong."""
    keys = {Verdict.SUSPECT: "login-refused", Verdict.BARRED: "user-refused"}
    return keys.get(failure.verdict, "connect-failed")


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    server = re.search(r"'M': (?:'([^']*)'|\"([^\"]*)\")", line)  # pg8000 shows the server's message as a dict
    return (server[1] or server[2]) if server else line.rpartition("FATAL:  ")[2]


_TLS_NOT_OFFERED = (
    r"server does not support SSL|rejected SSL upgrade|Server refuses SSL"  # libpq, asyncpg, pg8000
    r"|SSL (?:connection error: )?.*(?:not support|is required)|doesn't support SSL"  # MySQL's clients, PyMySQL
)
_TLS_FAILED = r"(?i)certificate verify failed|SSL error|\bSSL\b.*(?:error|fail)|TLS.*(?:error|fail)"

_CODES = {"postgresql": sqlstate_of, "redshift": sqlstate_of, "mysql": code_of}
