"""``secretconn bench``: what the cache does for an application: hit rate, API calls, cost, recovery.

Simulated by default: the library's own decisions on a virtual clock, months in seconds. With ``--real`` the library
itself, in processes that connect in real time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from secretconn.cli.bed import ENGINES, SECRETS_MANAGER, check_installed
from secretconn.cli.bench.options import Options, add_arguments, options
from secretconn.cli.bench.progress import progress
from secretconn.cli.bench.report import Run, as_json, written
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.workload import Workload

__all__ = ["add_parser", "run"]


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
    """Play and report; return the exit code.

    Raises:
        ConfigurationError: Arguments that contradict each other, or something is not installed.
        ServerUnavailable: A server of a real run did not start.
    """
    asked = options(arguments)
    check_installed(_needed(asked), extra="bench")
    runs = []
    for place, (label, workload) in enumerate(asked.runs, 1):
        what = f"{asked.compared} {label} ({place} of {len(asked.runs)})" if label else "bench"
        with progress(what) as tell:
            runs.append(Run(label, workload, _play(asked, workload, tell)))
    if asked.plot is not None:
        from secretconn.cli.bench.plots import draw

        draw(asked, runs, asked.plot)
    print(json.dumps(as_json(asked, runs), indent=1) if asked.json else "\n".join(written(asked, runs)))
    return 0


def _play(asked: Options, workload: Workload, tell: Callable[[float], object]) -> Measured:
    if not asked.real:
        from secretconn.cli.bench.simulated import simulate

        return simulate(workload, progress=tell)
    from secretconn.cli.bench import real

    with real.started(workload, asked.engine, lambda text: print(f"bench: {text}", file=sys.stderr)) as started:
        return real.play(workload, started, tell)


def _needed(asked: Options) -> list[str]:
    real = [*SECRETS_MANAGER, *(ENGINES[asked.engine].modules if asked.engine in ENGINES else ())]
    return [*(real if asked.real else ()), *(["matplotlib"] if asked.plot is not None else ())]
