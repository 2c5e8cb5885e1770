"""``secretconn demo``: rotations on a real database, seen by workers with secretconn and by one without."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from secretconn import RotatingCredentials, aconnect, connect
from secretconn.cli.arguments import number
from secretconn.cli.bed import ENGINES, SECRETS_MANAGER, Bed, Rotations, bed, check_installed
from secretconn.cli.demo.board import USUAL, Board
from secretconn.cli.demo.rotations import Schedule
from secretconn.cli.demo.show import Show
from secretconn.cli.demo.summary import Run, exit_code, summary
from secretconn.cli.demo.workers import Crew, UsualWay

if TYPE_CHECKING:
    from secretconn.testing import Strategy

FRAME = 0.125
"""Seconds between two pictures."""

PLAIN_WIDTH = 100


def add_parser(subparsers: Any) -> None:
    """Add ``demo`` to the commands."""
    parser = subparsers.add_parser(
        "demo",
        help="rotate a secret on a real database while workers connect all the time",
        description="Starts a real database and a local Secrets Manager on this machine, and rotates the secret "
        "single-user and then alternating-users while workers connect and query all the time. "
        "Exit code 1 if a connect through secretconn failed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--engine", choices=tuple(ENGINES), default="postgresql", help="the database")
    add("--seconds", type=number(float, 1, 86400), default=30.0, help="how long the workers connect")
    add("--workers", type=number(int, 1, 200), default=8, help="how many")
    add("--rotations", type=number(int, 1, 1000), default=3, metavar="N", help="of each of the two strategies")
    add("--plain", action="store_true", help="line by line; always so when the output is no terminal")
    parser.set_defaults(run=play)


def play(arguments: argparse.Namespace, *, driver: Callable[..., Any] | None = None) -> int:
    """Play the demo; return the exit code.

    Args:
        arguments: As of ``add_parser``.
        driver: Another connect callable for the threads, in place of the driver's own.

    Raises:
        ConfigurationError, ServerUnavailable: Something is not installed, or a server did not start.
    """
    engine = ENGINES[arguments.engine]
    check_installed([*SECRETS_MANAGER, *engine.modules, "rich"])
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # or warnings would tear the screen
    show = _show(arguments.plain)
    with bed(engine, 2 * arguments.workers + 50, show.starting) as started:
        run = _load(started, arguments, show, driver or engine.driver)
    show.end(summary(run, show.glyphs, show.width))
    return exit_code(run)


def _load(started: Bed, arguments: argparse.Namespace, show: Show, driver: Any) -> Run:
    """Let workers connect and the secret rotate until that is over, or Ctrl-C."""
    application, engine = started.application, ENGINES[arguments.engine]
    credentials = RotatingCredentials(application.secret_id, client=started.secrets.client())
    board = Board()
    credentials.subscribe(board.saw)
    usual = UsualWay(started.secrets.client(), application.secret_id, engine.driver, board)
    schedule, crew = Schedule(arguments.seconds, arguments.rotations), Crew(board)
    tasks = arguments.workers // 2 if engine.async_driver is not None else 0
    threads = arguments.workers - tasks
    run = Run(
        started.title,
        _crew({"thread": threads, "task": tasks}),
        schedule.seconds,
        len(schedule.strategies),
        board,
        credentials.stats,
        lambda: usual.api_calls,
    )
    try:
        for _ in range(threads):
            crew.thread(partial(connect, credentials, driver=driver))
        crew.tasks(partial(aconnect, credentials, driver=engine.async_driver), tasks)
        crew.thread(usual, USUAL)
        with show.watching(run) as update:
            run.trouble = rotate(schedule, application.rotator, board, update)
    except KeyboardInterrupt:
        run.interrupted = True
    finally:
        crew.dismiss()
    run.lasted = board.now
    return run


def rotate(
    schedule: Schedule,
    rotator: Callable[[Strategy], Any],
    board: Board,
    update: Callable[[], object],
    sleep: Callable[[float], object] = time.sleep,
) -> str | None:
    """Rotate, and show what happens, until the time is over; return why that ended early, if it did."""
    rotations, late = Rotations(schedule.times(), schedule.strategies, rotator), 0.0
    while board.now < schedule.seconds + late or rotations.next_at < math.inf:
        due = rotations.next_at
        try:
            for number, strategy, done in rotations.catch_up(due) if board.now >= due + late else ():
                board.step(number, strategy, done.step, done.version_id, done.previous_version_id)
                late = board.now - due  # all that follows is as much later: windows keep their length
        except Exception as error:  # noqa: BLE001  (the summary tells it)
            return f"{type(error).__name__}: {error}"
        update()
        sleep(FRAME)
    return None


def _show(plain: bool) -> Show:
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  (for main(); rich would end the process with 1, which means a failed connect)

    if plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return Show(Terminal(width=PLAIN_WIDTH, force_terminal=False, color_system=None), live=False)
    return Show(Terminal(), live=True)


def _crew(counts: dict[str, int]) -> str:
    parts = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    return f"{' and '.join(parts)} connect"
