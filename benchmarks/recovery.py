"""(c) The first connect after a rotation, against the sum of its parts.

After each rotation every client connects once, in an order that is drawn anew; in between, the parts are timed one by
one on the same server: a login that is rejected, a call to Secrets Manager, a login. The plain driver does not recover.
SecretCache takes seconds (``refresh_secret_now`` sleeps), so it takes part in a few rounds only. All of it twice: with
calls that this machine answers at once, and with calls of 30 ms, about what one inside a region takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from secretconn.testing import Application
from suite import clients
from suite.bed import ENGINES, Bed
from suite.stats import summary, turns
from suite.table import milli, number, table
from suite.verdicts import Criterion

TITLE = "Recovery after a rotation"
PARTS_LIMIT, DISTANT_PARTS_LIMIT = 1.3, 1.15
FASTER_LIMIT = 100.0
DISTANT = 0.03
"""Seconds that each call takes in the second half."""
COMPARED = (clients.CACHE, clients.QUICK, clients.WRAPPER, clients.OURS)
PARTS = ("rejected login", "GetSecretValue", "login")


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    rounds, slow = (6, 1) if quick else (60, 6)
    return {engine: both_halves(bed, engine, rounds, slow) for engine in ENGINES}


def both_halves(bed: Bed, engine: str, rounds: int, slow: int) -> dict[str, Any]:
    near = one_engine(bed, engine, COMPARED, rounds, slow)
    bed.secrets.delay = DISTANT
    try:
        return near | {"distant": one_engine(bed, engine, COMPARED[2:], rounds, slow)} if near else {}
    finally:
        bed.secrets.delay = 0.0


def one_engine(bed: Bed, engine: str, names: tuple[str, ...], rounds: int, slow: int) -> dict[str, Any]:
    """One engine: so many rotations, the slow client in so many of them."""
    app = bed.app(engine)
    found = clients.make(engine, app, names)
    if clients.OURS not in found:
        return {}
    parts = Parts(engine, app)
    seconds: dict[str, list[float]] = {name: [] for name in [*found, *PARTS]}
    for round_number in range(rounds):
        app.rotator().rotate()
        parts.after_a_rotation()
        timed = dict(parts.calls) | {name: client.connect for name, client in found.items()}
        if round_number % (rounds // slow):
            timed.pop(clients.CACHE, None)
        for name in turns(timed, 1, seed=round_number):
            seconds[name].append(taken_by(timed[name]))
    return {"seconds": {name: summary(taken) for name, taken in seconds.items()}}


class Parts:
    """What a recovery is made of, each to be called by itself."""

    def __init__(self, engine: str, app: Application) -> None:
        self._old = clients.PlainDriver(engine, app)
        self._new = clients.PlainDriver(engine, app)
        client, secret_id = app.secrets.client(), app.secret_id
        self.calls: dict[str, Callable[[], object]] = {
            "rejected login": self._rejected,
            "GetSecretValue": lambda: client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT"),
            "login": lambda: self._new.connect(),  # noqa: PLW0108  (another one after each rotation)
        }

    def after_a_rotation(self) -> None:
        """The login that was good is now the one that is rejected."""
        self._old, self._new = self._new, self._old
        self._new.restart()

    def _rejected(self) -> None:
        try:
            self._old.connect()
        except Exception:  # noqa: BLE001  (each driver has its own)
            return
        raise AssertionError("the password of before the rotation still works")


def taken_by(call: Callable[[], Any]) -> float:
    """Seconds that a call took; a connection is closed afterwards."""
    begun = time.perf_counter()
    answer = call()
    taken = time.perf_counter() - begun
    if hasattr(answer, "close"):
        answer.close()
    return taken


def times_its_parts(row: dict[str, Any]) -> float:
    """The median against the sum of the parts' medians."""
    parts = sum(float(row["seconds"][part]["p50"]) for part in PARTS)
    return float(row["seconds"][clients.OURS]["p50"]) / parts


def criteria(data: dict[str, Any]) -> list[Criterion]:
    return [criterion for engine, row in data.items() if row for criterion in of_one_engine(engine, row)]


def of_one_engine(engine: str, row: dict[str, Any]) -> list[Criterion]:
    what, name = "recovery after a rotation, times", f"recovery.{engine}"
    found = [
        Criterion(f"{name}.parts", f"{what} its parts", times_its_parts(row), PARTS_LIMIT, "times", engine=engine),
        Criterion(
            f"{name}.distant",
            f"{what} its parts, with calls of 30 ms",
            times_its_parts(row["distant"]),
            DISTANT_PARTS_LIMIT,
            "times",
            engine=engine,
        ),
        Criterion(
            f"{name}.faster",
            f"{what} faster than with refresh_secret_now",
            row["seconds"][clients.CACHE]["p50"] / row["seconds"][clients.OURS]["p50"],
            FASTER_LIMIT,
            "times",
            at_least=True,
            engine=engine,
        ),
    ]
    for half, says in ((row, ""), (row["distant"], ", with calls of 30 ms")):
        if clients.WRAPPER in half["seconds"]:
            ours, theirs = (half["seconds"][client]["p50"] for client in (clients.OURS, clients.WRAPPER))
            key = f"{name}.wrapper{'.distant' if says else ''}"
            found.append(
                Criterion(key, f"{what} {clients.WRAPPER}'s{says}", ours / theirs, 1.0, "times", engine=engine)
            )
    return found


def lines(data: dict[str, Any]) -> list[str]:
    told: list[str] = []
    for engine, row in data.items():
        for half, says in ((row, ""), (row.get("distant"), ", calls of 30 ms")):
            if half:
                told += [*([""] if told else []), *lines_of(f"{engine}: first connect after a rotation{says}", half)]
    return told


def lines_of(title: str, row: dict[str, Any]) -> list[str]:
    ours = row["seconds"][clients.OURS]["p50"]
    each = [
        (name, s["count"], milli(s["p50"]), milli(s["max"]), number(s["p50"] / ours))
        for name, s in row["seconds"].items()
    ]
    return [
        *table([title, "times", "median, ms", "slowest, ms", "times secretconn's"], each),
        "",
        f"secretconn takes {times_its_parts(row):.2f} times the sum of the parts: a rejected login, one call, a login.",
    ]
