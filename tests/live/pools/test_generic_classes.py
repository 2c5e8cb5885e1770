"""psycopg's classes are generic, and so are its pools; either may be written with its row type."""

from __future__ import annotations

from typing import Any

import psycopg
import psycopg_pool
import pytest
from psycopg.rows import DictRow, dict_row

from secretconn import RotatingCredentials
from secretconn.psycopg import (
    AsyncConnectionPool,
    AsyncNullConnectionPool,
    ConnectionPool,
    NullConnectionPool,
    connection_class,
)
from secretconn.testing import Application

Row = psycopg.Connection[DictRow]
AsyncRow = psycopg.AsyncConnection[DictRow]
ROWS: dict[str, Any] = {"kwargs": {"row_factory": dict_row}, "min_size": 0, "max_size": 1}
ASK = "SELECT current_user AS name"


@pytest.mark.parametrize("pool_class", [ConnectionPool, ConnectionPool[Row], NullConnectionPool[Row]], ids=str)
@pytest.mark.parametrize("made_of", [psycopg.Connection, Row], ids=["class", "with its rows"])
def test_a_pool(pool_class: Any, made_of: Any, postgres_app: Application, pg: RotatingCredentials) -> None:
    pg.prefetch()
    postgres_app.rotator().rotate()
    with pool_class(pg, connection_class=made_of, open=True, **ROWS) as pool, pool.connection() as connection:
        assert connection.execute(ASK).fetchone() == {"name": postgres_app.username}
        assert isinstance(connection, psycopg.Connection)


@pytest.mark.parametrize("pool_class", [AsyncConnectionPool[AsyncRow], AsyncNullConnectionPool[AsyncRow]], ids=str)
async def test_an_async_pool(pool_class: Any, postgres_app: Application, pg: RotatingCredentials) -> None:
    pg.prefetch()
    postgres_app.rotator().rotate()
    pool = pool_class(pg, connection_class=AsyncRow, open=False, **ROWS)
    async with pool, pool.connection() as connection:
        assert await (await connection.execute(ASK)).fetchone() == {"name": postgres_app.username}


def test_the_class_for_a_pool_of_psycopg_s_own(postgres_app: Application, pg: RotatingCredentials) -> None:
    made_of = connection_class(pg, Row)
    with psycopg_pool.ConnectionPool(connection_class=made_of, open=True, **ROWS) as pool, pool.connection() as one:
        assert one.execute(ASK).fetchone() == {"name": postgres_app.username}
