"""The texts by which PostgreSQL and the poolers before it refuse a connection, and what each says about the login.

libpq shows no SQLSTATE of a failed connect, and poolers put everything of their own under one code, so the text tells.

Sources: PostgreSQL, auth_failed() in src/backend/libpq/auth.c, src/backend/utils/init/miscinit.c and postinit.c;
PgBouncer, src/client.c and src/objects.c (also run, 1.18); Odyssey, sources/auth.c and sources/frontend.c; PgCat,
src/client.rs; Pgpool-II, src/auth/pool_auth.c; Supavisor, lib/supavisor/errors and client_handler/error.ex; Neon,
proxy/src/auth/mod.rs; "Troubleshooting for RDS Proxy" in the Amazon RDS User Guide.
"""

from __future__ import annotations

import re
from functools import cache

from .base import Verdict

__all__ = ["known"]

_NO_LINE = r"no pg_hba\.conf entry|pg_hba\.conf rejects connection"

_SUSPECT = (
    # Without TLS: the line may be missing for want of TLS, not for this user. And with sslmode=prefer asyncpg before
    # 0.32 shows this attempt only, not that the one with TLS was refused for its password.
    rf"(?:{_NO_LINE})[^\n]*, (?:no encryption|SSL off)",
)

_BARRED = (
    # PostgreSQL
    r"is not permitted to log in",  # NOLOGIN; said of the right password only (a wrong one is 28P01)
    r'\brole (?:"[^"\n]*"|with OID \d+) does not exist',  # after trust, peer, cert or LDAP
    r"permission denied for database",  # no CONNECT privilege
    rf"{_NO_LINE}|authentication failed for user [^\n]*: host rejected",
    r'(?:"trust"|Ident|Peer|GSSAPI|SSPI|certificate) authentication failed',  # no password is asked for; PgBouncer too
    # PgBouncer: a user whom auth_query does not find; its own hba file; peer
    r"\bno such user\b|(?:unix socket )?\blogin rejected\b",
    # Odyssey, PgCat, Pgpool-II: a user whom the pooler's own configuration or auth_query does not name
    r": incorrect user\b|\broute for [^\n]+ is not found",
    r"No pool configured for database",
    r"pool_passwd file does not contain an entry",
    # Supavisor, older and newer
    r"Tenant or user not found|\btenant/user [^\n]* not found|\(EAUTHQUERY\) user not found",
    # RDS Proxy: none of the secrets it was given is this user's
    r"This RDS [Pp]roxy has no credentials for the role",
)

_REJECTED = (
    # PostgreSQL, Supavisor, Neon, Odyssey; PgBouncer under 08P01
    r"\bpassword authentication failed",
    r"\b(?:PAM|LDAP|ldap|RADIUS|BSD) authentication failed",
    # PgBouncer: SCRAM, and with it a user whom neither auth_file nor auth_query knows; before 1.8 all refused logins
    r"\bSASL authentication failed|\b[Aa]uth failed\b",
    r": incorrect password\b",  # Odyssey
    r"\b(?:md5|SCRAM) authentication failed",  # Pgpool-II
    r"The password that was provided for the role [^\n]* is wrong",  # RDS Proxy
)

_OTHER = (
    # PostgreSQL. A limit is no refusal: another user would only be a way around it.
    r'database "[^"\n]*" does not exist|is not currently accepting connections|the database system is',
    r"too many clients already|remaining connection slots|too many connections for (?:role|database)",
    r"terminating connection due to|unrecognized configuration parameter|invalid value for parameter",
    # PgBouncer
    r"no such database|\bdatabase \"[^\"\n]*\" is disabled|no more connections allowed|client connections exceeded",
    r"server login has been failing|server login failed|pgbouncer cannot connect to server|query_wait_timeout",
    r"client_login_timeout|bouncer config error|SSL required|unsupported startup parameter",
    # Odyssey
    r"too many client tcp connections|too many active clients|failed to get remote server|client routing failed",
    # Supavisor's own state
    r"ECIRCUITBREAKER|EAUTHQUERY|Max client connections reached|MaxClientsInSessionMode|Max pools count reached",
    r"Address not in tenant allow_list|SSL connection is required|Unable to check out process|DbHandler exited",
    # Neon
    r"This IP address [^\n]* is not allowed|from a blocked network|Too many connections to this endpoint",
    # The client's own: network, names, TLS, time
    r"Connection refused|Connection reset|No route to host|Network is unreachable|No such file or directory",
    r"could not translate host name|failed to resolve host|timeout expired|timed out",
    r"server closed the connection unexpectedly|SSL error|does not support SSL|certificate",
)

_TABLE = (
    # In this order: "SCRAM authentication failed" may have "pool_passwd file does not contain ..." as its detail, and
    # "server login has been failing, cached error: ..." repeats what the server said to the pooler.
    ("|".join(_SUSPECT), Verdict.SUSPECT),
    ("|".join(_BARRED), Verdict.BARRED),
    ("|".join(_REJECTED), Verdict.REJECTED),
    ("|".join(_OTHER), Verdict.OTHER),
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """At first use: a process whose logins are accepted needs none."""
    return re.compile(pattern)


def known(text: str) -> Verdict | None:
    """What the text of one attempt says about the login, or None where no table knows it."""
    return next((verdict for pattern, verdict in _TABLE if _compiled(pattern).search(text)), None)
