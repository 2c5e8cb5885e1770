"""The workers: threads and tasks that connect, query and close all the time, and one worker without secretconn."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from secretconn.cli.connections import close, completed, rows_of, settled
from secretconn.cli.demo.board import OURS, USUAL, Board, Side
from secretconn.engines import driver_named, load

PAUSE = 0.1
"""Seconds a worker rests between two connections."""

INSERT = "INSERT INTO orders (id, item) VALUES (%s, %s)"
SELECT = "SELECT item, current_user FROM orders WHERE id = %s"


class Crew:
    """Starts the workers and waits for them to end; they write what they see on the board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ids = itertools.count(1)

    def thread(self, connect: Callable[[], Any], side: Side = OURS) -> None:
        """Start one more thread that connects this way."""
        delay = PAUSE * (len(self._threads) % 7) / 7  # not all at the same moment
        self._start(lambda: completed(self._work(connect, self._stop.wait, delay, side)))

    def tasks(self, connect: Callable[[], Awaitable[Any]], count: int) -> None:
        """Start so many asyncio tasks, in one event loop."""

        async def run() -> None:
            delays = (PAUSE * number / count for number in range(count))
            await asyncio.gather(*(self._work(connect, asyncio.sleep, delay) for delay in delays))

        if count:
            self._start(lambda: asyncio.run(run()))

    def dismiss(self) -> None:
        """Let every worker finish its connection, and wait for that."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[[], object]) -> None:
        thread = threading.Thread(target=target, name="secretconn-demo", daemon=True)
        self._threads.append(thread)
        thread.start()

    async def _work(
        self, connect: Callable[[], Any], rest: Callable[[float], Any], delay: float, side: Side = OURS
    ) -> None:
        """Connect, write an order, read it again and close, with rests, until it is over."""
        await settled(rest(delay))
        while not self._stop.is_set():
            with self._board.turn(side, in_task=rest is asyncio.sleep) as opened:
                connection = await settled(connect())
                opened()
                try:
                    user = await _use(connection, next(self._ids))
                    self._board.user = user if side == OURS else self._board.user
                finally:
                    await close(connection)
            await settled(rest(PAUSE))


class UsualWay:
    """Connects as applications do without secretconn: AWSCURRENT through a cache, read again after a failure.

    The kindest form of that pattern: it reads again at once (the cache's own ``refresh_secret_now`` sleeps 2.5 to 5 s
    before it does) and then tries once more. ``client`` is one of its own, whose calls are counted.
    """

    def __init__(self, client: Any, secret_id: str, driver: str, board: Board) -> None:
        known = driver_named(driver)
        self._connect, self._names = load(known, for_async=False), known.keywords
        self._client, self._secret_id, self._board = client, secret_id, board
        self._cache = self._new_cache()
        self.api_calls = 0
        client.meta.events.register("before-call.secretsmanager", self._count)

    def __call__(self) -> Any:
        try:
            return self._open()
        except Exception:  # noqa: BLE001  (it cannot tell a rejection from anything else)
            self._board.rejected(USUAL)
        self._cache = self._new_cache()
        try:
            connection = self._open()
        except Exception:
            self._board.rejected(USUAL)
            raise
        self._board.recovered(USUAL)
        return connection

    def _open(self) -> Any:
        # The login is never a local variable here: a traceback may show those.
        return self._connect(**self._login())

    def _login(self) -> dict[str, Any]:
        keys = {"user": "username", "password": "password", "host": "host", "port": "port", "database": "dbname"}
        secret = json.loads(self._cache.get_secret_string(self._secret_id))
        return {self._names[name]: secret[key] for name, key in keys.items()}

    def _new_cache(self) -> Any:
        from aws_secretsmanager_caching import SecretCache

        return SecretCache(client=self._client)

    def _count(self, **_: object) -> None:
        self.api_calls += 1


async def _use(connection: Any, number: int) -> str:
    """Return the user, or raise LookupError if the order is not what was written."""
    await rows_of(connection, INSERT, (number, f"item {number}"))
    await settled(connection.commit())
    rows = await rows_of(connection, SELECT, (number,))
    if not rows or rows[0][0] != f"item {number}":
        raise LookupError(f"order {number} is not what was written")
    return str(rows[0][1]).partition("@")[0]
