"""PoolTimeout's cause is another thread's error: its frames hold the login, and must not come along."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.engines.base import walk_causes
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import login

psycopg_pool = pytest.importorskip("psycopg_pool")

from secretconn.psycopg import AsyncConnectionPool, ConnectionPool  # noqa: E402

SIZES: dict[str, Any] = {"min_size": 1, "max_size": 1, "open": False}


def credentials() -> RotatingCredentials:
    """Of a server that is not there."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = {"host": "127.0.0.1", "port": closed.getsockname()[1], "engine": "postgres"}
    return RotatingCredentials("s", source=MemorySource({**login("s3cret-of-the-secret"), **address}))


def sync_timeout() -> Exception:
    pool = ConnectionPool(credentials(), **SIZES)
    with pytest.raises(psycopg_pool.PoolTimeout) as caught:
        pool.open(wait=True, timeout=0.5)
    pool.close()
    return caught.value


def async_timeout() -> Exception:
    async def opened() -> Exception:
        pool = AsyncConnectionPool(credentials(), **SIZES)
        with pytest.raises(psycopg_pool.PoolTimeout) as caught:
            await pool.open(wait=True, timeout=0.5)
        await pool.close()
        return caught.value

    return asyncio.run(opened())


def frames(traceback: TracebackType | None) -> Iterator[tuple[str, object]]:
    while traceback is not None:
        yield from traceback.tb_frame.f_locals.items()
        traceback = traceback.tb_next


@pytest.mark.parametrize("timeout", [sync_timeout, async_timeout])
def test_no_frame_of_a_pool_timeout_or_of_what_caused_it_holds_the_login(timeout: Any) -> None:
    error = timeout()
    causes = list(walk_causes(error))
    assert len(causes) > 1
    assert "Connection refused" in error.__notes__[0]
    held = [name for one in causes for name, value in frames(one.__traceback__) if "s3cret" in repr(value)]
    assert held == []
    assert "s3cret" not in "".join(str(one) + str(getattr(one, "__notes__", "")) for one in causes)
