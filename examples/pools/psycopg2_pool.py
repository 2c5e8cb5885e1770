"""psycopg2's pool: a connection_factory may be any callable that takes the DSN, so a wrapped connect will do."""

from __future__ import annotations

from psycopg2 import connect
from psycopg2.pool import ThreadedConnectionPool

import secretconn


def make_pool(secret: str | secretconn.RotatingCredentials) -> ThreadedConnectionPool:
    return ThreadedConnectionPool(1, 4, "", connection_factory=secretconn.wrap(connect, secret))
