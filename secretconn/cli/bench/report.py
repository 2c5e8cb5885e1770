"""Report: a run as a table, several as one table, and both as JSON. No effects."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from secretconn.cli.bench.options import Options
from secretconn.cli.bench.result import QUOTA, Measured
from secretconn.cli.bench.simulated import Times
from secretconn.cli.bench.workload import Workload

WIDTH = 100
NO_BREAK = "\u00a0"


class Run(NamedTuple):
    """A workload that was played; its label is the value that is compared, or ""."""

    label: str
    workload: Workload
    measured: Measured


def written(options: Options, runs: Sequence[Run]) -> list[str]:
    """Return all lines of the report."""
    errors = sorted({name for run in runs for name in run.measured.errors})
    notes = [f"Failed connects raised: {', '.join(errors)}."] if errors else []
    notes.append(_conditions(options))
    table = _table(options.compared, runs)
    return [*_wrapped(title(options)), "", *table, "", *(line for note in notes for line in _wrapped(note))]


def title(options: Options) -> str:
    """Return what was played, without what is compared."""
    one, compared = options.workload, options.compared
    parts = {
        "processes": "" if compared == "processes" else f"{one.processes:,} {_many('process', 'es', one.processes)}",
        "connects-per-second": f"{one.rate:g} connects a second in each",
        "ttl": f"TTL {seconds_as_text(one.ttl)}",
        "rotation": _rotation(one, compared),
        "retries": f"retries {one.retries}" if one.retries != 1 else "",
        "patience": f"patience {seconds_as_text(one.patience)}" if one.patience else "",
        "fallback-stages": "" if one.fallback_stages else "AWSCURRENT alone",
    }
    if compared not in ("threads", "tasks"):
        workers = f"{one.workers} {_many('task' if one.tasks else 'thread', 's', one.workers)}"
        parts["processes"] = f"{parts['processes'] or 'processes'} of {workers}"
    if compared != "processes":
        parts.pop(compared, None)
    kind = f"Real ({options.engine})" if options.real else "Simulated"
    return f"{kind}: {seconds_as_text(one.seconds)}, {', '.join(filter(None, parts.values()))}, seed {one.seed}."


def as_json(options: Options, runs: Sequence[Run]) -> dict[str, Any]:
    """Return the same for programs; times are float seconds. Seconds of the run without a call are left out."""
    return {
        "real": options.real,
        "engine": options.engine if options.real else None,
        "compared": options.compared or None,
        "runs": [
            {
                "value": run.label or None,
                "workload": asdict(run.workload),
                "figures": run.measured.figures(),
                "calls_by_second": list(run.measured.calls_by_second.items()),
                "errors": list(run.measured.errors),
            }
            for run in runs
        ],
    }


def seconds_as_text(seconds: float) -> str:
    """Return seconds in the unit that a person uses.

    >>> seconds_as_text(86400), seconds_as_text(5400), seconds_as_text(90), seconds_as_text(0.5)
    ('1 d', '90 min', '90 s', '0.5 s')
    """
    for name, unit in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= unit and seconds % unit == 0 and not (name == "min" and seconds < 2 * unit):
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def _conditions(options: Options) -> str:
    """Return what the figures rest on."""
    price = (
        f"Cost: 0.05 USD for 10,000 calls and 0.40 USD a month for the secret; the rotation's own calls are not in it. "
        f"Quota: {QUOTA:,} calls a second."
    )
    if options.real:
        return f"A month is 30 days that go on like this run after its start. {price}"
    times = Times()
    login, least, most = (seconds * 1000 for seconds in (times.login, *times.read))
    return (
        f"Simulated: the library's own decisions on a virtual clock, every process of it; a login takes "
        f"{login:g} ms, a read of the secret {least:g} to {most:g} ms. {price}"
    )


def _wrapped(text: str) -> list[str]:
    """Wrap a text without parting a number from its unit."""
    kept = re.sub(r"(?<=\d) (?=(?:d|h|min|s|ms|USD|calls)\b)|(?<=seed) ", NO_BREAK, text)
    return [line.replace(NO_BREAK, " ") for line in textwrap.wrap(kept, WIDTH, break_on_hyphens=False)]


def _many(noun: str, plural: str, count: int) -> str:
    return noun if count == 1 else f"{noun}{plural}"


def _rotation(one: Workload, compared: str) -> str:
    if not one.rotates and compared != "strategy":
        return "no rotation"
    kind = "" if compared == "strategy" else f"{one.strategy} "
    every = "" if compared == "rotate-every" else f" every {seconds_as_text(one.rotate_every)}"
    window = "" if compared == "window" else f" with a window of {seconds_as_text(one.window)}"
    return f"{kind}rotation{every}{window}"


def _table(compared: str, runs: Sequence[Run]) -> list[str]:
    columns = [[run.label, *(show(run.measured) for show in ROWS.values())] for run in runs]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        f"  {name:<30}{'   '.join(text.rjust(width) for text, width in zip(row, widths, strict=True))}"
        for name, *row in zip([compared, *ROWS], *columns, strict=True)
    ]
    return lines if compared else lines[1:]


def _hit_rate(one: Measured) -> str:
    """Round down: 100% is said only where every read was a hit."""
    return f"{math.floor(one.hit_rate * 1e7) / 1e5:.5f}%" if one.misses else "100%"


def _share(share: float) -> str:
    return f"{share:.2%}" if share < 1 else f"{share:.1f} times the quota"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


ROWS: dict[str, Callable[[Measured], str]] = {
    "connects": lambda one: f"{one.connects:,}",
    "failed connects": lambda one: f"{one.failed:,}",
    "cache hit rate": _hit_rate,
    "reads that had to wait": lambda one: f"{one.misses:,}",
    "rotations": lambda one: f"{one.rotations:,}",
    "rejected logins": lambda one: f"{one.rejected:,}",
    "recovery, median": lambda one: _ms(one.recovery_median),
    "recovery, longest": lambda one: _ms(one.recovery_longest),
    "API calls": lambda one: f"{one.api_calls:,}",
    "API calls a month": lambda one: f"{one.api_calls_a_month:,.0f}",
    "cost a month": lambda one: f"{one.usd_a_month:,.2f} USD",
    "API calls, busiest second": lambda one: f"{one.busiest_second:,}",
    "its share of the quota": lambda one: _share(one.quota_share),
}
