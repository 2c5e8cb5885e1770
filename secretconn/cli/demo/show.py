"""How the demo is shown: the protocol both ways follow, and the plain way, line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from secretconn.cli.demo.board import OURS, USUAL, Board, Mark
from secretconn.cli.demo.timeline import Glyphs
from secretconn.events import Stats

__all__ = ["Plain", "Scene", "Show", "row"]

POLL = 0.1
"""Seconds between two looks at the board."""

COLUMNS = "{:>7}  {:<36}  {:>8} {:>10} {:>6}  {:>10} {:>6}"
HEADING = (
    f"{'with secretconn':>73}  {'without *':>17}",
    COLUMNS.format("time", "rotation and step", "connects", "recovered", "failed", "connects", "failed"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is shown while the load runs.

    Attributes:
        title: The server's name and version.
        crew: Who connects, in words.
        seconds: How long it takes.
        rotations: How many there will be.
        over: Whether it is over.
        stats: secretconn's own counters.
        usual_api_calls: API calls of the other side.
    """

    title: str
    crew: str
    seconds: float
    rotations: int
    board: Board
    over: Callable[[], bool]
    stats: Callable[[], Stats]
    usual_api_calls: Callable[[], int]


class Show(Protocol):
    """A way to show the demo."""

    glyphs: Glyphs

    def starting(self, what: str) -> Callable[[str], None]:
        """Say what is starting. Call what this returns with how it ended."""

    def watch(self, scene: Scene) -> None:
        """Show what happens until it is over."""

    def end(self, lines: Sequence[str], *, good: bool) -> None:
        """Show the summary, whose last line is the verdict."""


class Plain:
    """Line by line, with no colours and no control codes; for logs and pipes.

    Args:
        write: Takes one line.
        glyphs: The characters of the timeline.
        clock, sleep: Of the time module; a test may hand in its own.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        glyphs: Glyphs,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._write, self.glyphs, self._clock, self._sleep = write, glyphs, clock, sleep

    def starting(self, what: str) -> Callable[[str], None]:
        self._write(f"Starting {what} ...")
        begun = self._clock()

        def done(how: str) -> None:
            self._write(f"  {how}, after {self._clock() - begun:.1f} s")

        return done

    def watch(self, scene: Scene) -> None:
        self._write("")
        self._write(f"{scene.crew} for {scene.seconds:g} s. Each line: what happened until the next one.")
        for line in HEADING:
            self._write(line)
        written: list[Mark] = []
        while not scene.over():
            self._write_new(scene, written)
            self._sleep(POLL)
        self._write_new(scene, written)
        self._write_last(scene, written)
        self._write("")

    def end(self, lines: Sequence[str], *, good: bool) -> None:  # noqa: ARG002  (the verdict says it)
        for line in lines:
            self._write(line)

    def _write_new(self, scene: Scene, written: list[Mark]) -> None:
        for mark in scene.board.marks[len(written) :]:
            if written:
                self._write(row(written[-1], mark, scene.rotations))
            written.append(mark)

    def _write_last(self, scene: Scene, written: list[Mark]) -> None:
        if written:
            last = written[-1]
            counts = {side: scene.board.counts(side) for side in (OURS, USUAL)}
            self._write(
                row(last, Mark(scene.board.now, last.number, last.strategy, last.step, counts), scene.rotations)
            )


def row(mark: Mark, following: Mark, rotations: int) -> str:
    """A step, and what happened from it to the following one."""
    ours = following.counts[OURS].since(mark.counts[OURS])
    usual = following.counts[USUAL].since(mark.counts[USUAL])
    name = f"{mark.number}/{rotations} {mark.strategy:<18} {mark.step}"
    return COLUMNS.format(
        f"{mark.at:.1f}s", name, ours.connects, ours.recovered, ours.failed, usual.connects, usual.failed
    )
