"""The summary: what is left when the demo is over, as text, and the exit code. Nothing here touches the world."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from secretconn.cli.demo import timeline
from secretconn.cli.demo.board import CELL, OURS, USUAL, Board, Counts, Side
from secretconn.events import Stats

__all__ = ["Result", "comparison", "exit_code", "footnote", "legend", "setting", "summary", "timeline_lines", "verdict"]

INTERRUPTED = 130
LABEL = 13
"""Characters before a timeline's first cell."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a demo.

    Attributes:
        server: The server's name and version.
        seconds: How long the load lasted.
        board: What was seen.
        stats: secretconn's own counters.
        usual_api_calls: API calls of the other side.
        trouble: Why the rotations ended early, if they did.
        interrupted: Whether Ctrl-C ended it.
    """

    server: str
    seconds: float
    board: Board
    stats: Stats
    usual_api_calls: int
    trouble: str | None = None
    interrupted: bool = False


def exit_code(result: Result) -> int:
    """0 when every connect and query through secretconn worked and there were some; 130 where Ctrl-C ended that."""
    ours = result.board.counts(OURS)
    if ours.failed or ours.broken or result.trouble is not None:
        return 1
    if result.interrupted:
        return INTERRUPTED
    return 0 if ours.opened else 1


def summary(result: Result, glyphs: timeline.Glyphs, width: int) -> list[str]:
    """All lines; the verdict last, where the eye is when it is over."""
    return [
        setting(result),
        "",
        *comparison(result.board, result.stats, result.usual_api_calls),
        "",
        *timeline_lines(result.board, glyphs, width, seconds=result.seconds),
        legend(glyphs),
        "",
        *textwrap.wrap(footnote(result.board.counts(USUAL)), width - 1, break_on_hyphens=False),
        *_errors(result, width),
        "",
        verdict(result),
    ]


def verdict(result: Result) -> str:
    """The one line to read."""
    ours, usual = result.board.counts(OURS), result.board.counts(USUAL)
    word = {0: "PASSED", 1: "FAILED"}.get(exit_code(result), "INTERRUPTED")
    broken = f" {ours.broken:,} queries failed." if ours.broken else ""
    return (
        f"{word}: with secretconn {ours.failed:,} of {ours.connects:,} connects failed.{broken} "
        f"Without *: {usual.failed:,} of {usual.connects:,}."
    )


def setting(result: Result) -> str:
    """What was done: server, rotations, time."""
    done = Counter(mark.strategy for mark in result.board.marks if mark.step == "finishSecret")
    kinds = ", ".join(f"{count} {strategy}" for strategy, count in done.items())
    many = f"{done.total()} rotation{'' if done.total() == 1 else 's'}"
    return f"{result.server}, {many} in {result.seconds:.0f} s{f' ({kinds})' if kinds else ''}."


def comparison(board: Board, stats: Stats, usual_api_calls: int) -> list[str]:
    """The table of both sides."""
    ours, usual = board.counts(OURS), board.counts(USUAL)
    rows = [
        ("", "secretconn", "without *"),
        ("connects", f"{ours.connects:,}", f"{usual.connects:,}"),
        ("failed", _share(ours), _share(usual)),
        ("logins rejected", f"{ours.rejected:,}", f"{usual.rejected:,}"),
        ("recovered at once", f"{ours.recovered:,}", f"{usual.recovered:,}"),
        ("calls to Secrets Manager", f"{stats.api_calls:,}", f"{usual_api_calls:,}"),
        ("connect, median (threads)", _ms(ours.median), _ms(usual.median)),
        ("connect, slowest", _ms(ours.slowest), _ms(usual.slowest)),
        ("answered from the cache", f"{stats.hit_rate:.1%}", ""),
    ]
    return [f"  {name:<26}{left:>14}{right:>16}".rstrip() for name, left, right in rows]


def timeline_lines(
    board: Board, glyphs: timeline.Glyphs, width: int, *, seconds: float, newest: bool = False
) -> list[str]:
    """Rotations, both sides, and seconds. All of it, or with ``newest`` what fits at four cells a second."""
    room = max(width - LABEL - 1, 10)
    per = 1 if newest else timeline.span(seconds, room)
    first = max(0, int(seconds / CELL) + 1 - room) if newest else 0

    def side(name: Side) -> str:
        return timeline.cells(board.cells(name), glyphs, first=first, width=room, per=per)

    every = 5.0 if per == 1 else 10.0 * max(1, per // 4)
    until = min(room, int(seconds / CELL / per) + 4 - first)
    return [
        _labelled("rotation", timeline.rotations(board.marks, glyphs, now=seconds, first=first, width=room, per=per)),
        _labelled(OURS, side(OURS)),
        _labelled(f"{USUAL} *", side(USUAL)),
        _labelled("", timeline.axis(glyphs, first=first, width=until, per=per, every=every)),
    ]


def legend(glyphs: timeline.Glyphs) -> str:
    return (
        f"{glyphs.ok} connected  {glyphs.recovered} rejected, then connected  {glyphs.failed} failed  "
        f"{glyphs.window * 2} setSecret-finishSecret"
    )


def footnote(usual: Counts) -> str:
    """What the other side does, and where it failed."""
    text = (
        "* One more worker, without secretconn: the plain driver with the AWSCURRENT login from "
        "aws-secretsmanager-caching. After a failed connect it re-reads the secret at once and tries once more."
    )
    if not usual.failed:
        return f"{text} It did not fail."
    inside = " and ".join(f"{count:,} during {name} rotations" for name, count in usual.failed_in.items() if name)
    outside = usual.failed_in.get("", 0)
    places = " and ".join(filter(None, [inside, f"{outside:,} between rotations" if outside else ""]))
    return f"{text} Its failures: {places}."


def _errors(result: Result, width: int) -> Sequence[str]:
    first, lines = result.board.first_error(OURS), []
    if first is not None:
        lines.append(f"First failure with secretconn: {first}")
    if result.trouble is not None:
        lines.append(f"The rotations ended early: {result.trouble}")
    return [part for line in lines for part in ["", *textwrap.wrap(line, width - 1)]]


def _share(counts: Counts) -> str:
    if not counts.failed:
        return "0"
    return f"{counts.failed:,} ({counts.failed / counts.connects:.0%})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _labelled(name: str, line: str) -> str:
    return f"{name:<{LABEL}}{line}".rstrip()
