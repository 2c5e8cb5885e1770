"""Problems of the driver, the network and the login: cause, sentence and remedy.

Codes: "PostgreSQL Error Codes"; "Server Error Message Reference" of the MySQL manual; "MariaDB Error Code Reference".
libpq shows no code of a failed login, so psycopg and psycopg2 are told by English text (see postgresql_errors.py).
"""

from __future__ import annotations

from secretconn.cli.check.findings.known import Cause, Known
from secretconn.engines.mysql import PLUGIN_MISSING

HBA = r"(?:no pg_hba\.conf entry|pg_hba\.conf rejects connection)"

LOGIN: dict[str, Known] = {
    # What a server says is looked up in this order.
    # The driver.
    "missing-driver": Known(
        "No driver for {engine} is installed here.",
        "Install the one that the application uses, in this image: {pip}{others}.",
    ),
    "missing-driver:named": Known("Driver {driver} is not installed here.", "{pip}, in this image."),
    "missing-driver:broken": Known("{problem}", "Install it anew, in this image."),
    "not-possible": Known("{problem}", "Correct the secret, or what the code passes."),
    # The network.
    "wrong-host": Known(
        "Host {place.host!r} has no address: the name does not exist, or DNS does not know it here.",
        "Look at the host in the secret, or the one that the code passes. A name in a private hosted zone resolves "
        "only in the VPCs that the zone is associated with.",
    ),
    "wrong-host:url": Known(
        "Host {place.host!r} is a URL.",
        "Put the name of the host alone under the key host of the secret; port and database have keys of their own.",
    ),
    "wrong-host:port": Known(
        "Host {place.host!r} has the port in it, which drivers take for a part of the name.",
        "Put the name alone under the key host of the secret, and the port under the key port.",
    ),
    "closed-port": Known(
        "Nothing listens at {place.address}: the connection was refused.",
        "Look at the port in the secret, or the one that the code passes. Is the server running, and does it listen at "
        "this address and not only at its own localhost?",
    ),
    "no-answer": Known(
        "{place.address} does not answer: no connection, and no refusal either.",
        "Something in between drops the packets. Let the database's security group take connections from this task's "
        "security group at this port; look at network ACLs, routes and peering, and whether the host is the private "
        "one.",
    ),
    "no-greeting": Known(
        "{place.address} takes connections and says nothing, and a server of this kind speaks first.",
        "Is this the right port? A proxy or load balancer in between may have no server behind it, or the server may "
        "hang: see its log.",
    ),
    # The login.
    "login-refused": Known(
        "The server refused user {place.user!r}, and {place.driver} does not show why.",
        "See the server's log. A wrong password is one of the reasons that look like this.",
    ),
    "user-refused": Known(
        "The server at {place.address} refused user {place.user!r}; another password would not help.",
        "See the driver's message above: the user is locked or missing, or has no right to connect from here.",
    ),
    "connect-failed": Known(
        "{place.driver} could not connect to {place.address} as user {place.user!r}, for another reason than the ones "
        "that are known here.",
        "See the driver's message above, and the server's log.",
    ),
    "wrong-password": Known(
        "The server at {place.address} refused the login of user {place.user!r}: wrong password, or no such user.",
        "The secret and the database do not agree. Was the password changed by hand? Put the right one into the "
        "secret, or rotate the secret now. Or is this the secret of another database: another host, another user? If a "
        "rotation has ended half-way, the log of its function says why.",
        postgresql=Cause(("28P01",), r"password authentication failed"),
    ),
    "tls-or-password": Known(
        "The server at {place.address} refused the login of user {place.user!r}. MariaDB and MySQL say the same to a "
        "wrong password and to a connection without TLS where they require it (REQUIRE SSL, require_secure_transport; "
        "for MySQL Connector/Python, caching_sha2_password too), and {place.driver} may not have used TLS.",
        "Try with TLS first: {tls}. If the login is refused then too, secret and database do not agree: put the right "
        "password into the secret, or rotate the secret now.",
    ),
    "password-not-sent": Known(
        "The server at {place.address} asked for the password itself, and {place.driver} does not send it without TLS. "
        "MySQL's caching_sha2_password asks for it where the server does not remember the login: after each rotation, "
        "after a restart, and where the password is wrong.",
        "Switch TLS on in the driver: {tls}. PyMySQL, aiomysql and asyncmy can send it encrypted without TLS too, with "
        "the package cryptography, which secretconn's extras bring.",
        mysql=Cause((2061,), r"'cryptography' package is required|^Encryption failed$"),
    ),
    "client-plugin": Known(
        "{place.driver}'s client library, MariaDB Connector/C, could not load an authentication plugin, so the server "
        "was sent no login.",
        "Install the plugin named in the driver's message, in this image (Debian: in package libmariadb3), or set "
        "MARIADB_PLUGIN_DIR to its folder. Other drivers need no plugin files.",
        mysql=Cause((), PLUGIN_MISSING.pattern),
    ),
    "tls-not-offered": Known(
        "{place.driver} was told to use TLS, and the server at {place.address} has none.",
        "Switch TLS on in the server. Is this the right port, and no proxy in between that takes TLS off?",
    ),
    "tls-failed": Known(
        "TLS with {place.address} failed; the driver's message says at what.",
        "For an unknown issuer: give the driver the CA's certificate (for RDS, global-bundle.pem). For a wrong name: "
        "connect by the name that is in the certificate, not by an address or an alias.",
    ),
    "wrong-database": Known(
        "The login is right, and the server at {place.address} has no database {place.database!r}.",
        "Correct dbname in the secret, or what the code passes (here --database), or create the database. Names are "
        "case-sensitive. PostgreSQL's default is postgres.",
        postgresql=Cause(("3D000",), r'database "[^"\n]*" does not exist|no such database'),
        mysql=Cause((1049,)),
    ),
    "no-privilege": Known(
        "The login is right, and user {place.user!r} may not use database {place.database!r}.",
        "GRANT CONNECT ON DATABASE (PostgreSQL), or GRANT privileges ON database.* (MySQL, MariaDB). With alternating "
        "users the second user, ..._clone, needs them as well.",
        postgresql=Cause(("42501",), r"permission denied for database"),
        mysql=Cause((1044,)),
    ),
    "host-blocked": Known(
        "The server at {place.address} has blocked this machine's address after too many broken connections.",
        "FLUSH HOSTS in the server (TRUNCATE performance_schema.host_cache), then look for what breaks them off: "
        "health checks that only open the port do.",
        mysql=Cause((1129,)),
    ),
    "too-many-connections": Known(
        "The server at {place.address} has no connection left for user {place.user!r}.",
        "See who holds them (pg_stat_activity, SHOW PROCESSLIST). Make the pools smaller, or put a proxy in between.",
        postgresql=Cause(("53300",), r"too many clients already|remaining connection slots|too many connections for"),
        mysql=Cause((1040, 1203, 1226)),
    ),
    "server-not-ready": Known(
        "The server at {place.address} is starting, stopping or recovering.",
        "Wait and check again.",
        postgresql=Cause(("57P03",), r"the database system is|is not currently accepting connections"),
    ),
    "account-locked": Known(
        "The password is right, and user {place.user!r} is locked or may not log in.",
        "ALTER ROLE ... LOGIN (PostgreSQL), or ALTER USER ... ACCOUNT UNLOCK (MySQL, MariaDB).",
        postgresql=Cause((), r"is not permitted to log in"),
        mysql=Cause((3118, 4151)),
    ),
    # Behind those above: a second attempt without TLS says less than the first one with it.
    "tls-required": Known(
        "The server at {place.address} lets user {place.user!r} in from here with TLS only, and this connection had "
        "none.",
        "Switch TLS on in the driver: {tls}; with the CA's certificate, so that the server is checked too. If it is "
        "refused then as well, the server has no rule for this user, database and address.",
        postgresql=Cause((), rf"{HBA}[^\n]*(?:no encryption|SSL off)"),
        mysql=Cause((3159,)),
    ),
    "host-not-allowed": Known(
        "The server at {place.address} does not take user {place.user!r} from this machine's address.",
        "PostgreSQL: add a line to pg_hba.conf. MySQL and MariaDB: the user must exist for this address "
        "('user'@'%', or the VPC's range).",
        postgresql=Cause((), HBA),
        mysql=Cause((1130,)),
    ),
    "account-blocked": Known(
        "User {place.user!r} is blocked after too many wrong passwords; even the right one is refused now.",
        "Stop whoever logs in with the old password, correct the secret, and then unlock: FLUSH PRIVILEGES (MariaDB), "
        "ALTER USER ... ACCOUNT UNLOCK (MySQL).",
        mysql=Cause((3955, 4150)),
    ),
    "password-expired": Known(
        "The password of user {place.user!r} is right and has expired.",
        "Rotate the secret now. If the server expires passwords by itself, let rotations be more frequent than that.",
        mysql=Cause((1820, 1862)),
    ),
    "auth-plugin": Known(
        "{place.driver} cannot do the kind of login that the server wants of user {place.user!r}.",
        "Take a newer driver or another one, or change the user's authentication plugin.",
        mysql=Cause((2059,)),
    ),
}
