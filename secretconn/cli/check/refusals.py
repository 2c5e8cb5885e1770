"""What can be wrong with a login: one function for each finding, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from secretconn.cli.check.report import Finding

__all__ = [
    "TLS_OPTIONS",
    "Place",
    "blocked",
    "closed_port",
    "expired",
    "hidden",
    "host_blocked",
    "host_not_allowed",
    "locked",
    "no_answer",
    "no_privilege",
    "not_ready",
    "not_resolved",
    "other",
    "plugin",
    "tls_failed",
    "tls_not_offered",
    "tls_or_password",
    "tls_required",
    "too_many",
    "wrong_database",
    "wrong_password",
]


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


def not_resolved(place: Place) -> Finding:
    return Finding(
        "wrong-host",
        f"Host {place.host!r} has no address: the name does not exist, or DNS does not know it here.",
        "Look at the host in the secret, or the one that the code passes. A name in a private hosted zone resolves "
        "only in the VPCs that the zone is associated with.",
    )


def closed_port(place: Place) -> Finding:
    return Finding(
        "closed-port",
        f"Nothing listens at {place.address}: the connection was refused.",
        "Look at the port in the secret, or the one that the code passes. Is the server running, and does it listen at "
        "this address and not only at its own localhost?",
    )


def no_answer(place: Place) -> Finding:
    return Finding(
        "no-answer",
        f"{place.address} does not answer: no connection, and no refusal either.",
        "Something in between drops the packets. Let the database's security group take connections from this task's "
        "security group at this port; look at network ACLs, routes and peering, and whether the host is the private "
        "one.",
    )


def hidden(place: Place) -> Finding:
    return Finding(
        "login-refused",
        f"The server refused user {place.user!r}, and {place.driver} does not show why.",
        "See the server's log. A wrong password is one of the reasons that look like this.",
    )


def other(place: Place) -> Finding:
    return Finding(
        "connect-failed",
        f"{place.driver} could not connect to {place.address} as user {place.user!r}, for another reason than the ones "
        f"that are known here.",
        "See the driver's message above, and the server's log.",
    )


def wrong_password(place: Place) -> Finding:
    return Finding(
        "wrong-password",
        f"The server at {place.address} refused the login of user {place.user!r}: wrong password, or no such user.",
        "The secret and the database do not agree. Was the password changed by hand? Put the right one into the "
        "secret, or rotate the secret now. Or is this the secret of another database: another host, another user? If a "
        "rotation has ended half-way, the log of its function says why.",
    )


def tls_or_password(place: Place) -> Finding:
    return Finding(
        "tls-or-password",
        f"The server at {place.address} refused the login of user {place.user!r}. MariaDB and MySQL say the same to a "
        f"wrong password and to a connection without TLS where they require it (REQUIRE SSL, require_secure_transport)"
        f", and {place.driver} may not have used TLS.",
        f"Try with TLS first: {_tls_option(place)}. If the login is refused then too, secret and database do "
        f"not agree: put the right password into the secret, or rotate the secret now.",
    )


def tls_required(place: Place) -> Finding:
    return Finding(
        "tls-required",
        f"The server at {place.address} lets user {place.user!r} in from here with TLS only, and this connection had "
        f"none.",
        f"Switch TLS on in the driver: {_tls_option(place)}; with the CA's certificate, so that the server is "
        f"checked too. If it is refused then as well, the server has no rule for this user, database and address.",
    )


def tls_not_offered(place: Place) -> Finding:
    return Finding(
        "tls-not-offered",
        f"{place.driver} was told to use TLS, and the server at {place.address} has none.",
        "Switch TLS on in the server. Is this the right port, and no proxy in between that takes TLS off?",
    )


def tls_failed(place: Place) -> Finding:
    return Finding(
        "tls-failed",
        f"TLS with {place.address} failed; the driver's message says at what.",
        "For an unknown issuer: give the driver the CA's certificate (for RDS, global-bundle.pem). For a wrong name: "
        "connect by the name that is in the certificate, not by an address or an alias.",
    )


def wrong_database(place: Place) -> Finding:
    return Finding(
        "wrong-database",
        f"The login is right, and the server at {place.address} has no database {place.database!r}.",
        "Correct dbname in the secret, or what the code passes (here --database), or create the database. Names are "
        "case-sensitive. PostgreSQL's default, where nobody says one, is postgres.",
    )


def no_privilege(place: Place) -> Finding:
    return Finding(
        "no-privilege",
        f"The login is right, and user {place.user!r} may not use database {place.database!r}.",
        "GRANT CONNECT ON DATABASE (PostgreSQL), or GRANT privileges ON database.* (MySQL, MariaDB). With alternating "
        "users the second user, ..._clone, needs them as well.",
    )


def host_not_allowed(place: Place) -> Finding:
    return Finding(
        "host-not-allowed",
        f"The server at {place.address} does not take user {place.user!r} from this machine's address.",
        "PostgreSQL: add a line to pg_hba.conf. MySQL and MariaDB: the user must exist for this address "
        "('user'@'%', or the VPC's range).",
    )


def host_blocked(place: Place) -> Finding:
    return Finding(
        "host-blocked",
        f"The server at {place.address} has blocked this machine's address after too many broken connections.",
        "FLUSH HOSTS in the server (TRUNCATE performance_schema.host_cache), then look for what breaks them off: "
        "health checks that only open the port do.",
    )


def too_many(place: Place) -> Finding:
    return Finding(
        "too-many-connections",
        f"The server at {place.address} has no connection left for user {place.user!r}.",
        "See who holds them (pg_stat_activity, SHOW PROCESSLIST). Make the pools smaller, or put a proxy in between.",
    )


def not_ready(place: Place) -> Finding:
    return Finding(
        "server-not-ready",
        f"The server at {place.address} is starting, stopping or recovering.",
        "Wait and check again.",
    )


def locked(place: Place) -> Finding:
    return Finding(
        "account-locked",
        f"The password is right, and user {place.user!r} is locked or may not log in.",
        "ALTER ROLE ... LOGIN (PostgreSQL), or ALTER USER ... ACCOUNT UNLOCK (MySQL, MariaDB).",
    )


def blocked(place: Place) -> Finding:
    return Finding(
        "account-blocked",
        f"User {place.user!r} is blocked after too many wrong passwords; even the right one is refused now.",
        "Stop whoever logs in with the old password, correct the secret, and then unlock: FLUSH PRIVILEGES (MariaDB), "
        "ALTER USER ... ACCOUNT UNLOCK (MySQL).",
    )


def expired(place: Place) -> Finding:
    return Finding(
        "password-expired",
        f"The password of user {place.user!r} is right and has expired.",
        "Rotate the secret now. If the server expires passwords by itself, let rotations be more frequent than that.",
    )


def plugin(place: Place) -> Finding:
    return Finding(
        "auth-plugin",
        f"{place.driver} cannot do the kind of login that the server wants of user {place.user!r}.",
        "Take a newer driver or another one, or change the user's authentication plugin.",
    )


def _tls_option(place: Place) -> str:
    option = TLS_OPTIONS.get(place.driver.partition(" ")[0])
    return f"{option} (here --option '{option}')" if option else "its documentation says how"


TLS_OPTIONS = {
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
