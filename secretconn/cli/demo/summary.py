"""A run of the demo, the table of both sides, and the summary at the end with its exit code. Text only."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from secretconn.cli.demo.board import OURS, USUAL, Board, Counts
from secretconn.cli.demo.timeline import Glyphs, timeline
from secretconn.events import Stats

INTERRUPTED = 130


@dataclass
class Run:
    """One run of the demo.

    Attributes:
        title: The server's name and version.
        crew: Who connects, in words.
        seconds, rotations: How long, and how many, in all.
        stats: Returns secretconn's own counters.
        usual_api_calls: Returns the API calls of the other side.
        lasted: Seconds, when it is over.
        trouble: Why the rotations ended early, if they did.
        interrupted: Whether Ctrl-C ended it.
    """

    title: str
    crew: str
    seconds: float
    rotations: int
    board: Board
    stats: Callable[[], Stats]
    usual_api_calls: Callable[[], int]
    lasted: float = 0.0
    trouble: str | None = None
    interrupted: bool = False


def exit_code(run: Run) -> int:
    """Return 0 if every connect and query through secretconn worked and there were some; 130 after Ctrl-C."""
    ours = run.board.counts(OURS)
    if ours.failed or ours.broken or run.trouble is not None:
        return 1
    return INTERRUPTED if run.interrupted else int(not ours.opened)


def summary(run: Run, glyphs: Glyphs, width: int) -> list[str]:
    """Return all lines; the verdict last, where the eye is when it is over."""
    done = Counter(mark.strategy for mark in run.board.marks if mark.step == "finishSecret")
    kinds = ", ".join(f"{count} {strategy}" for strategy, count in done.items())
    many = f"{done.total()} rotation{'' if done.total() == 1 else 's'}"
    first_error = run.board.counts(OURS).first_error
    troubles = {"First failure with secretconn": first_error, "The rotations ended early": run.trouble}
    notes = [f"{name}: {text}" for name, text in troubles.items() if text is not None]
    return [
        f"{run.title}, {many} in {run.lasted:.0f} s{f' ({kinds})' if kinds else ''}.",
        "",
        *comparison(run, width),
        "",
        *timeline(run.board, glyphs, width, seconds=run.lasted),
        *legend(glyphs, width),
        "",
        *textwrap.wrap(footnote(run.board.counts(USUAL)), width - 1, break_on_hyphens=False),
        *(line for note in notes for line in ["", *textwrap.wrap(note, width - 1)]),
        "",
        verdict(run),
    ]


def verdict(run: Run) -> str:
    """Return the one line to read."""
    ours, usual = run.board.counts(OURS), run.board.counts(USUAL)
    word = {0: "PASSED", 1: "FAILED"}.get(exit_code(run), "INTERRUPTED")
    broken = f" {ours.broken:,} queries failed." if ours.broken else ""
    return (
        f"{word}: with secretconn {ours.failed:,} of {ours.connects:,} connects failed.{broken} "
        f"Without *: {usual.failed:,} of {usual.connects:,}."
    )


def comparison(run: Run, width: int) -> list[str]:
    """Return the table of both sides."""
    sides = {"secretconn": run.board.counts(OURS), "without *": run.board.counts(USUAL)}
    calls = (run.stats().api_calls, run.usual_api_calls())
    rows = {
        "": [*sides],
        "connects": [f"{side.connects:,}" for side in sides.values()],
        "failed": [_share(side) for side in sides.values()],
        "logins rejected": [f"{side.rejected:,}" for side in sides.values()],
        "recovered at once": [f"{side.recovered:,}" for side in sides.values()],
        "calls to Secrets Manager": [f"{count:,}" for count in calls],
        "connect, median (threads)": [f"{side.median * 1000:.1f} ms" for side in sides.values()],
        "connect, slowest": [f"{side.slowest * 1000:.1f} ms" for side in sides.values()],
        "answered from the cache": [f"{run.stats().hit_rate:.1%}", ""],
    }
    column = max(14, min(16, (width - 26) // 2))
    return [f"  {name:<26}{left:>{column - 2}}{right:>{column}}".rstrip() for name, (left, right) in rows.items()]


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
