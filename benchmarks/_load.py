"""The load of the soak: a process of its own whose threads and tasks connect all the time with one RotatingCredentials.

With ``idle`` each worker has one of its own and sleeps through one or two rotations between two connects.

Run by soak.py. It reads one JSON object (what to connect to) from standard input, then commands, one a line:
"lap" answers the counts since the last lap, "stop" answers the whole and ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
from array import array
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import secretconn
from secretconn.testing import LocalSecretsManager

KEPT_EVENTS = 4000
DRIVERS = {"postgres": ("psycopg", "asyncpg"), **dict.fromkeys(("mariadb", "mysql"), ("pymysql", "aiomysql"))}


class Tally:
    """What the workers saw. Workers add to lists of their own kind; list and array appends are atomic under the GIL."""

    def __init__(self) -> None:
        self.seconds = array("d")
        self.attempts: list[int] = [0] * 16
        self.failures: list[dict[str, Any]] = []
        self.events: deque[tuple[float, str]] = deque(maxlen=KEPT_EVENTS)

    def one(self, begun: float, logins: int, error: Exception | None) -> None:
        """One connect() is over."""
        now = time.monotonic()
        self.seconds.append(now - begun)
        self.attempts[min(logins, 15)] += 1
        if error is not None and len(self.failures) < 1000:
            notes = getattr(error, "__notes__", [])
            self.failures.append(
                {"begun": begun, "ended": now, "logins": logins, "error": f"{type(error).__name__}: {error}"[:300]}
                | {"notes": notes}
            )

    def told(self, event: secretconn.Event) -> None:
        """A subscriber: the last events, for the story of a failure."""
        self.events.append((time.monotonic(), repr(event)))


class Calls:
    """One worker's driver call, counting its logins. Safe because one worker makes one connect() at a time."""

    def __init__(self) -> None:
        self.made = 0

    def sync(self, engine: str) -> Callable[..., Any]:
        if engine == "postgres":
            import psycopg as driver
        else:
            import pymysql as driver

        def call(**keywords: Any) -> Any:
            self.made += 1
            if engine != "postgres":
                keywords["ssl_disabled"] = True  # else PyMySQL loads all certificates at every connect
            return driver.connect(**keywords)

        return call

    def tasks(self, engine: str) -> Callable[..., Awaitable[Any]]:
        if engine == "postgres":
            import asyncpg as driver
        else:
            import aiomysql as driver

        async def call(**keywords: Any) -> Any:
            self.made += 1
            if engine == "postgres":
                keywords["ssl"] = False
            return await driver.connect(**keywords)

        return call


class Load:
    """Threads, and one event loop with tasks, that connect and close until they are stopped."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self.engine: str = wish["engine"]
        self.pause: float = wish["pause"]
        self.tally = Tally()
        self.stopping = threading.Event()
        server = LocalSecretsManager()
        client = server.client(endpoint_url=wish["endpoint_url"])
        self.idle = bool(wish.get("idle"))
        self.all = [
            secretconn.RotatingCredentials(
                wish["secret_id"], client=client, fallback_stages=tuple(wish["fallback_stages"])
            )
            for _ in range(wish["threads"] + wish["tasks"] if self.idle else 1)
        ]
        for credentials in self.all:
            credentials.subscribe(self.tally.told)
            credentials.prefetch()
        self.left = list(self.all)
        self.threads = [threading.Thread(target=self._thread, daemon=True) for _ in range(wish["threads"])]
        if wish["tasks"]:
            self.threads.append(threading.Thread(target=lambda: asyncio.run(self._loop(wish["tasks"])), daemon=True))

    def _thread(self) -> None:
        calls = Calls()
        name = DRIVERS[self.engine][0]
        connect = secretconn.wrap(calls.sync(self.engine), self.credentials(), driver=name)
        while not self.stopping.is_set():
            calls.made, begun, error = 0, time.monotonic(), None
            try:
                connect().close()
            except Exception as raised:  # noqa: BLE001  (counted, told at the end)
                error = raised
            self.tally.one(begun, calls.made, error)
            if self.pause:
                time.sleep(self.seconds())

    async def _loop(self, tasks: int) -> None:
        await asyncio.gather(*(self._task() for _ in range(tasks)))

    async def _task(self) -> None:
        calls = Calls()
        name = DRIVERS[self.engine][1]
        connect = secretconn.wrap(calls.tasks(self.engine), self.credentials(), driver=name)
        while not self.stopping.is_set():
            calls.made, begun, error = 0, time.monotonic(), None
            try:
                closing = (await connect()).close()
                if closing is not None:
                    await closing
            except Exception as raised:  # noqa: BLE001  (as above)
                error = raised
            self.tally.one(begun, calls.made, error)
            if self.pause:
                await asyncio.sleep(self.seconds())

    def credentials(self) -> secretconn.RotatingCredentials:
        """Return the next worker's own login where workers idle, else the one they share."""
        return self.left.pop() if self.idle else self.all[0]

    def seconds(self) -> float:
        """How long a worker waits this time: the pause on average, so that nobody marches in step."""
        return self.pause * random.uniform(0.5, 1.5)

    def lap(self, since: int) -> dict[str, Any]:
        """The connects since the one with this number."""
        part = sorted(self.tally.seconds[since:])
        return {"upto": since + len(part), "p99": quantile(part, 0.99), "failed": len(self.tally.failures)}

    def whole(self) -> dict[str, Any]:
        """Everything."""
        ordered = sorted(self.tally.seconds)
        times = [failure["ended"] for failure in self.tally.failures[:5]]
        return {
            "connects": len(ordered),
            "failed": len(self.tally.failures),
            "failures": self.tally.failures[:5],
            "events": [one for one in self.tally.events if any(abs(one[0] - at) < 3.0 for at in times)],
            "logins_per_connect": {str(n): count for n, count in enumerate(self.tally.attempts) if count},
            "p50": quantile(ordered, 0.5),
            "p99": quantile(ordered, 0.99),
            "max": ordered[-1] if ordered else 0.0,
            "stats": self.stats(),
        }

    def stats(self) -> dict[str, int]:
        """The counters, those of all workers together where each has its own."""
        every = [asdict(credentials.stats()) for credentials in self.all]
        return {name: sum(stats[name] for stats in every) for name in every[0]}


def quantile(ordered: list[float], share: float) -> float:
    """The value below which this share of the ordered values lies; 0 where there are none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def main() -> None:
    load = Load(json.loads(sys.stdin.readline()))
    for thread in load.threads:
        thread.start()
    upto = 0
    print(json.dumps({"started": True}), flush=True)
    for command in sys.stdin:
        if command.strip() == "stop":
            break
        lap = load.lap(upto)
        upto = lap["upto"]
        print(json.dumps(lap), flush=True)
    load.stopping.set()
    for thread in load.threads:
        thread.join(30.0)
    print(json.dumps(load.whole()), flush=True)


if __name__ == "__main__":
    main()
