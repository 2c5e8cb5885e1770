"""Report: a run as a table, several as one table, and both as JSON. Nothing here touches the world."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from secretconn.cli.bench.options import Options
from secretconn.cli.bench.result import QUOTA, Figures, Measured, figures
from secretconn.cli.bench.simulated import Times
from secretconn.cli.bench.workload import Workload

__all__ = ["Run", "as_json", "conditions", "seconds_as_text", "title", "written"]

WIDTH = 100
NO_BREAK = "\u00a0"
LABEL = 30


@dataclass(frozen=True, slots=True)
class Run:
    """A workload that was played.

    Attributes:
        label: The value that is compared, or "".
    """

    label: str
    workload: Workload
    measured: Measured

    @property
    def figures(self) -> Figures:
        """Its figures."""
        return figures(self.measured)


def written(options: Options, runs: Sequence[Run]) -> list[str]:
    """All lines."""
    lines = [*_wrapped(title(options)), "", *_table(options.compared, runs), ""]
    for note in [*_failures(runs), *conditions(options)]:
        lines += _wrapped(note)
    return lines


def title(options: Options) -> str:
    """What was played, leaving out what is compared."""
    one, compared = options.workload, options.compared
    kind = f"Real ({options.engine})" if options.real else "Simulated"
    parts = [
        _crew(one, compared),
        "" if compared == "connects-per-second" else f"{one.rate:g} connects a second in each",
        "" if compared == "ttl" else f"TTL {seconds_as_text(one.ttl)}",
        _rotation(one, compared),
        f"retries {one.retries}" if one.retries != 1 and compared != "retries" else "",
        f"patience {seconds_as_text(one.patience)}" if one.patience and compared != "patience" else "",
        "AWSCURRENT alone" if not one.fallback_stages and compared != "fallback-stages" else "",
    ]
    return f"{kind}: {seconds_as_text(one.seconds)}, {', '.join(filter(None, parts))}, seed {one.seed}."


def conditions(options: Options) -> list[str]:
    """What the figures rest on."""
    price = (
        f"Cost: 0.05 USD for 10,000 calls and 0.40 USD a month for the secret; the rotation's own calls are not in it. "
        f"Quota: {QUOTA:,} calls a second."
    )
    if options.real:
        return [f"A month is 30 days that go on like this run after its start. {price}"]
    times = Times()
    least, most = times.read
    return [
        f"Simulated: the library's own decisions on a virtual clock, every process of it; a login takes "
        f"{times.login * 1000:g} ms, a read of the secret {least * 1000:g} to {most * 1000:g} ms. {price}"
    ]


def as_json(options: Options, runs: Sequence[Run]) -> dict[str, Any]:
    """The same for programs; all times are float seconds. Seconds of the run without a call are left out."""
    return {
        "real": options.real,
        "engine": options.engine if options.real else None,
        "compared": options.compared or None,
        "runs": [
            {
                "value": run.label or None,
                "workload": asdict(run.workload),
                "figures": asdict(run.figures),
                "calls_by_second": list(run.measured.calls_by_second.items()),
                "errors": list(run.measured.errors),
            }
            for run in runs
        ],
    }


def seconds_as_text(seconds: float) -> str:
    """Seconds in the unit that a person takes: "30 d", "1 h", "90 s".

    >>> seconds_as_text(86400), seconds_as_text(5400), seconds_as_text(90), seconds_as_text(0.5)
    ('1 d', '90 min', '90 s', '0.5 s')
    """
    for name, unit in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= unit and seconds % unit == 0 and not (name == "min" and seconds < 2 * unit):
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def _wrapped(text: str) -> list[str]:
    """Lines that part no number from its unit."""
    kept = re.sub(r"(?<=\d) (?=(?:d|h|min|s|ms|USD|calls)\b)|(?<=seed) ", NO_BREAK, text)
    lines = textwrap.wrap(kept, WIDTH, break_on_hyphens=False)
    return [line.replace(NO_BREAK, " ") for line in lines]


def _crew(one: Workload, compared: str) -> str:
    if compared == "processes":
        return f"processes of {_workers(one)}"
    many = f"{one.processes:,} process{'' if one.processes == 1 else 'es'}"
    return many if compared in ("threads", "tasks") else f"{many} of {_workers(one)}"


def _rotation(one: Workload, compared: str) -> str:
    if not one.rotates and compared != "strategy":
        return "no rotation"
    kind = "" if compared == "strategy" else f"{one.strategy} "
    every = "" if compared == "rotate-every" else f" every {seconds_as_text(one.rotate_every)}"
    window = "" if compared == "window" else f" with a window of {seconds_as_text(one.window)}"
    return f"{kind}rotation{every}{window}"


def _workers(one: Workload) -> str:
    return f"{one.workers} {'task' if one.tasks else 'thread'}{'' if one.workers == 1 else 's'}"


def _table(compared: str, runs: Sequence[Run]) -> list[str]:
    columns = [[run.label, *(show(run.figures) for _, show in ROWS)] for run in runs]
    names = [compared, *(name for name, _ in ROWS)]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        f"  {name:<{LABEL}}{'   '.join(text.rjust(width) for text, width in zip(row, widths, strict=True))}"
        for name, *row in zip(names, *columns, strict=True)
    ]
    return lines if compared else lines[1:]


def _failures(runs: Sequence[Run]) -> list[str]:
    names = sorted({name for run in runs for name in run.measured.errors})
    return [f"Failed connects raised: {', '.join(names)}."] if names else []


def _hit_rate(one: Figures) -> str:
    """Rounded down: 100% is said only where every read was a hit."""
    if not one.misses:
        return "100%"
    return f"{math.floor(one.hit_rate * 1e7) / 1e5:.5f}%"


def _share(share: float) -> str:
    return f"{share:.2%}" if share < 1 else f"{share:.1f} times the quota"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("connects", lambda one: f"{one.connects:,}"),
    ("failed connects", lambda one: f"{one.failed:,}"),
    ("cache hit rate", _hit_rate),
    ("reads that had to wait", lambda one: f"{one.misses:,}"),
    ("rotations", lambda one: f"{one.rotations:,}"),
    ("rejected logins", lambda one: f"{one.rejected:,}"),
    ("recovery, median", lambda one: _ms(one.recovery_median)),
    ("recovery, longest", lambda one: _ms(one.recovery_longest)),
    ("API calls", lambda one: f"{one.api_calls:,}"),
    ("API calls a month", lambda one: f"{one.api_calls_a_month:,.0f}"),
    ("cost a month", lambda one: f"{one.usd_a_month:,.2f} USD"),
    ("API calls, busiest second", lambda one: f"{one.busiest_second:,}"),
    ("its share of the quota", lambda one: _share(one.quota_share)),
)
