"""(e) Connects in the rotation window: from the password's change in the database until it is AWSCURRENT.

All clients work at the same time on the same secret, each with the same number of threads and the same pause between
two connects, while the secret rotates. What counts is each connect that was begun in a window. The plain driver is
restarted after each rotation, so outside the windows its login is right.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from secretconn.testing import Application
from suite import clients
from suite.bed import ENGINES, Bed
from suite.stats import quantile
from suite.table import milli, number, table
from suite.verdicts import Criterion

TITLE = "Connects in the rotation window"
THREADS = 4
PAUSE = 0.2
"""Seconds a thread rests between two connects."""
WINDOW, QUICK_WINDOW = 6.0, 1.5
"""Seconds. AWS says "typically within one minute" of managed rotation; the longer, the worse for those that fail."""
ROTATIONS, QUICK_ROTATIONS = 4, 1
QUICK_NAMES = tuple(name for name in clients.NAMES if name != clients.CACHE)
"""Without the one whose sleep is longer than a quick window."""


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    if quick:
        return {engine: one_engine(bed, engine, QUICK_ROTATIONS, QUICK_WINDOW, QUICK_NAMES) for engine in ENGINES}
    return {engine: one_engine(bed, engine, ROTATIONS, WINDOW, clients.NAMES) for engine in ENGINES}


class Window:
    """Whether it is open."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_over = threading.Event()


class Worker:
    """One client's threads.

    Attributes:
        took: For each connect begun in the window, the seconds it took and whether it was let in.
    """

    def __init__(self, client: clients.Client, window: Window) -> None:
        self._client, self._window = client, window
        self.took: list[tuple[float, bool]] = []
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]

    def _work(self, number: int) -> None:
        self._window.is_over.wait(PAUSE * number / THREADS)  # not all at the same moment
        while not self._window.is_over.is_set():
            self._one()
            self._window.is_over.wait(PAUSE)

    def _one(self) -> None:
        counts, begun, good = self._window.is_open.is_set(), time.perf_counter(), False
        try:
            self._client.connect().close()
            good = True
        except Exception:  # noqa: BLE001  (counted)
            pass
        if counts:
            self.took.append((time.perf_counter() - begun, good))


def one_engine(bed: Bed, engine: str, rotations: int, seconds: float, names: tuple[str, ...]) -> dict[str, Any]:
    """One engine; all clients side by side."""
    app = bed.app(engine)
    found = clients.make(engine, app, names)
    window = Window()
    workers = {name: Worker(client, window) for name, client in found.items()}
    threads = [thread for worker in workers.values() for thread in worker.threads]
    for thread in threads:
        thread.start()
    try:
        for _ in range(rotations):
            rotate(app, window, seconds)
            for client in found.values():
                client.restart()
            time.sleep(1.0)
    finally:
        window.is_over.set()
        for thread in threads:
            thread.join()
    rows = {name: row_of(worker.took) for name, worker in workers.items()}
    return {"rotations": rotations, "seconds": seconds, "clients": rows}


def rotate(app: Application, window: Window, seconds: float) -> None:
    """One single-user rotation, its window open for so long."""
    for done in app.rotator().steps():
        if done.step == "setSecret":
            window.is_open.set()
        elif done.step == "testSecret":
            time.sleep(seconds)
            window.is_open.clear()


def row_of(took: list[tuple[float, bool]]) -> dict[str, Any]:
    """What one client saw."""
    good = [seconds for seconds, let_in in took if let_in]
    return {
        "connects": len(took),
        "failed": len(took) - len(good),
        "share": (len(took) - len(good)) / len(took) if took else 0.0,
        "p50": quantile(good, 0.5),
        "max": max(good, default=0.0),
    }


def criteria(data: dict[str, Any]) -> list[Criterion]:
    found = []
    for engine, row in data.items():
        if clients.OURS in row["clients"]:
            ours = row["clients"][clients.OURS]
            name, says = f"window.{engine}.met", "connects begun in a rotation window"
            met = Criterion(name, says, ours["connects"], 1, "connects", "count", at_least=True, engine=engine)
            name, says = f"window.{engine}.failed", "connects begun in a rotation window that failed"
            found += [met, Criterion(name, says, ours["failed"], 0, "failures", "count", engine=engine)]
    return found


def lines(data: dict[str, Any]) -> list[str]:
    told: list[str] = []
    for engine, row in data.items():
        each = [
            (
                name,
                f"{one['connects']:,}",
                one["failed"],
                f"{number(one['share'] * 100)} %",
                *((milli(one["p50"]), milli(one["max"])) if one["failed"] < one["connects"] else ("-", "-")),
            )
            for name, one in row["clients"].items()
        ]
        head = [
            f"{engine}, {row['rotations']} windows of {row['seconds']:g} s",
            "connects begun in one",
            "failed",
            "share",
            "median of those let in, ms",
            "slowest, ms",
        ]
        told += [*([""] if told else []), *table(head, each)]
    return told
