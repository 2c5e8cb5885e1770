"""How to connect, apart from where and as whom: what a driver takes for time limits and for TLS."""

from __future__ import annotations

from typing import Any

__all__ = ["TIMEOUTS", "verified"]

CONNECT_SECONDS, ANSWER_SECONDS = 5, 10

TIMEOUTS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": 1000 * ANSWER_SECONDS,  # milliseconds; ends a connection whose peer is gone
        "keepalives_idle": ANSWER_SECONDS,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": f"-c statement_timeout={1000 * ANSWER_SECONDS}",
    },
    "mysql": {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
    },
}
"""Without these a request to a database that is paused, or behind a lost route, waits for minutes."""


def verified(engine: str, authorities: str) -> dict[str, Any]:
    """Return the driver's arguments for TLS with a server whose certificate and name are verified.

    Args:
        engine: "postgresql" (libpq's arguments) or "mysql" (PyMySQL's).
        authorities: The file with the certificate authorities; empty for what the driver does by itself, which hands
            a password to a server that says it knows no TLS.
    """
    if not authorities:
        return {}
    if engine == "postgresql":
        return {"sslmode": "verify-full", "sslrootcert": authorities}
    return {"ssl": {"ca": authorities, "check_hostname": True, "verify_mode": "required"}}
