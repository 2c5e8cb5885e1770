"""The timeline: a line of cells for each side, and above them the rotations with their windows. Text only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secretconn.cli.demo.board import CELL, FAILED, OK, RECOVERED, Mark, Outcome

__all__ = ["ASCII", "BLOCKS", "Glyphs", "axis", "cells", "rotations", "span"]


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

    def outcome(self, outcome: Outcome | None) -> str:
        return {OK: self.ok, RECOVERED: self.recovered, FAILED: self.failed}.get(outcome or 0, self.nothing)


ASCII = Glyphs(" ", ".", "r", "X", "-", "=", "|")
BLOCKS = Glyphs(" ", "▁", "▄", "█", "─", "━", "╵")


def span(seconds: float, width: int) -> int:
    """How many cells one character must hold for so many seconds to fit into the width; at least 1."""
    return max(1, math.ceil(seconds / CELL / max(width, 1)))


def cells(seen: Mapping[int, Outcome], glyphs: Glyphs, *, first: int, width: int, per: int = 1) -> str:
    """The cells from number ``first`` on, ``per`` of them in one character, the worst of them shown."""
    shown = []
    for column in range(width):
        begin = first + column * per
        shown.append(glyphs.outcome(max((seen.get(cell, 0) for cell in range(begin, begin + per)), default=0)))
    return "".join(shown).rstrip()


def rotations(marks: Sequence[Mark], glyphs: Glyphs, *, now: float, first: int, width: int, per: int = 1) -> str:
    """Each rotation's number at its begin, a thin line while it lasts, a thick one from setSecret to finishSecret."""
    line = [" "] * width

    def column(at: float) -> int:
        return (int(at / CELL) - first) // per

    for index, mark in enumerate(marks):
        if mark.step == "finishSecret":
            continue
        end = marks[index + 1].at if index + 1 < len(marks) else now
        glyph = glyphs.rotation if mark.step == "createSecret" else glyphs.window
        for place in range(max(column(mark.at), 0), min(column(end) + 1, width)):
            line[place] = glyph
    for mark in marks:
        if mark.step == "createSecret" and 0 <= column(mark.at) <= width - len(str(mark.number)):
            at = column(mark.at)
            line[at : at + len(str(mark.number))] = str(mark.number)
    return "".join(line).rstrip()


def axis(glyphs: Glyphs, *, first: int, width: int, per: int = 1, every: float = 5.0) -> str:
    """The seconds below the cells, one tick in five."""
    line = [" "] * width
    second = math.ceil(first * CELL / every) * every
    while (place := (int(second / CELL) - first) // per) < width:
        label = f"{glyphs.tick}{second:.0f}s"
        if place + len(label) <= width:
            line[place : place + len(label)] = label
        second += every
    return "".join(line).rstrip()
