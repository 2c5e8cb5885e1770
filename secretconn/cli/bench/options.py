"""Options: the words after ``secretconn bench``, checked before anything is played."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from secretconn.cli.bench.workload import PENDING_PAUSES, Workload
from secretconn.errors import ConfigurationError

__all__ = ["COMPARED", "ENGINE_NAMES", "PLOTS", "Options", "add_arguments", "duration", "options"]

DAY = 86400.0
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}

SIMULATED = {"seconds": 30 * DAY, "processes": 4, "rate": 10.0, "rotate_every": DAY, "window": 10.0}
REAL = {"seconds": 20.0, "processes": 2, "rate": 20.0, "rotate_every": 5.0, "window": 1.0}
"""Defaults of either kind of run."""

MOST_PROCESSES = {False: 100_000, True: 64}
MOST_SECONDS = {False: 3660 * DAY, True: DAY}
MOST_CONNECTS_A_REAL_PROCESS = 2000.0
MOST_COMPARED = 12
"""Limits; those with two values for a simulated run and a real one."""

STRATEGIES = ("single-user", "alternating-users", "none")
STAGES = {"both": ("AWSPENDING", "AWSPREVIOUS"), "none": ()}
ENGINE_NAMES = ("null", "postgresql", "mariadb", "mysql")
PLOTS = (".svg", ".png", ".html")


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for.

    Attributes:
        workload: What is played; where values are compared, what they have in common.
        runs: A label and a workload of each run; one with an empty label where nothing is compared.
        compared: The option whose values are compared, or "".
        real: Run the real code in real time.
        engine: What a real run connects to: "null", "postgresql", "mariadb" or "mysql".
        plot: Where a plot goes.
        dark: Whether it is for a dark page.
        json: Whether to print JSON.
    """

    workload: Workload
    runs: tuple[tuple[str, Workload], ...]
    compared: str
    real: bool
    engine: str
    plot: Path | None
    dark: bool
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add bench's options to a parser."""
    add = partial(parser.add_argument, metavar="TIME")
    flag = partial(parser.add_argument, action="store_true")
    number = partial(parser.add_argument, metavar="N")
    choice = parser.add_argument
    flag("--real", help="run the library in real processes, against a local Secrets Manager, in real time")
    choice(
        "--engine", choices=ENGINE_NAMES, help="with --real: the database (default: null, which only knows passwords)"
    )
    long = parser.add_mutually_exclusive_group()
    long.add_argument("--seconds", type=duration, metavar="TIME", help="how long (default: 30d; with --real 20s)")
    long.add_argument("--days", type=float, metavar="N", help="the same in days")
    crew = parser.add_mutually_exclusive_group()
    crew.add_argument("--threads", type=_whole, metavar="N", help="threads of each process (default: 4)")
    crew.add_argument("--tasks", type=_whole, metavar="N", help="asyncio tasks of each process, instead")
    number("--processes", type=_whole, help="each has its own cache (default: 4; with --real 2)")
    number("--connects-per-second", dest="rate", type=_positive, help="of each process (default: 10; with --real 20)")
    add("--start-over", type=duration, default=1.0, help="time over which the processes start (default: 1s)")
    add("--ttl", type=duration, default=3600.0, help="of the cache (default: 1h)")
    choice("--strategy", choices=STRATEGIES, default="single-user", help="of the rotation (default: single-user)")
    add("--rotate-every", type=duration, help="period of the rotation (default: 1d; with --real 5s)")
    add("--window", type=duration, help="from setSecret to finishSecret (default: 10s; with --real 1s)")
    number("--retries", type=_count, default=1, help="further logins after a rejected one (default: 1)")
    add("--patience", type=_seconds, default=0.0, help="time to go on asking when no login is good (default: 0)")
    choice("--fallback-stages", choices=tuple(STAGES), default="both", help="none: AWSCURRENT alone (default: both)")
    number("--seed", type=_count, default=1, help="of all dice (default: 1)")
    compared = ", ".join(COMPARED)
    choice("--compare", metavar="OPTION=A,B,...", help=f"a run for each value; OPTION is one of {compared}")
    choice("--plot", type=Path, metavar="FILE", help="draw it: a .svg, .png or .html file")
    flag("--dark", help="the plot is for a dark page (an .html file suits both)")
    flag("--json", help="print JSON instead of a table")


def options(arguments: argparse.Namespace) -> Options:
    """What the arguments say.

    Raises:
        ConfigurationError: They contradict each other, or are out of range.
    """
    real = bool(arguments.real)
    if arguments.engine is not None and not real:
        raise ConfigurationError("--engine needs --real; a simulated run has its own database")
    workload = _workload(arguments, REAL if real else SIMULATED)
    compared = ""
    runs: tuple[tuple[str, Workload], ...] = (("", workload),)
    if arguments.compare is not None:
        compared, runs = _compared(arguments.compare, workload)
    for _, one in runs:
        _check(one, real)
    return Options(
        workload, runs, compared, real, arguments.engine or "null", _plot(arguments), arguments.dark, arguments.json
    )


def duration(text: str) -> float:
    """Seconds from "90", "90s", "15m", "6h" or "30d"; more than 0."""
    seconds = _seconds(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a time such as 90, 90s, 15m, 6h or 30d, not {text!r}")
    return float(found[1]) * UNITS[found[2]]


def _workload(arguments: argparse.Namespace, default: Mapping[str, Any]) -> Workload:
    def given(name: str) -> Any:
        value = getattr(arguments, name)
        return default[name] if value is None else value

    seconds = given("seconds") if arguments.days is None else arguments.days * DAY
    return Workload(
        seconds=seconds,
        processes=given("processes"),
        workers=arguments.tasks or arguments.threads or 4,
        tasks=arguments.tasks is not None,
        rate=given("rate"),
        start_over=arguments.start_over,
        ttl=arguments.ttl,
        strategy=arguments.strategy,
        rotate_every=given("rotate_every"),
        window=given("window"),
        retries=arguments.retries,
        patience=arguments.patience,
        fallback_stages=STAGES[arguments.fallback_stages],
        seed=arguments.seed,
    )


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


def _compared(text: str, workload: Workload) -> tuple[str, tuple[tuple[str, Workload], ...]]:
    name, equals, listed = text.partition("=")
    name = name.strip().lstrip("-")
    if not equals or name not in COMPARED:
        raise ConfigurationError(f"--compare {text!r}: write OPTION=A,B,... with one of {', '.join(COMPARED)}")
    values = [value.strip() for value in listed.split(",")]
    if not 1 < len(values) <= MOST_COMPARED or len(set(values)) < len(values):
        raise ConfigurationError(f"--compare {name} needs from 2 to {MOST_COMPARED} different values")
    runs = []
    for value in values:
        try:
            changed = COMPARED[name](value)
        except (argparse.ArgumentTypeError, ValueError) as error:
            raise ConfigurationError(f"--compare {name}: {error}") from None
        runs.append((value, replace(workload, **changed)))
    return name, tuple(runs)


def _plot(arguments: argparse.Namespace) -> Path | None:
    plot: Path | None = arguments.plot
    if plot is None:
        return None
    if plot.suffix not in PLOTS:
        raise ConfigurationError(f"--plot takes a file that ends in {', '.join(PLOTS)}, not {str(plot)!r}")
    if not plot.parent.is_dir():
        raise ConfigurationError(f"--plot: there is no folder {str(plot.parent)!r}")
    return plot


def _whole(text: str) -> int:
    number = _count(text)
    if not 1 <= number <= MOST_PROCESSES[False]:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_PROCESSES[False]:,}")
    return number


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 1_000_000:  # noqa: PLR2004  (a million connects a second)
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


def _choice(choices: Mapping[str, Any] | tuple[str, ...]) -> Callable[[str], Any]:
    def choose(text: str) -> Any:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, not {text!r}")
        return choices[text] if isinstance(choices, Mapping) else text

    return choose


def _as(name: str, parse: Callable[[str], Any]) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: parse(text)}


COMPARED: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "ttl": _as("ttl", duration),
    "processes": _as("processes", _whole),
    "threads": lambda text: {"workers": _whole(text), "tasks": False},
    "tasks": lambda text: {"workers": _whole(text), "tasks": True},
    "connects-per-second": _as("rate", _positive),
    "start-over": _as("start_over", duration),
    "strategy": _as("strategy", _choice(STRATEGIES)),
    "rotate-every": _as("rotate_every", duration),
    "window": _as("window", duration),
    "retries": _as("retries", _count),
    "patience": _as("patience", _seconds),
    "fallback-stages": _as("fallback_stages", _choice(STAGES)),
}
"""Options that can be compared, and what each value changes."""
