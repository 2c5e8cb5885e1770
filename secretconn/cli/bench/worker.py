"""One process of a real run: threads or tasks that connect at an even pace, and what they saw."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from secretconn import Event, RotatingCredentials, Stats, aconnect, connect, wrap
from secretconn.cli.bench.null import DRIVER, NullServer, judge
from secretconn.cli.bench.workload import Starts, Workload
from secretconn.cli.connections import close, completed, settled


class Target(NamedTuple):
    """A secret in the local Secrets Manager, and what it is for: a driver's database, or the null server's folder."""

    endpoint_url: str
    region: str
    secret_id: str
    driver: str | None = None
    folder: Path | None = None


class Pace(NamedTuple):
    """When a worker connects: at ``begin``, then at ``begin + phase`` and every ``interval``; seconds of the run."""

    begin: float
    phase: float
    interval: float
    end: float

    def following(self, now: float) -> float:
        """Return the next time to connect, after now; what was missed is left out."""
        first = self.begin + self.phase
        return first + max(0, math.floor((now - first) / self.interval) + 1) * self.interval


@dataclass
class Tally:
    """What a process saw. List appends are atomic, so workers need no lock."""

    begun: float = 0.0
    ends: list[str | None] = field(default_factory=list)  # of each connect: the type of its error, or None
    calls: list[float] = field(default_factory=list)  # seconds of the run at which a request was sent
    events: list[Event] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)

    def now(self) -> float:
        """Return the seconds of the run."""
        return time.monotonic() - self.begun

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what happens inside as one connect."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (whatever it is, it is counted)
            self.ends.append(type(error).__name__)  # not its text: that is a driver's
        else:
            self.ends.append(None)


def run(pipe: Connection, target: Target, workload: Workload, starts: Starts) -> None:
    """Send None when ready, begin when something comes, send the Tally; or an error's text."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    logging.getLogger("secretconn").addHandler(logging.NullHandler())
    try:
        tally = Tally()
        credentials = _credentials(target, workload, tally)
        open_one = _opener(target, workload, credentials)
        paces = [Pace(starts.begin, phase, workload.interval, workload.seconds) for phase in starts.phases]
        pipe.send(None)
        pipe.recv()
        tally.begun = time.monotonic()
        if workload.tasks:
            asyncio.run(_tasks(open_one, paces, tally))
        else:
            _threads(open_one, paces, tally)
        tally.stats = credentials.stats()
        pipe.send(tally)
    except EOFError:  # the parent has gone
        return
    except Exception as error:  # noqa: BLE001  (the parent raises it)
        pipe.send(f"{type(error).__name__}: {error}")


def _credentials(target: Target, workload: Workload, tally: Tally) -> RotatingCredentials:
    """Set the library up as an application does; each request that is sent is counted."""
    import boto3

    session = boto3.session.Session("testing", "testing", region_name=target.region)
    # botocore reads its description of the service from the disk now: that is no time of ours
    session.client("secretsmanager", endpoint_url=target.endpoint_url).close()
    session.events.register("before-send.secretsmanager", lambda **_: tally.calls.append(tally.now()))
    where: dict[str, Any] = {"session": session, "endpoint_url": target.endpoint_url}
    credentials = RotatingCredentials(target.secret_id, **where, **workload.settings)
    credentials.subscribe(tally.events.append)
    return credentials


def _opener(target: Target, workload: Workload, credentials: RotatingCredentials) -> Callable[[], Any]:
    """Return what opens one connection; for tasks, what that returns is awaited."""
    if target.folder is not None:
        server = NullServer(target.folder)
        call: Callable[..., Any] = server.aconnect if workload.tasks else server.connect
        return wrap(call, credentials, driver=DRIVER, classify=judge)
    opener: Callable[..., Any] = aconnect if workload.tasks else connect
    return lambda: opener(credentials, driver=target.driver)


def _threads(open_one: Callable[[], Any], paces: list[Pace], tally: Tally) -> None:
    work = [_work(open_one, pace, tally, time.sleep) for pace in paces]
    threads = [threading.Thread(target=completed, args=(one,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def _tasks(open_one: Callable[[], Any], paces: list[Pace], tally: Tally) -> None:
    await asyncio.gather(*(_work(open_one, pace, tally, asyncio.sleep) for pace in paces))


async def _work(open_one: Callable[[], Any], pace: Pace, tally: Tally, sleep: Callable[[float], Any]) -> None:
    at = pace.begin
    while at < pace.end:
        await settled(sleep(max(0.0, at - tally.now())))
        with tally.counting():
            await close(await settled(open_one()))
        at = pace.following(tally.now())
