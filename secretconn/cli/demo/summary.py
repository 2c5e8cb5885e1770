"""The table of both sides, and the summary at the end with its exit code. Text only."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass

from secretconn.cli.demo.board import OURS, USUAL, Board, Counts
from secretconn.cli.demo.timeline import Glyphs, timeline
from secretconn.events import Stats

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a demo.

    Attributes:
        server: The server's name and version.
        seconds: How long the load lasted.
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
    """Return 0 if every connect and query through secretconn worked and there were some; 130 after Ctrl-C."""
    ours = result.board.counts(OURS)
    if ours.failed or ours.broken or result.trouble is not None:
        return 1
    return INTERRUPTED if result.interrupted else int(not ours.opened)


def summary(result: Result, glyphs: Glyphs, width: int) -> list[str]:
    """Return all lines; the verdict last, where the eye is when it is over."""
    board, first_error = result.board, result.board.counts(OURS).first_error
    done = Counter(mark.strategy for mark in board.marks if mark.step == "finishSecret")
    kinds = ", ".join(f"{count} {strategy}" for strategy, count in done.items())
    many = f"{done.total()} rotation{'' if done.total() == 1 else 's'}"
    troubles = {"First failure with secretconn": first_error, "The rotations ended early": result.trouble}
    notes = [f"{name}: {text}" for name, text in troubles.items() if text is not None]
    return [
        f"{result.server}, {many} in {result.seconds:.0f} s{f' ({kinds})' if kinds else ''}.",
        "",
        *comparison(board, result.stats, result.usual_api_calls, width),
        "",
        *timeline(board, glyphs, width, seconds=result.seconds),
        *legend(glyphs, width),
        "",
        *textwrap.wrap(footnote(board.counts(USUAL)), width - 1, break_on_hyphens=False),
        *(line for note in notes for line in ["", *textwrap.wrap(note, width - 1)]),
        "",
        verdict(result),
    ]


def verdict(result: Result) -> str:
    """Return the one line to read."""
    ours, usual = result.board.counts(OURS), result.board.counts(USUAL)
    word = {0: "PASSED", 1: "FAILED"}.get(exit_code(result), "INTERRUPTED")
    broken = f" {ours.broken:,} queries failed." if ours.broken else ""
    return (
        f"{word}: with secretconn {ours.failed:,} of {ours.connects:,} connects failed.{broken} "
        f"Without *: {usual.failed:,} of {usual.connects:,}."
    )


def comparison(board: Board, stats: Stats, usual_api_calls: int, width: int = 80) -> list[str]:
    """Return the table of both sides."""
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
    column = max(14, min(16, (width - 26) // 2))
    return [f"  {name:<26}{left:>{column - 2}}{right:>{column}}".rstrip() for name, left, right in rows]


def legend(glyphs: Glyphs, width: int) -> list[str]:
    """Return the legend of the timeline, in as many lines as it needs."""
    lines = [""]
    for part in glyphs.legend():
        longer = f"{lines[-1]}  {part}".strip()
        lines[-1:] = [longer] if len(longer) < width else [lines[-1], part]
    return lines


def footnote(usual: Counts) -> str:
    """Return what the other side does, and where it failed."""
    text = (
        "* One more worker, without secretconn: the plain driver with the AWSCURRENT login from "
        "aws-secretsmanager-caching. After a failed connect it re-reads the secret at once and tries once more."
    )
    if not usual.failed:
        return f"{text} It did not fail."
    places = [f"{count:,} during {name} rotations" for name, count in usual.failed_in.items() if name]
    places += [f"{usual.failed_in['']:,} between rotations"] if usual.failed_in[""] else []
    return f"{text} Its failures: {' and '.join(places)}."


def _share(counts: Counts) -> str:
    return f"{counts.failed:,} ({counts.failed / counts.connects:.0%})" if counts.failed else "0"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
