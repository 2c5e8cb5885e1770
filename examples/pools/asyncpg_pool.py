"""asyncpg's pool: hand it a wrapped connect. Nothing of secretconn's own is needed for the pool."""

from __future__ import annotations

import asyncpg

import secretconn
from secretconn.pools import on_rotation


async def make_pool(secret: str | secretconn.RotatingCredentials) -> asyncpg.Pool:
    pool = await asyncpg.create_pool(connect=secretconn.wrap(asyncpg.connect, secret), min_size=1, max_size=4)
    on_rotation(secret, pool.expire_connections)  # leave this line out to keep open connections
    return pool
