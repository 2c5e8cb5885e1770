"""``secretconn demo``: rotations on a real database, seen by workers with secretconn and by one without."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TextIO

from secretconn._core.api import aconnect, connect
from secretconn._core.rotating import RotatingCredentials
from secretconn.cli.demo.bed import ENGINES, Bed, bed, check_installed
from secretconn.cli.demo.board import USUAL, Board
from secretconn.cli.demo.rotations import Rotations, Schedule
from secretconn.cli.demo.show import Plain, Scene, Show
from secretconn.cli.demo.summary import Result, exit_code, summary
from secretconn.cli.demo.timeline import ASCII, BLOCKS, Glyphs
from secretconn.cli.demo.workers import Crew, UsualWay

__all__ = ["add_parser", "play", "run"]

SECONDS = 30.0
WORKERS = 8
ROTATIONS = 3
MOST_WORKERS = 200
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
    parser.add_argument("--engine", choices=tuple(ENGINES), default="postgresql", help="the database")
    parser.add_argument("--seconds", type=_seconds, default=SECONDS, help="how long the workers connect")
    parser.add_argument("--workers", type=partial(_whole, most=MOST_WORKERS), default=WORKERS, help="how many")
    parser.add_argument(
        "--rotations", type=_whole, default=ROTATIONS, metavar="N", help="of each of the two strategies"
    )
    parser.add_argument("--plain", action="store_true", help="line by line; always so when the output is no terminal")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play the demo; returns its exit code."""
    return play(arguments)


def play(arguments: argparse.Namespace, *, driver: Callable[..., Any] | None = None) -> int:
    """Play the demo.

    Args:
        arguments: As of ``add_parser``.
        driver: Another connect callable for the threads, in place of the driver's own.

    Raises:
        ConfigurationError, ServerUnavailable: Something is not installed, or a server did not start.
    """
    engine = ENGINES[arguments.engine]
    plain = arguments.plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    check_installed([*engine.modules, *([] if plain else ["rich"])])
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # or warnings would tear the screen
    show, width = _show(plain)
    with bed(engine, 2 * arguments.workers + 50, show.starting) as started:
        result = _load(started, arguments, show, driver or engine.driver)
    code = exit_code(result)
    show.end(summary(result, show.glyphs, width), good=code != 1)
    return code


def _load(started: Bed, arguments: argparse.Namespace, show: Show, driver: Any) -> Result:
    """Workers and rotations, until these are over or Ctrl-C."""
    application, engine = started.application, ENGINES[arguments.engine]
    credentials = RotatingCredentials(application.secret_id, client=started.secrets.client())
    board = Board()
    credentials.subscribe(board.saw)
    usual = UsualWay(started.secrets.client(), application.secret_id, engine.driver, board)
    schedule = Schedule(arguments.seconds, arguments.rotations)
    rotations, crew = Rotations(application.rotator, schedule, board), Crew(board)
    tasks = arguments.workers // 2 if engine.async_driver is not None else 0
    threads = arguments.workers - tasks
    scene = Scene(
        started.title,
        _crew(threads, tasks),
        schedule.seconds,
        len(schedule.strategies),
        board,
        lambda: rotations.over,
        credentials.stats,
        lambda: usual.api_calls,
    )
    interrupted = True
    with _ended(rotations, crew), suppress(KeyboardInterrupt):
        for _ in range(threads):
            crew.thread(partial(connect, credentials, driver=driver))
        crew.tasks(partial(aconnect, credentials, driver=engine.async_driver), tasks)
        crew.thread(usual, USUAL)
        rotations.start()
        show.watch(scene)
        interrupted = False
    seconds = board.now
    return Result(started.title, seconds, board, credentials.stats(), usual.api_calls, rotations.trouble, interrupted)


@contextmanager
def _ended(rotations: Rotations, crew: Crew) -> Iterator[None]:
    """Nobody works on when this is left, however it is left."""
    try:
        yield
    finally:
        rotations.end()
        crew.dismiss()


def _show(plain: bool) -> tuple[Show, int]:
    """The way to show it, and how wide."""
    glyphs = _glyphs(sys.stdout)
    if plain:
        return Plain(partial(print, flush=True), ASCII), PLAIN_WIDTH
    from rich.console import Console

    from secretconn.cli.demo.screen import WIDEST, Screen

    console = Console()
    return Screen(console, glyphs), min(console.width, WIDEST)


def _glyphs(stream: TextIO) -> Glyphs:
    return BLOCKS if (stream.encoding or "").lower().replace("-", "") == "utf8" else ASCII


def _crew(threads: int, tasks: int) -> str:
    parts = [
        f"{count} {name}{'' if count == 1 else 's'}" for count, name in ((threads, "thread"), (tasks, "task")) if count
    ]
    return f"{' and '.join(parts)} connect"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1.0 <= seconds <= 24 * 3600.0:
        raise argparse.ArgumentTypeError("must be from 1 to 86400")
    return seconds


def _whole(text: str, most: int = 1000) -> int:
    number = int(text)
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(f"must be from 1 to {most}")
    return number
