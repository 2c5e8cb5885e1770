"""What a failed login means, and what to do about it: by the server's codes, libpq's texts, a look at the network.

Codes: "PostgreSQL Error Codes"; "Server Error Message Reference" of the MySQL manual; "MariaDB Error Code Reference".
libpq shows no code of a failed login, so psycopg and psycopg2 are told by English text (see postgresql_errors.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from secretconn.cli.check.network import Probe
from secretconn.cli.check.report import Finding
from secretconn.engines.base import Verdict, text_of, walk_causes
from secretconn.engines.mysql import code_of
from secretconn.engines.postgresql_errors import sqlstate_of

__all__ = ["Failure", "Place", "by_network", "by_server", "failure_of", "not_resolved", "short", "unknown"]

MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Place:
    """Where a login was sent, and by what.

    Attributes:
        driver: The driver's name.
        engine: The engine's name.
        user, host, port, database: What was sent; None for what was left to the driver.
        tls: Whether the driver uses TLS wherever the server offers it; False where that is not known.
    """

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
        return _tls_or_password(place) if place.engine == "mysql" and not place.tls else _wrong_password(place)
    if re.search(_TLS_NOT_OFFERED, failure.text):
        return _tls_not_offered(place)
    return _tls_failed(place) if re.search(_TLS_FAILED, failure.text) else None


def by_network(probe: Probe, place: Place) -> Finding | None:
    """The finding, where a look at the address shows what is wrong."""
    if probe.outcome == "unresolved":
        return not_resolved(place)
    if probe.outcome == "refused":
        return Finding(
            "closed-port",
            f"Nothing listens at {place.address}: the connection was refused.",
            "Look at the port in the secret, or the one that the code passes. Is the server running, and does it "
            "listen at this address and not only at its own localhost?",
        )
    if probe.outcome == "silent":
        return Finding(
            "no-answer",
            f"{place.address} does not answer: no connection, and no refusal either.",
            "Something in between drops the packets. Let the database's security group take connections from this "
            "task's security group at this port; look at network ACLs, routes and peering, and whether the host is "
            "the private one.",
        )
    return None


def not_resolved(place: Place) -> Finding:
    """The host has no address."""
    return Finding(
        "wrong-host",
        f"Host {place.host!r} has no address: the name does not exist, or DNS does not know it here.",
        "Look at the host in the secret, or the one that the code passes. A name in a private hosted zone resolves "
        "only in the VPCs that the zone is associated with.",
    )


def unknown(failure: Failure, place: Place) -> Finding:
    """Nobody knows what it is: the driver's own words must do."""
    if failure.verdict is Verdict.SUSPECT:
        return Finding(
            "login-refused",
            f"The server refused user {place.user!r}, and {place.driver} does not show why.",
            "See the server's log. A wrong password is one of the reasons that look like this.",
        )
    return Finding(
        "connect-failed",
        f"{place.driver} could not connect to {place.address} as user {place.user!r}, for another reason than the "
        f"ones that are known here.",
        "See the driver's message above, and the server's log.",
    )


def _wrong_password(place: Place) -> Finding:
    return Finding(
        "wrong-password",
        f"The server at {place.address} refused the login of user {place.user!r}: wrong password, or no such user.",
        "The secret and the database do not agree. Was the password changed by hand? Put the right one into the "
        "secret, or rotate the secret now. Or is this the secret of another database: another host, another user? If a "
        "rotation has ended half-way, the log of its function says why.",
    )


def _tls_or_password(place: Place) -> Finding:
    return Finding(
        "tls-or-password",
        f"The server at {place.address} refused the login of user {place.user!r}. MariaDB and MySQL say the same to a "
        f"wrong password and to a connection without TLS where they require it (REQUIRE SSL, require_secure_transport)"
        f", and {place.driver} may not have used TLS.",
        f"Try with TLS first: {_tls_option(place)}. If the login is refused then too, secret and database do "
        f"not agree: put the right password into the secret, or rotate the secret now.",
    )


def _tls_required(place: Place) -> Finding:
    return Finding(
        "tls-required",
        f"The server at {place.address} lets user {place.user!r} in from here with TLS only, and this connection had "
        f"none.",
        f"Switch TLS on in the driver: {_tls_option(place)}; with the CA's certificate, so that the server is "
        f"checked too. If it is refused then as well, the server has no rule for this user, database and address.",
    )


def _tls_not_offered(place: Place) -> Finding:
    return Finding(
        "tls-not-offered",
        f"{place.driver} was told to use TLS, and the server at {place.address} has none.",
        "Switch TLS on in the server. Is this the right port, and no proxy in between that takes TLS off?",
    )


def _tls_failed(place: Place) -> Finding:
    return Finding(
        "tls-failed",
        f"TLS with {place.address} failed; the driver's message says at what.",
        "For an unknown issuer: give the driver the CA's certificate (for RDS, global-bundle.pem). For a wrong name: "
        "connect by the name that is in the certificate, not by an address or an alias.",
    )


def _wrong_database(place: Place) -> Finding:
    return Finding(
        "wrong-database",
        f"The login is right, and the server at {place.address} has no database {place.database!r}.",
        "Correct dbname in the secret, or what the code passes (here --database), or create the database. Names are "
        "case-sensitive. PostgreSQL's default, where nobody says one, is postgres.",
    )


def _no_privilege(place: Place) -> Finding:
    return Finding(
        "no-privilege",
        f"The login is right, and user {place.user!r} may not use database {place.database!r}.",
        "GRANT CONNECT ON DATABASE (PostgreSQL), or GRANT privileges ON database.* (MySQL, MariaDB). With alternating "
        "users the second user, ..._clone, needs them as well.",
    )


def _host_not_allowed(place: Place) -> Finding:
    return Finding(
        "host-not-allowed",
        f"The server at {place.address} does not take user {place.user!r} from this machine's address.",
        "PostgreSQL: add a line to pg_hba.conf. MySQL and MariaDB: the user must exist for this address "
        "('user'@'%', or the VPC's range).",
    )


def _host_blocked(place: Place) -> Finding:
    return Finding(
        "host-blocked",
        f"The server at {place.address} has blocked this machine's address after too many broken connections.",
        "FLUSH HOSTS in the server (TRUNCATE performance_schema.host_cache), then look for what breaks them off: "
        "health checks that only open the port do.",
    )


def _too_many(place: Place) -> Finding:
    return Finding(
        "too-many-connections",
        f"The server at {place.address} has no connection left for user {place.user!r}.",
        "See who holds them (pg_stat_activity, SHOW PROCESSLIST). Make the pools smaller, or put a proxy in between.",
    )


def _not_ready(place: Place) -> Finding:
    return Finding(
        "server-not-ready",
        f"The server at {place.address} is starting, stopping or recovering.",
        "Wait and check again.",
    )


def _locked(place: Place) -> Finding:
    return Finding(
        "account-locked",
        f"The password is right, and user {place.user!r} is locked or may not log in.",
        "ALTER ROLE ... LOGIN (PostgreSQL), or ALTER USER ... ACCOUNT UNLOCK (MySQL, MariaDB).",
    )


def _blocked(place: Place) -> Finding:
    return Finding(
        "account-blocked",
        f"User {place.user!r} is blocked after too many wrong passwords; even the right one is refused now.",
        "Stop whoever logs in with the old password, correct the secret, and then unlock: FLUSH PRIVILEGES (MariaDB), "
        "ALTER USER ... ACCOUNT UNLOCK (MySQL).",
    )


def _expired(place: Place) -> Finding:
    return Finding(
        "password-expired",
        f"The password of user {place.user!r} is right and has expired.",
        "Rotate the secret now. If the server expires passwords by itself, let rotations be more frequent than that.",
    )


def _plugin(place: Place) -> Finding:
    return Finding(
        "auth-plugin",
        f"{place.driver} cannot do the kind of login that the server wants of user {place.user!r}.",
        "Take a newer driver or another one, or change the user's authentication plugin.",
    )


def _tls_option(place: Place) -> str:
    option = _TLS_OPTIONS.get(place.driver.partition(" ")[0])
    return f"{option} (here --option '{option}')" if option else "its documentation says how"


_TLS_OPTIONS = {
    "psycopg": "sslmode=require",
    "psycopg2": "sslmode=require",
    "asyncpg": "ssl=require",
    "pg8000": "ssl_context=true",
    "pymysql": "ssl_ca=CA.pem",
    "mysqlclient": "ssl_mode=REQUIRED",
    "asyncmy": 'ssl={"ca": "CA.pem"}',
    "mysql-connector": "ssl_disabled=false",
    "mariadb": "ssl=true",
}
"""What switches TLS on. aiomysql wants an ssl.SSLContext, which no command line can give."""

_TLS_NOT_OFFERED = (
    r"server does not support SSL|rejected SSL upgrade|Server refuses SSL"  # libpq, asyncpg, pg8000
    r"|SSL (?:connection error: )?.*(?:not support|is required)|doesn't support SSL"  # MySQL's clients, PyMySQL
)
_TLS_FAILED = r"(?i)certificate verify failed|SSL error|\bSSL\b.*(?:error|fail)|TLS.*(?:error|fail)"

_NO_TLS = r"(?:no pg_hba\.conf entry|pg_hba\.conf rejects connection)[^\n]*(?:no encryption|SSL off)"
_HBA = r"no pg_hba\.conf entry|pg_hba\.conf rejects connection"

_Row = tuple[tuple[str | int, ...], str, Callable[[Place], Finding]]
_POSTGRESQL: tuple[_Row, ...] = (
    (("28P01",), r"password authentication failed", _wrong_password),
    (("3D000",), r'database "[^"\n]*" does not exist|no such database', _wrong_database),
    (("42501",), r"permission denied for database", _no_privilege),
    (("53300",), r"too many clients already|remaining connection slots|too many connections for", _too_many),
    (("57P03",), r"the database system is|is not currently accepting connections", _not_ready),
    ((), r"is not permitted to log in", _locked),
    ((), _NO_TLS, _tls_required),
    ((), _HBA, _host_not_allowed),
)
_MYSQL: tuple[_Row, ...] = (
    ((1049,), "", _wrong_database),
    ((1044,), "", _no_privilege),
    ((3159,), "", _tls_required),
    ((1130,), "", _host_not_allowed),
    ((1129,), "", _host_blocked),
    ((1040, 1203, 1226), "", _too_many),
    ((3118, 4151), "", _locked),
    ((3955, 4150), "", _blocked),
    ((1820, 1862), "", _expired),
    ((2059,), "", _plugin),
)
_LIKE_POSTGRESQL = ("postgresql", "redshift")
_TABLE = {**dict.fromkeys(_LIKE_POSTGRESQL, _POSTGRESQL), "mysql": _MYSQL}
"""Engine to rows, looked through in order: codes, a text, what it means."""
