"""One process of a real run (``python -m``): threads or tasks that connect at an even pace.

It reads one JSON object from standard input, says "ready", begins when the next line comes, and in the end writes what
it counted as one JSON object.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secretconn import connect, events
from secretconn._core.api import aconnect, wrap
from secretconn._core.rotating import RotatingCredentials
from secretconn.cli.bench.null import DRIVER, NullServer, judge

__all__ = ["Pace", "Tally"]


@dataclass(frozen=True, slots=True)
class Pace:
    """When a worker connects: at ``begin``, then at ``begin + phase`` and every ``interval``; seconds of the run."""

    begin: float
    phase: float
    interval: float
    end: float

    def following(self, now: float) -> float:
        """The next time to connect, after now: what was missed is left out."""
        first = self.begin + self.phase
        return first + max(0, math.floor((now - first) / self.interval) + 1) * self.interval


class Tally:
    """What this process saw. List appends are one step for the interpreter, so workers need no lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = 0.0
        self.ends: list[bool] = []
        self.errors: list[str] = []
        self.calls: list[float] = []
        self.first_calls: list[int] = []
        self.recovered: list[float] = []

    def begin(self) -> None:
        """The run begins now."""
        self._begun = self._clock()

    @property
    def now(self) -> float:
        """Seconds of the run."""
        return self._clock() - self._begun

    def sent(self, **_: object) -> None:
        """boto3 sends a request."""
        self.calls.append(self.now)

    def saw(self, event: events.Event) -> None:
        """A subscriber."""
        if isinstance(event, events.Recovered):
            self.recovered.append(event.seconds)
        elif isinstance(event, events.Fetched):
            self.first_calls.append(event.api_calls)

    def ended(self, error: Exception | None) -> None:
        """A connect is over."""
        self.ends.append(error is None)
        if error is not None:
            self.errors.append(type(error).__name__)  # not its text: that is a driver's

    def whole(self, credentials: RotatingCredentials) -> dict[str, Any]:
        """For the parent."""
        stats = credentials.stats()
        return {
            "connects": len(self.ends),
            "failed": len(self.errors),
            "errors": sorted(set(self.errors)),
            "calls": self.calls,
            "first_calls": sum(self.first_calls),
            "recovered": self.recovered,
            "reads": stats.reads,
            "hits": stats.hits,
            "rejected": stats.rejected + stats.suspected,
        }


def credentials_for(wish: dict[str, Any], tally: Tally) -> RotatingCredentials:
    """The library as an application sets it up; each request that is sent is counted.

    botocore's description of the service is read from the disk beforehand: that is no time of ours.
    """
    import boto3

    session = boto3.session.Session(**wish["session"])
    session.client("secretsmanager", endpoint_url=wish["endpoint_url"]).close()
    session.events.register("before-send.secretsmanager", tally.sent)
    credentials = RotatingCredentials(
        wish["secret_id"],
        session=session,
        endpoint_url=wish["endpoint_url"],
        ttl=wish["ttl"],
        retries=wish["retries"],
        patience=wish["patience"],
        fallback_stages=tuple(wish["fallback_stages"]),
    )
    credentials.subscribe(tally.saw)
    return credentials


def connect_for(wish: dict[str, Any], credentials: RotatingCredentials) -> Callable[[], Any]:
    """Opens one connection; for tasks, what it returns is awaited."""
    tasks: bool = wish["tasks"]
    if wish["folder"] is not None:
        server = NullServer(Path(wish["folder"]))
        call: Callable[..., Any] = server.aconnect if tasks else server.connect
        return wrap(call, credentials, driver=DRIVER, classify=judge)
    opener = aconnect if tasks else connect
    return lambda: opener(credentials, driver=wish["driver"])


def work(open_one: Callable[[], Any], pace: Pace, tally: Tally) -> None:
    """One thread."""
    at = pace.begin
    while at < pace.end:
        time.sleep(max(0.0, at - tally.now))
        try:
            open_one().close()
        except Exception as error:  # noqa: BLE001  (whatever it is, it is counted)
            tally.ended(error)
        else:
            tally.ended(None)
        at = pace.following(tally.now)


async def awork(open_one: Callable[[], Any], pace: Pace, tally: Tally) -> None:
    """One task."""
    at = pace.begin
    while at < pace.end:
        await asyncio.sleep(max(0.0, at - tally.now))
        try:
            closing = (await open_one()).close()
            if inspect.isawaitable(closing):
                await closing
        except Exception as error:  # noqa: BLE001
            tally.ended(error)
        else:
            tally.ended(None)
        at = pace.following(tally.now)


def main() -> None:
    wish: dict[str, Any] = json.loads(sys.stdin.readline())
    tally = Tally()
    credentials = credentials_for(wish, tally)
    open_one = connect_for(wish, credentials)
    paces = [Pace(wish["begin"], phase, wish["interval"], wish["seconds"]) for phase in wish["phases"]]
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    tally.begin()
    if wish["tasks"]:
        asyncio.run(_all(open_one, paces, tally))
    else:
        threads = [threading.Thread(target=work, args=(open_one, pace, tally), daemon=True) for pace in paces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(json.dumps(tally.whole(credentials)), flush=True)


async def _all(open_one: Callable[[], Any], paces: list[Pace], tally: Tally) -> None:
    await asyncio.gather(*(awork(open_one, pace, tally) for pace in paces))


if __name__ == "__main__":
    main()
