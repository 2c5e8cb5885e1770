"""(b) What connect() adds: with a driver that does nothing, and on loopback against the driver alone.

On loopback every client connects once a round, in an order that is drawn anew for each round; what is compared are the
medians, with the confidence interval of their ratio. Only the connect is timed, not the close.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import secretconn
from secretconn.testing.memory import MemorySource
from suite import clients, memory_client
from suite.bed import ENGINES, Bed
from suite.stats import interleaved, interval, ratio_of_medians, turns
from suite.table import micro, milli, table
from suite.verdicts import Criterion

TITLE = "Overhead of connect()"
NULL_LIMIT = 2.0
LOOPBACK_LIMIT = 1.01
COMPARED = (clients.PLAIN, clients.CACHE, clients.WRAPPER, clients.OURS)
EVERY = 4
"""The peers take part in every fourth round; the two that the criterion is about in all."""


def null_driver(**_arguments: Any) -> None:
    """A driver's connect that costs nothing."""


null_driver.__module__ = "psycopg"  # so that connect() knows whose arguments it takes


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    found = {engine: loopback(bed, engine, 40 if quick else 3000) for engine in ENGINES}
    return {"null": null(50 if quick else 1000), "loopback": found}


def null(rounds: int) -> dict[str, float]:
    """Seconds a call, each the median of its rounds."""
    credentials = secretconn.RotatingCredentials("s", source=MemorySource(memory_client.LOGIN))
    wrapped = secretconn.wrap(null_driver, credentials)
    calls: dict[str, Callable[[], object]] = {
        "driver": lambda: null_driver(user="a", password="b", host="c", port=1, dbname="d"),
        "wrap": wrapped,
        "connect": lambda: secretconn.connect(credentials, driver=null_driver),
        "wrap, one argument": lambda: wrapped(connect_timeout=5),
    }
    for call in calls.values():
        call()
    seconds = interleaved(calls, rounds, dict.fromkeys(calls, 500))
    return {name: statistics.median(found) for name, found in seconds.items()}


def loopback(bed: Bed, engine: str, rounds: int) -> dict[str, Any]:
    """One engine."""
    found = clients.make(engine, bed.app(engine), COMPARED)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    if clients.OURS not in found:
        return {}
    pair = [clients.PLAIN, clients.OURS]
    for number in range(rounds):
        for name in turns(pair if number % EVERY else list(found), 1, seed=number):
            seconds[name].append(timed(found[name].connect))
    low, high = interval(seconds[clients.OURS], seconds[clients.PLAIN])
    return {
        "median": {name: statistics.median(taken) for name, taken in seconds.items()},
        "connects": {name: len(taken) for name, taken in seconds.items()},
        "ratio": ratio_of_medians(seconds[clients.OURS], seconds[clients.PLAIN]),
        "interval": [low, high],
    }


def timed(connect: Callable[[], Any]) -> float:
    """Seconds that one connect took."""
    begun = time.perf_counter()
    connection = connect()
    taken = time.perf_counter() - begun
    connection.close()
    return taken


def added(data: dict[str, Any], name: str) -> float:
    """Seconds over the driver that does nothing, called with the same arguments."""
    return float(data["null"][name] - data["null"]["driver"])


def criteria(data: dict[str, Any]) -> list[Criterion]:
    says = {"wrap": "a wrapped driver adds, with a null driver", "connect": "connect() adds, with a null driver"}
    found = [Criterion(f"overhead.null.{name}", says[name], added(data, name) * 1e6, NULL_LIMIT, "us") for name in says]
    for engine, row in data["loopback"].items():
        if row:
            told = "connect on loopback, times the plain driver's"
            found.append(Criterion(f"overhead.{engine}", told, row["ratio"], LOOPBACK_LIMIT, "times", engine=engine))
    return found


def lines(data: dict[str, Any]) -> list[str]:
    rows = [(name, micro(seconds), micro(added(data, name))) for name, seconds in data["null"].items()]
    told = table(["null driver", "us a call", "us added"], rows)
    for engine, row in data["loopback"].items():
        if not row:
            continue
        plain = row["median"][clients.PLAIN]
        each = [
            (name, f"{row['connects'][name]:,}", milli(median), f"{median / plain:.3f}")
            for name, median in row["median"].items()
        ]
        low, high = row["interval"]
        told += ["", *table([f"{engine}, loopback", "connects", "median, ms", "times the plain driver"], each)]
        told += ["", f"secretconn's ratio: {row['ratio']:.4f}, 95 % confidence interval {low:.4f} to {high:.4f}."]
    return told
