"""Options: the words after ``secretconn bench``, checked before anything is played."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from secretconn.cli.arguments import number
from secretconn.cli.bed import ENGINES
from secretconn.cli.bench.workload import PENDING_PAUSES, Workload
from secretconn.errors import ConfigurationError

DAY = 86400.0
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
NULL = "null"
STRATEGIES = {name: name for name in ("single-user", "alternating-users", "none")}
STAGES = {"both": ("AWSPENDING", "AWSPREVIOUS"), "none": ()}
PLOTS = (".svg", ".png", ".html")

SIMULATED = Workload(seconds=30 * DAY)
REAL = Workload(seconds=20.0, processes=2, rate=20.0, rotate_every=5.0, window=1.0)
"""The defaults of either kind of run."""

MOST_PROCESSES = {False: 100_000, True: 64}
MOST_SECONDS = {False: 3660 * DAY, True: DAY}
MOST_CONNECTS_A_REAL_PROCESS = 2000.0
MOST_COMPARED = 12
"""Limits; those with two values for a simulated run and a real one."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    workload: Workload  # where values are compared, what they have in common
    runs: tuple[tuple[str, Workload], ...]  # with the value that is compared, or ""
    compared: str  # an option, or ""
    real: bool
    engine: str
    plot: Path | None
    dark: bool
    json: bool


def seconds(text: str) -> float:
    """Read seconds from "90", "90s", "15m", "6h" or "30d"."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a time such as 90, 90s, 15m, 6h or 30d, not {text!r}")
    return float(match[1]) * UNITS[match[2]]


def duration(text: str) -> float:
    """Read seconds that are more than 0."""
    if seconds(text) == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds(text)


def one_of(choices: Mapping[str, Any], text: str) -> Any:
    """Return the value that is chosen."""
    if text not in choices:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, not {text!r}")
    return choices[text]


class Choice(NamedTuple):
    """An option that changes the workload: its field, argparse type, metavar and help, and what else it changes."""

    field: str
    parse: Callable[[str], Any]
    metavar: str
    help: str
    also: Mapping[str, Any] = {}

    def change(self, value: Any) -> dict[str, Any]:
        return {self.field: value, **self.also}


whole, count = number(int, 1, MOST_PROCESSES[False]), number(int, 0, 999_999_999)
positive = number(float, 0, 1_000_000, above=True)

COMPARED = {
    "ttl": Choice("ttl", duration, "TIME", "of the cache (default: 1h)"),
    "processes": Choice("processes", whole, "N", "each has its own cache (default: 4; with --real 2)"),
    "threads": Choice("workers", whole, "N", "threads of each process (default: 4)", {"tasks": False}),
    "tasks": Choice("workers", whole, "N", "asyncio tasks of each process, instead", {"tasks": True}),
    "connects-per-second": Choice("rate", positive, "N", "of each process (default: 10; with --real 20)"),
    "start-over": Choice("start_over", duration, "TIME", "time over which the processes start (default: 1s)"),
    "strategy": Choice(
        "strategy", partial(one_of, STRATEGIES), "NAME", f"{', '.join(STRATEGIES)} (default: single-user)"
    ),
    "rotate-every": Choice("rotate_every", duration, "TIME", "period of the rotation (default: 1d; with --real 5s)"),
    "window": Choice("window", duration, "TIME", "from setSecret to finishSecret (default: 10s; with --real 1s)"),
    "retries": Choice("retries", count, "N", "further logins after a rejected one (default: 1)"),
    "patience": Choice("patience", seconds, "TIME", "time to go on asking when no login is good (default: 0)"),
    "fallback-stages": Choice("fallback_stages", partial(one_of, STAGES), "NAME", "both, or none for AWSCURRENT alone"),
}
"""The options of the workload that can be compared."""

SEED = Choice("seed", count, "N", "of all random numbers (default: 1)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add bench's options to a parser."""
    add, engines = parser.add_argument, (NULL, *ENGINES)
    add("--real", action="store_true", help="run the library in real processes against a local Secrets Manager")
    add("--engine", choices=engines, help="with --real: the database (default: null, which only knows passwords)")
    length, crew = (parser.add_mutually_exclusive_group() for _ in range(2))
    length.add_argument("--seconds", type=duration, metavar="TIME", help="how long (default: 30d; with --real 20s)")
    length.add_argument("--days", type=float, metavar="N", help="the same in days")
    for name, choice in [*COMPARED.items(), ("seed", SEED)]:
        group = crew if choice.field == "workers" else parser
        group.add_argument(f"--{name}", type=choice.parse, metavar=choice.metavar, help=choice.help)
    what = f"a run for each value; OPTION is one of {', '.join(COMPARED)}"
    add("--compare", metavar="OPTION=A,B,...", help=what)
    add("--plot", type=Path, metavar="FILE", help="draw it: a .svg, .png or .html file")
    add("--dark", action="store_true", help="the plot is for a dark page (an .html file suits both)")
    add("--json", action="store_true", help="print JSON instead of a table")


def options(arguments: argparse.Namespace) -> Options:
    """Return what the arguments say.

    Raises:
        ConfigurationError: They contradict each other, or are out of range.
    """
    real: bool = arguments.real
    if arguments.engine is not None and not real:
        raise ConfigurationError("--engine needs --real; a simulated run has its own database")
    workload = _workload(arguments, REAL if real else SIMULATED)
    compared, runs = ("", [("", workload)]) if arguments.compare is None else _compared(arguments.compare, workload)
    for _, one in runs:
        _check(one, real)
    plot = _plot(arguments.plot)
    return Options(
        workload, tuple(runs), compared, real, arguments.engine or NULL, plot, arguments.dark, arguments.json
    )


def _workload(arguments: argparse.Namespace, default: Workload) -> Workload:
    changes: dict[str, Any] = {"seconds": arguments.seconds or default.seconds}
    if arguments.days is not None:
        changes["seconds"] = arguments.days * DAY
    for name, choice in [*COMPARED.items(), ("seed", SEED)]:
        value = getattr(arguments, name.replace("-", "_"))
        changes |= {} if value is None else choice.change(value)
    return replace(default, **changes)


def _check(workload: Workload, real: bool) -> None:
    kind = "a real run" if real else "a simulated run"
    if not (math.isfinite(workload.seconds) and 1.0 <= workload.seconds <= MOST_SECONDS[real]):
        raise ConfigurationError(f"{kind} lasts from 1 s to {MOST_SECONDS[real] / DAY:g} d")
    if workload.processes > MOST_PROCESSES[real]:
        raise ConfigurationError(f"{kind} has at most {MOST_PROCESSES[real]:,} processes")
    if real and workload.rate > MOST_CONNECTS_A_REAL_PROCESS:
        raise ConfigurationError(f"{kind} does at most {MOST_CONNECTS_A_REAL_PROCESS:g} connects a second and process")
    if workload.start_over > workload.seconds:
        raise ConfigurationError("--start-over must not be longer than the run")
    needed = workload.window * (1 + 1 / PENDING_PAUSES)
    if workload.rotates and workload.rotate_every <= needed:
        raise ConfigurationError(
            f"--rotate-every must be longer than a rotation, which takes {needed:g} s with --window {workload.window:g}"
        )


def _compared(text: str, workload: Workload) -> tuple[str, list[tuple[str, Workload]]]:
    name, equals, listed = text.partition("=")
    name = name.strip().lstrip("-")
    if not equals or name not in COMPARED:
        raise ConfigurationError(f"--compare {text!r}: write OPTION=A,B,... with one of {', '.join(COMPARED)}")
    values = [value.strip() for value in listed.split(",")]
    if not 1 < len(values) <= MOST_COMPARED or len(set(values)) < len(values):
        raise ConfigurationError(f"--compare {name} needs from 2 to {MOST_COMPARED} different values")
    choice = COMPARED[name]
    try:
        return name, [(value, replace(workload, **choice.change(choice.parse(value)))) for value in values]
    except argparse.ArgumentTypeError as error:
        raise ConfigurationError(f"--compare {name}: {error}") from None


def _plot(plot: Path | None) -> Path | None:
    if plot is not None and plot.suffix not in PLOTS:
        raise ConfigurationError(f"--plot takes a file that ends in {', '.join(PLOTS)}, not {str(plot)!r}")
    if plot is not None and not plot.parent.is_dir():
        raise ConfigurationError(f"--plot: there is no folder {str(plot.parent)!r}")
    return plot
