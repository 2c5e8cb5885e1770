"""(f) Import time, and memory for 1 to 1,000 secrets.

Import time is the wall clock of whole interpreters, started one after the other in rounds that take turns, less that of
one that imports nothing. Memory is measured in processes of their own (suite/memory_probe.py): what Python allocates
(tracemalloc) and how far the process grows (resident set size).
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from suite import clients
from suite.bed import Bed
from suite.machine import installed
from suite.stats import turns
from suite.table import milli, number, table
from suite.verdicts import Criterion

TITLE = "Import time and memory"
LIMIT = 30.0
NOTHING = "nothing"
FIRST_USE = "secretconn; secretconn.connect"
PROBE = Path(__file__).parent / "suite" / "memory_probe.py"
SIZES, QUICK_SIZES = (1, 10, 100, 1000), (1, 10)
VARIANTS = ("secretconn", "secretconn, default client", "SecretCache")
MOST_DEFAULT_CLIENTS = 100
"""Each is read from the local server, which takes a while; what one costs does not change with their number."""


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    return {"imports": imports(3 if quick else 30), "memory": memory(bed, QUICK_SIZES if quick else SIZES)}


def imports(rounds: int) -> dict[str, dict[str, float]]:
    """Seconds for each statement: median and least of the wall clock, and the median of what the processor did."""
    modules = ["secretconn", "aws_secretsmanager_caching", "boto3"]
    if installed(clients.WRAPPER_PACKAGE) is not None:
        modules.append("aws_advanced_python_wrapper")
    statements = {NOTHING: "pass", **{module: f"import {module}" for module in modules}}
    statements[FIRST_USE] = f"import {FIRST_USE}"  # what the import leaves to the first use
    for statement in statements.values():
        run(statement)  # once untimed: the compiled files are written, the disk's cache is warm
    lives: dict[str, list[tuple[float, float]]] = {name: [] for name in statements}
    for name in turns(statements, rounds):
        lives[name].append(run(statements[name]))
    found = {}
    for name, lived in lives.items():
        wall, processor = zip(*lived, strict=True)
        median = {"median": statistics.median(wall), "processor": statistics.median(processor)}
        found[name] = median | {"least": min(wall)}
    return found


def run(statement: str) -> tuple[float, float]:
    """Seconds of an interpreter's whole life, by the clock and by the processor."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def memory(bed: Bed, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Bytes for each variant and size."""
    rows = []
    for variant in VARIANTS:
        for size in sizes:
            if variant == VARIANTS[1] and size > MOST_DEFAULT_CLIENTS:
                continue
            found = {how: probe(variant, size, how, bed) for how in ("traced", "resident")}
            rows.append({"client": variant, "secrets": size, **found})
    return rows


def probe(variant: str, size: int, how: str, bed: Bed) -> int:
    """Bytes that so many secrets take, in a new process."""
    command = [sys.executable, str(PROBE), variant, str(size), how, bed.secrets.endpoint_url]
    return int(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def over_nothing(data: dict[str, Any], module: str, which: str = "median") -> float:
    """Seconds that an import takes, over an interpreter that imports nothing."""
    return float(data["imports"][module][which] - data["imports"][NOTHING][which])


def criteria(data: dict[str, Any]) -> list[Criterion]:
    says = "import secretconn, over a bare interpreter"
    return [Criterion("footprint.import", says, over_nothing(data, "secretconn") * 1e3, LIMIT, "ms")]


def lines(data: dict[str, Any]) -> list[str]:
    rows = [
        (f"`import {name}`", *(milli(over_nothing(data, name, which)) for which in ("median", "least", "processor")))
        for name in data["imports"]
        if name != NOTHING
    ]
    told = table(["over a bare interpreter", "median, ms", "least, ms", "processor, median, ms"], rows)
    each = [
        (
            row["client"],
            f"{row['secrets']:,}",
            *(number(row[how] / 1024) for how in ("traced", "resident")),
            number(row["traced"] / 1024 / row["secrets"]),
        )
        for row in data["memory"]
    ]
    head = ["memory", "secrets", "allocated by Python, KiB", "growth of the process, KiB", "allocated a secret, KiB"]
    return [*told, "", *table(head, each)]
