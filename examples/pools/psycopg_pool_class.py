"""psycopg_pool with its own pool: only the connection class is another one."""

from __future__ import annotations

import psycopg
import psycopg_pool

import secretconn
from secretconn.psycopg import connection_class


def make_pool(secret: str | secretconn.RotatingCredentials) -> psycopg_pool.ConnectionPool:
    return psycopg_pool.ConnectionPool(connection_class=connection_class(secret), min_size=1, max_size=4, open=True)


def make_async_pool(secret: str | secretconn.RotatingCredentials) -> psycopg_pool.AsyncConnectionPool:
    return psycopg_pool.AsyncConnectionPool(
        connection_class=connection_class(secret, psycopg.AsyncConnection), min_size=1, max_size=4, open=False
    )
