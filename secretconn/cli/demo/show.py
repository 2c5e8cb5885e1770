"""Show: the demo with rich, as a panel on a terminal, or line by line in logs, pipes and with ``--plain``."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from secretconn.cli.demo.board import OURS, USUAL, Mark, Side
from secretconn.cli.demo.rotations import STEPS, meaning
from secretconn.cli.demo.summary import Run, comparison, legend
from secretconn.cli.demo.timeline import ASCII, BLOCKS, Glyphs, timeline

if TYPE_CHECKING:
    from rich.console import Console

STYLES = (
    (r"(?m)^rotation  .*$", "magenta"),
    (r"━━(?= setSecret)", "magenta"),
    (r"(?m)^rotation \d+/\d+, [a-z-]+", "bold"),
    (r"▸ \w+", "bold cyan"),
    (r"(?m)^ {28,}secretconn .*", "bold"),
    (r"(?m)^  failed +0\b", "bold green"),
    (r"[\d,]+ \(\d+%\)", "bold red"),
    (r"(?m)^\* .*", "dim"),
    (r"^(?:PASSED|INTERRUPTED).*", "bold green"),
    (r"^FAILED.*", "bold red"),
    (BLOCKS.ok, "green"),
    (BLOCKS.recovered, "yellow"),
    (BLOCKS.failed, "red"),
)
"""Colours for words and glyphs. They only repeat what the text says."""

MARGIN = 4  # the panel's border and padding
WIDEST = 110
CTRL_C = 2  # characters that a terminal writes for it; in the last column they would move the panel by a line
COLUMNS = "{:>7}  {:<36}  {:>8} {:>10} {:>6}  {:>10} {:>6}"
HEADING = (
    f"{'with secretconn':>73}  {'without *':>17}",
    COLUMNS.format("time", "rotation and step", "connects", "recovered", "failed", "connects", "failed"),
)


class Show:
    """Shows the demo: with ``live`` in a panel that is drawn anew, else in lines with no control codes."""

    def __init__(self, console: Console, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._live, self._clock = console, live, clock
        self.glyphs = BLOCKS if live and console.encoding.replace("-", "") == "utf8" else ASCII

    @property
    def width(self) -> int:
        return min(self._console.width, WIDEST)

    @contextmanager
    def starting(self, what: str) -> Iterator[Callable[[str], None]]:
        """Say what is starting; what this yields is told how that ended."""
        begun, ended = self._clock(), ""

        def end(how: str) -> None:
            nonlocal ended
            ended = how

        if self._live:
            with self._console.status(f"starting {what}"):
                yield end
            self._write(f"✓ {ended} ({self._clock() - begun:.1f} s)")
        else:
            self._write(f"Starting {what} ...")
            yield end
            self._write(f"  {ended}, after {self._clock() - begun:.1f} s")

    def watching(self, run: Run) -> AbstractContextManager[Callable[[], None]]:
        """Show the run; what this yields is called for each new picture."""
        return self._panel(run) if self._live else self._rows(run)

    def end(self, lines: Sequence[str]) -> None:
        """Show the summary, whose last line is the verdict."""
        self._write("")
        for line in lines:
            self._write(line)

    def _write(self, text: str) -> None:
        self._console.print(_coloured(text), soft_wrap=not self._live)

    @contextmanager
    def _panel(self, run: Run) -> Iterator[Callable[[], None]]:
        from rich.live import Live

        with Live(self._picture(run), console=self._console, auto_refresh=False, transient=True) as live:
            yield lambda: live.update(self._picture(run), refresh=True)

    def _picture(self, run: Run) -> Any:
        from rich.panel import Panel

        width = min(self._console.width - CTRL_C, WIDEST)
        text = _coloured("\n".join(body(run, self.glyphs, width - MARGIN, self._console.height - 3)))
        text.no_wrap, text.overflow = True, "crop"
        title = f"[bold]secretconn demo[/] · {run.title}"
        crew = f" · {run.crew}"
        return Panel(text, title=title + (crew if len(title + crew) < width else ""), width=width)

    @contextmanager
    def _rows(self, run: Run) -> Iterator[Callable[[], None]]:
        self._write("")
        self._write(f"{run.crew} for {run.seconds:g} s. Each line: what happened until the next one.")
        for line in HEADING:
            self._write(line)
        written: list[Mark] = []

        def write_new() -> None:
            for mark in run.board.marks[len(written) :]:
                if written:
                    self._write(row(written[-1], mark.rows, run.rotations))
                written.append(mark)

        yield write_new
        write_new()
        if written:
            rows = {side: run.board.counts(side).row for side in (OURS, USUAL)}
            self._write(row(written[-1], rows, run.rotations))


def row(mark: Mark, after: Mapping[Side, tuple[int, int, int]], rotations: int) -> str:
    """Return a step, and what happened from it until the counts after it."""
    ours, (connects, _, failed) = (
        [now - then for now, then in zip(after[side], mark.rows[side], strict=True)] for side in (OURS, USUAL)
    )
    name = f"{mark.number}/{rotations} {mark.strategy:<18} {mark.step}"
    return COLUMNS.format(f"{mark.at:.1f}s", name, *ours, connects, failed)


def body(run: Run, glyphs: Glyphs, width: int, height: int) -> list[str]:
    """Return the panel's lines, as many as fit: the less a line matters, the sooner it is left out."""
    board, (user, version, stage) = run.board, run.board.login
    note = textwrap.wrap("* plain driver with AWSCURRENT, re-read and tried again after a failure", width)
    table = comparison(run, width)
    connected = f"  {'connected as':<26}{user or '...'}, version {version[:8] or '...'}, {stage}"
    lines = [
        *((0, line) for line in _rotation(run, width)),
        (9, ""),
        *zip((0, 0, 0, 0, 0, 0, 6, 7, 5), table, strict=True),
        (4, connected if len(connected) <= width else f"  as {user}, {version[:8]}, {stage}"),
        (9, ""),
        *((0, line) for line in timeline(board, glyphs, width, seconds=board.now, newest=True)),
        *((3, line) for line in legend(glyphs, width)),
        *((8, line) for line in note),
    ]
    while len(lines) > height and max(lines)[0]:
        least = max(matters for matters, _ in lines)
        del lines[max(place for place, (matters, _) in enumerate(lines) if matters == least)]
    return [line for _, line in lines]


def _rotation(run: Run, width: int) -> list[str]:
    """Return which rotation, how far, which step, and what that means."""
    newest = run.board.marks[-1] if run.board.marks else None
    reached, name, means = -1, "before the first", ""
    if newest is not None:
        reached, means = STEPS.index(newest.step), meaning(newest.strategy, newest.step)
        name = f"rotation {newest.number}/{run.rotations}, {newest.strategy}"
    now = min(run.board.now, run.seconds)
    room = max(width - 34 - 9, 5)
    full = round(now / run.seconds * room)
    signs = ("✓" if at < reached else "▸" if at == reached else "·" for at in range(len(STEPS)))
    steps = [f"{sign} {step}" for sign, step in zip(signs, STEPS, strict=True)]
    return [
        f"{name:<33} {'━' * full}{'╌' * (room - full)} {f'{now:.0f}/{run.seconds:.0f} s':>7}",
        ("  " if width > len("  ".join(steps)) else " ").join(steps),
        *(textwrap.wrap(means, width) or [""]),
    ]


def _coloured(text: str) -> Any:
    from rich.text import Text

    shown = Text(text)
    for pattern, style in STYLES:
        shown.highlight_regex(pattern, style)
    return shown
