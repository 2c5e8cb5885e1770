"""(c) The first connect after a rotation, against the sum of its parts.

After each rotation every client connects once, in an order that is drawn anew; in between, the parts are timed one by
one on the same server: a login that is rejected, the two calls to Secrets Manager, a login. The plain driver does not
recover. SecretCache takes seconds (``refresh_secret_now`` sleeps), so it takes part in a few rounds only.
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
PARTS_LIMIT = 1.3
FASTER_LIMIT = 100.0
COMPARED = (clients.CACHE, clients.QUICK, clients.WRAPPER, clients.OURS)
PARTS = ("rejected login", "DescribeSecret", "GetSecretValue", "login")


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    rounds, slow = (6, 1) if quick else (60, 6)
    return {engine: one_engine(bed, engine, rounds, slow) for engine in ENGINES}


def one_engine(bed: Bed, engine: str, rounds: int, slow: int) -> dict[str, Any]:
    """One engine: so many rotations, the slow client in so many of them."""
    app = bed.app(engine)
    found = clients.make(engine, app, COMPARED)
    if clients.OURS not in found:
        return {}
    parts = Parts(engine, app)
    seconds: dict[str, list[float]] = {name: [] for name in [*found, *PARTS]}
    for round_number in range(rounds):
        app.rotator().rotate()
        parts.after_a_rotation()
        timed = dict(parts.calls) | {name: client.connect for name, client in found.items()}
        if round_number % (rounds // slow):
            timed.pop(clients.CACHE)
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
            "DescribeSecret": lambda: client.describe_secret(SecretId=secret_id),
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


def sum_of_parts(row: dict[str, Any]) -> float:
    """Seconds: the medians of a rejected login, of both calls and of a login."""
    return sum(float(row["seconds"][part]["p50"]) for part in PARTS)


def criteria(data: dict[str, Any]) -> list[Criterion]:
    found = []
    for engine, row in data.items():
        if not row:
            continue
        ours = row["seconds"][clients.OURS]["p50"]
        parts, faster = ours / sum_of_parts(row), row["seconds"][clients.CACHE]["p50"] / ours
        name, says = f"recovery.{engine}.parts", "recovery after a rotation, times the sum of its parts"
        found.append(Criterion(name, says, parts, PARTS_LIMIT, "times", engine=engine))
        name, says = f"recovery.{engine}.faster", "recovery after a rotation, times faster than with refresh_secret_now"
        found.append(Criterion(name, says, faster, FASTER_LIMIT, "times", at_least=True, engine=engine))
    return found


def lines(data: dict[str, Any]) -> list[str]:
    told: list[str] = []
    for engine, row in data.items():
        if not row:
            continue
        ours, parts = row["seconds"][clients.OURS]["p50"], sum_of_parts(row)
        head = [f"{engine}: first connect after a rotation", "times", "median, ms", "slowest, ms", "times secretconn's"]
        each = [
            (name, s["count"], milli(s["p50"]), milli(s["max"]), number(s["p50"] / ours))
            for name, s in row["seconds"].items()
        ]
        told += [*([""] if told else []), *table(head, each)]
        told += [
            "",
            f"Sum of the parts (rejected login, both calls, login): {milli(parts)} ms; secretconn takes "
            f"{ours / parts:.2f} times that, and {ours / least(row):.2f} times what no client can go below: a "
            f"rejected login, one GetSecretValue, a login.",
        ]
    return told


def least(row: dict[str, Any]) -> float:
    """Seconds of the parts without DescribeSecret, for a client that only ever asks for AWSCURRENT."""
    return sum_of_parts(row) - float(row["seconds"]["DescribeSecret"]["p50"])
