"""``secretconn bench``: what the cache does for an application: hit rate, API calls, cost, recovery.

Simulated by default: the library's own decisions on a virtual clock, months in seconds. With ``--real`` the library
itself, in processes that connect in real time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from secretconn.cli.bench.options import Options, add_arguments, options
from secretconn.cli.bench.progress import progress
from secretconn.cli.bench.report import Run, as_json, written
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.workload import Workload
from secretconn.cli.demo.bed import ENGINES, check_installed

__all__ = ["add_parser", "play", "run"]

LOCAL = ("moto", "flask", "flask_cors")
"""What the local Secrets Manager needs."""


def add_parser(subparsers: Any) -> None:
    """Add ``bench`` to the commands."""
    parser = subparsers.add_parser(
        "bench",
        help="cache hit rate, API calls, cost and recovery for a workload of yours",
        description="Plays a workload through the library's own code, on a simulated clock (months in seconds) or, "
        "with --real, in real processes against a local Secrets Manager. TIME is seconds, or a number with s, m, h or "
        "d.",
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play and report; returns the exit code.

    Raises:
        ConfigurationError: Arguments that contradict each other, or something is not installed.
        ServerUnavailable: A server of a real run did not start.
    """
    wanted = options(arguments)
    check_installed(_needed(wanted), extra="bench")
    runs = play(wanted)
    if wanted.plot is not None:
        from secretconn.cli.bench.plots import draw

        draw(wanted, runs)
    if wanted.json:
        print(json.dumps(as_json(wanted, runs), indent=1))
    else:
        print("\n".join(written(wanted, runs)))
    return 0


def play(wanted: Options) -> list[Run]:
    """All runs that were asked for, one after the other."""
    played = []
    with _player(wanted) as playing:
        for number, (label, workload) in enumerate(wanted.runs, 1):
            what = f"{wanted.compared} {label} ({number} of {len(wanted.runs)})" if label else "bench"
            with progress(what) as tell:
                played.append(Run(label, workload, playing(workload, tell)))
    return played


@contextmanager
def _player(wanted: Options) -> Iterator[Callable[[Workload, Callable[[float], object]], Measured]]:
    if not wanted.real:
        from secretconn.cli.bench.simulated import simulate

        yield lambda workload, tell: simulate(workload, progress=tell)
        return
    from secretconn.cli.bench import real

    def play_one(workload: Workload, tell: Callable[[float], object]) -> Measured:
        with real.started(workload, wanted.engine, _tell) as target:
            return real.play(workload, target, tell)

    yield play_one


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _needed(wanted: Options) -> list[str]:
    plots = ["matplotlib"] if wanted.plot is not None else []
    if not wanted.real:
        return plots
    return [*(ENGINES[wanted.engine].modules if wanted.engine in ENGINES else LOCAL), *plots]
