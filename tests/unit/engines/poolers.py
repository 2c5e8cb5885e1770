"""The texts of poolers and hosted proxies, each with its SQLSTATE and the verdict that every driver must give."""

from __future__ import annotations

from secretconn import Verdict

__all__ = ["TOLD"]

REJECTED, SUSPECT, BARRED, OTHER = Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER

TOLD: list[tuple[str, str, str, Verdict]] = [
    ("PgBouncer", "08P01", "SASL authentication failed", REJECTED),
    ("PgBouncer", "08P01", "password authentication failed", REJECTED),
    ("PgBouncer", "08P01", "PAM authentication failed", REJECTED),
    ("PgBouncer before 1.8", "08P01", "Auth failed", REJECTED),
    ("PgBouncer", "08P01", "auth failed", REJECTED),
    ("PgBouncer", "08P01", "no such user", BARRED),
    ("PgBouncer", "08P01", '"trust" authentication failed', BARRED),
    ("PgBouncer", "08P01", "certificate authentication failed", BARRED),
    ("PgBouncer", "08P01", "unix socket login rejected", BARRED),
    ("PgBouncer", "08P01", "login rejected", BARRED),
    ("PgBouncer", "28000", 'role "app" is not permitted to log in', BARRED),
    (
        "PgBouncer",
        "08P01",
        'server login has been failing, cached error: password authentication failed for user "app"'
        " (server_login_retry)",
        REJECTED,
    ),
    ("PgBouncer", "08P01", "server login has been failing, try again later (server_login_retry)", OTHER),
    ("PgBouncer", "08P01", "pgbouncer cannot connect to server", OTHER),
    ("PgBouncer", "08P01", "no such database: orders", OTHER),
    ("PgBouncer", "08P01", 'database "orders" is disabled', OTHER),
    ("PgBouncer", "08P01", "no more connections allowed (max_client_conn)", OTHER),
    ("PgBouncer", "08P01", "bouncer config error", OTHER),
    ("PgBouncer", "08P01", "SSL required", OTHER),
    ("PgBouncer", "08P01", "query_wait_timeout", OTHER),
    ("PgBouncer", "08P01", "unsupported startup parameter: search_path", OTHER),
    ("Odyssey", "28P01", "odyssey: c0a1b2c3d4e5f: incorrect password", REJECTED),
    ("Odyssey", "28000", "odyssey: c0a1b2c3d4e5f: password authentication failed", REJECTED),
    ("Odyssey", "28P01", "odyssey: c0a1b2c3d4e5f: incorrect user", BARRED),
    ("Odyssey", "3D000", "odyssey: c0a1b2c3d4e5f: route for 'orders.app' is not found", BARRED),
    ("Odyssey", "53300", "odyssey: c0a1b2c3d4e5f: too many client tcp connections (global client_max)", OTHER),
    ("PgCat", "28P01", 'password authentication failed for user "app"', REJECTED),
    ("PgCat", "58000", 'No pool configured for database: "orders", user: "app"', BARRED),
    ("PgCat", "3D000", "No pool configured for database: orders, user: app", BARRED),
    ("Pgpool-II", "XX000", "SCRAM authentication failed", REJECTED),
    ("Pgpool-II", "XX000", "md5 authentication failed", REJECTED),
    (
        "Pgpool-II",
        "XX000",
        'md5 authentication failed\nDETAIL:  pool_passwd file does not contain an entry for "app"',
        BARRED,
    ),
    ("Supavisor", "28P01", 'password authentication failed for user "app"', REJECTED),
    ("Supavisor", "XX000", "Tenant or user not found", BARRED),
    ("Supavisor", "XX000", "(ENOTFOUND) tenant/user app.abcdef not found", BARRED),
    ("Supavisor", "XX000", "(EAUTHQUERY) user not found in the database", BARRED),
    ("Supavisor", "XX000", "(EAUTHQUERY) authentication query failed: connection to database not available", OTHER),
    ("Supavisor", "XX000", "(ECIRCUITBREAKER) too many authentication errors, try again later", OTHER),
    ("Supavisor", "XX000", "Max client connections reached", OTHER),
    ("Supavisor", "XX000", "Address not in tenant allow_list: {10, 0, 0, 1}", OTHER),
    ("Neon", "28P01", "password authentication failed for user 'app'", REJECTED),
    ("Neon", "XX000", "This IP address 10.0.0.1 is not allowed to connect to this endpoint.", OTHER),
    ("RDS Proxy", "28000", "The password that was provided for the role app is wrong", REJECTED),
    ("RDS Proxy", "28000", "This RDS proxy has no credentials for the role app", BARRED),
    ("none", "08P01", "what no table knows", SUSPECT),
    ("none", "XX000", "what no table knows", SUSPECT),
    ("none", "28000", "what no table knows", SUSPECT),
    ("none", "P0001", "what no table knows", SUSPECT),
]
"""Who says it, the SQLSTATE, the text, the verdict."""
