"""The timeline: a line of cells for each side, and above them the rotations with their windows. Text only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secretconn.cli.demo.board import CELL, FAILED, OK, OURS, RECOVERED, USUAL, Board, Mark

LABEL = 13
"""Characters before a timeline's first cell."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One character for each thing to be seen; all differ, so that no colour is needed to tell them apart."""

    nothing: str
    ok: str
    recovered: str
    failed: str
    rotation: str
    window: str
    tick: str

    def outcome(self, outcome: int | None) -> str:
        return {OK: self.ok, RECOVERED: self.recovered, FAILED: self.failed}.get(outcome or 0, self.nothing)

    def legend(self) -> list[str]:
        """Return the parts of the legend."""
        names = {self.ok: "connected", self.recovered: "rejected, then connected", self.failed: "failed"}
        return [f"{glyph} {name}" for glyph, name in {**names, self.window * 2: "setSecret-finishSecret"}.items()]


ASCII = Glyphs(" ", ".", "r", "X", "-", "=", "|")
BLOCKS = Glyphs(" ", "▁", "▄", "█", "─", "━", "╵")


def timeline(board: Board, glyphs: Glyphs, width: int, *, seconds: float, newest: bool = False) -> list[str]:
    """Return rotations, both sides, and seconds: all of it, or with ``newest`` what fits at four cells a second."""
    room = max(width - LABEL - 1, 10)
    per = 1 if newest else span(seconds, room)
    first = max(0, int(seconds / CELL) + 1 - room) if newest else 0
    every = 5.0 if per == 1 else 10.0 * max(1, per // 4)
    until = min(room, int(seconds / CELL / per) + 4 - first)
    lines = {
        "rotation": rotations(board.marks, glyphs, now=seconds, first=first, width=room, per=per),
        OURS: cells(board.counts(OURS).cells, glyphs, first=first, width=room, per=per),
        f"{USUAL} *": cells(board.counts(USUAL).cells, glyphs, first=first, width=room, per=per),
        "": axis(glyphs, first=first, width=until, per=per, every=every),
    }
    return [f"{name:<{LABEL}}{line}".rstrip() for name, line in lines.items()]


def span(seconds: float, width: int) -> int:
    """Return how many cells one character must hold for so many seconds to fit into the width; at least 1."""
    return max(1, math.ceil(seconds / CELL / max(width, 1)))


def cells(seen: Mapping[int, int], glyphs: Glyphs, *, first: int, width: int, per: int = 1) -> str:
    """Return the cells from number ``first`` on, ``per`` of them in one character, the worst of them shown."""
    begins = range(first, first + width * per, per)
    worst = (max(seen.get(cell, 0) for cell in range(begin, begin + per)) for begin in begins)
    return "".join(map(glyphs.outcome, worst)).rstrip()


def rotations(marks: Sequence[Mark], glyphs: Glyphs, *, now: float, first: int, width: int, per: int = 1) -> str:
    """Return each rotation's number where it begins, a thin line while it lasts, a thick one in its window."""
    line = [" "] * width
    ends = [*(mark.at for mark in marks[1:]), now][: len(marks)]
    columns = [(int(mark.at / CELL) - first) // per for mark in marks]
    for mark, begin, end in zip(marks, columns, ends, strict=True):
        glyph = glyphs.rotation if mark.step == "createSecret" else glyphs.window
        if mark.step != "finishSecret":
            for place in range(max(begin, 0), min((int(end / CELL) - first) // per + 1, width)):
                line[place] = glyph
    for mark, begin in zip(marks, columns, strict=True):
        if mark.step == "createSecret":
            _write(line, begin, str(mark.number))
    return "".join(line).rstrip()


def axis(glyphs: Glyphs, *, first: int, width: int, per: int = 1, every: float = 5.0) -> str:
    """Return the seconds below the cells, one tick in five."""
    line = [" "] * width
    second = math.ceil(first * CELL / every) * every
    while (place := (int(second / CELL) - first) // per) < width:
        _write(line, place, f"{glyphs.tick}{second:.0f}s")
        second += every
    return "".join(line).rstrip()


def _write(line: list[str], place: int, text: str) -> None:
    if 0 <= place <= len(line) - len(text):
        line[place : place + len(text)] = text
