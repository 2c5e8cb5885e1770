"""Counting what an application asked for and what was sent to the server."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiomysql
import psycopg
import pymysql

import secretconn

FULL = os.environ.get("SECRETCONN_FULL", "") not in ("", "0")
"""The long versions of these tests, as in the claims of docs; CI runs shorter ones with the claims scaled."""

DRIVERS: dict[str, Callable[..., Any]] = {
    "psycopg": psycopg.connect,
    "pymysql": pymysql.connect,
    "psycopg-async": psycopg.AsyncConnection.connect,
    "aiomysql": aiomysql.connect,
}
ASYNC = ("psycopg-async", "aiomysql")

SPEED = 10.0
"""How many times as fast the clock of ``hurried`` goes: cool-downs and probation take a tenth of their seconds."""


def hurried() -> secretconn.Runtime:
    """A runtime whose seconds are a tenth as long. Databases and Secrets Manager are as slow as they are."""
    return secretconn.Runtime(
        clock=lambda: time.monotonic() * SPEED,
        sleep=lambda seconds: time.sleep(seconds / SPEED),
        asleep=lambda seconds: asyncio.sleep(seconds / SPEED),
    )


class Caller:
    """One thread's connect, counting connects, logins and failures, and the most logins of one connect.

    An async driver's runs in an event loop of its own.
    """

    def __init__(self, credentials: secretconn.RotatingCredentials, driver: str, **settings: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.most_logins = 0
        self.errors: list[Exception] = []
        self._call, self._is_async = DRIVERS[driver], driver in ASYNC
        log_in = self._alog_in if self._is_async else self._log_in
        self._connect = secretconn.wrap(log_in, credentials, driver=driver.removesuffix("-async"), **settings)

    def _log_in(self, **keywords: Any) -> Any:
        self.counts["logins"] += 1
        return self._call(**keywords)

    async def _alog_in(self, **keywords: Any) -> Any:
        self.counts["logins"] += 1
        return await self._call(**keywords)

    async def _open_and_close(self, **arguments: Any) -> None:
        closing = (await self._connect(**arguments)).close()
        if closing is not None:
            await closing

    def connect(self, **arguments: Any) -> bool:
        """Connect and close. Whether it worked."""
        before = self.counts["logins"]
        self.counts["connects"] += 1
        try:
            if self._is_async:
                asyncio.run(self._open_and_close(**arguments))
            else:
                self._connect(**arguments).close()
        except (psycopg.OperationalError, pymysql.OperationalError) as error:
            self.counts["failed"] += 1
            self.errors.append(error)
            return False
        finally:
            self.most_logins = max(self.most_logins, self.counts["logins"] - before)
        return True


class Crowd:
    """Threads that connect without a pause until they are stopped."""

    def __init__(self, *callers: tuple[Caller, dict[str, Any]]) -> None:
        self.callers = [caller for caller, _ in callers]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(caller, arguments), daemon=True) for caller, arguments in callers
        ]

    def _run(self, caller: Caller, arguments: dict[str, Any]) -> None:
        while not self._stopping.is_set():
            caller.connect(**arguments)
            time.sleep(0.005)

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60.0)
            assert not thread.is_alive()

    def progress(self, connects: int, seconds: float = 60.0) -> None:
        """Wait until each caller has made so many connects more, however busy the machine is."""
        wanted = {caller: caller.counts["connects"] + connects for caller in self.callers}
        self.until(lambda: all(caller.counts["connects"] >= count for caller, count in wanted.items()), seconds)

    def until(self, reached: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something has happened to the crowd."""
        give_up = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < give_up, f"not within {seconds:.0f} s"
            time.sleep(0.01)

    def total(self, what: str) -> int:
        return sum(caller.counts[what] for caller in self.callers)
