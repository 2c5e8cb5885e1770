"""Plots of the fleet: calls over time in each phase, and how the busiest second grows. Needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from secretconn.cli.bench.plots import DARK, Theme, axes, buckets, figure, plain, quota
from secretconn.cli.bench.result import QUOTA, Measured
from suite.fleet import FLEET, PHASES, Phase, phase

__all__ = ["over_time", "ways"]

RAMPS = {
    False: ("#7aa0c9", "#5587bd", "#2f6cad", "#14508f", "#06264f"),
    True: ("#4f7fb0", "#5f95cc", "#7fb3ea", "#a9d0f7", "#e3f1ff"),
}
"""From the smallest fleet to the largest, on a light and on a dark page."""

MINUTE = 60
MOST = 60_000
LABELS = {
    "start-up": ("Start-up, rolled out in 60 s", "seconds since the first process started"),
    "TTL": ("TTL of 1 h", "minutes since the start, busiest second of each minute"),
    "rotation": ("Rotation, single-user", "seconds since setSecret"),
}


def over_time(runs: Mapping[int, Measured], theme: Theme, caption: str) -> Any:
    """Draw four panels: the three phases over time, and the growth of their busiest seconds.

    Args:
        runs: Size of the fleet to its run, smallest first.
        theme: For which page.
        caption: The line at the foot.
    """
    under = "every process is simulated; nothing is scaled up"
    made = figure(theme, (10.0, 8.2), "Calls to Secrets Manager by a fleet", under, caption)
    parts = made.subplots(2, 2, sharey=True)
    colours = dict(zip(runs, RAMPS[theme is DARK], strict=False))
    for part, name in zip(parts.flat, PHASES, strict=False):
        _phase(part, runs, name, colours, theme)
    _growth(parts[1][1], runs, theme)
    for part in parts.flat:
        quota(part, theme, MOST // 4)
    lines = parts[0][0].get_lines()[: len(runs)]
    labels = [f"{size:,}" for size in runs]
    shown = made.legend(lines, labels, title="processes", loc="upper right", ncols=len(runs), **_legend(theme))
    shown.get_title().set_color(theme.text)
    shown.get_title().set_fontsize(9)
    shown.set_in_layout(False)  # it stands beside the title, not among the panels
    return made


def ways(rows: Sequence[tuple[str, int]], theme: Theme, processes: int, caption: str) -> Any:
    """Draw bars: the busiest second of one fleet under different settings, against the quota.

    Args:
        rows: What is different, and the calls in the busiest second.
        theme: For which page.
        processes: Size of the fleet.
        caption: The line at the foot.
    """
    size = (10.0, 1.6 + 0.36 * len(rows))
    made = figure(theme, size, f"{processes:,} processes: what helps", "calls in the busiest second", caption)
    part, places = made.subplots(), range(len(rows))
    part.set_xscale("log")
    colours = [theme.alarm if calls > QUOTA else theme.series[0] for _, calls in rows]
    part.barh(places, [max(calls, 1) for _, calls in rows], color=colours, height=0.62)
    for place, (_, calls) in zip(places, rows, strict=True):
        note = {"textcoords": "offset points", "xytext": (5, 0), "va": "center", "fontsize": 9, "color": theme.text}
        over = {"facecolor": theme.background, "edgecolor": "none", "pad": 1.5}  # the quota's line stays behind it
        part.annotate(f"{calls:,}  ({_share(calls)})", (max(calls, 1), place), bbox=over, **note)
    part.set_yticks(list(places), [name for name, _ in rows])
    part.invert_yaxis()
    part.set_xlim(1, max(calls for _, calls in rows) * 40)
    part.axvline(QUOTA, color=theme.alarm, linewidth=1.6, linestyle="--")
    place = part.get_xaxis_transform()
    part.text(QUOTA, 1.01, f"quota: {QUOTA:,}", transform=place, ha="center", fontsize=9, color=theme.alarm)
    axes(part, theme)
    part.grid(visible=False, axis="y")
    part.xaxis.set_major_formatter(plain)
    return made


def _phase(part: Any, runs: Mapping[int, Measured], name: str, colours: Mapping[int, str], theme: Theme) -> None:
    for size, measured in runs.items():
        xs, ys = _curve(phase(name, FLEET, measured), measured)
        gaps = [True, *map(math.isnan, ys), True]
        alone = [place for place in range(len(ys)) if gaps[place] and gaps[place + 2]]  # no line leads there
        part.plot(xs, ys, color=colours[size], linewidth=1.4, marker=".", markersize=4, markevery=alone)
    title, label = LABELS[name]
    part.set_xlabel(label)
    part.set_ylabel("calls a second")
    axes(part, theme, title)


def _curve(one: Phase, measured: Measured) -> tuple[list[float], list[float]]:
    """Return the busiest seconds over the phase's time; nothing is drawn where there was no call."""
    length = one.end - one.begin
    inside = {second - one.begin: calls for second, calls in measured.calls_by_second.items()}
    inside = {second: calls for second, calls in inside.items() if 0 <= second < length}
    width, tops = buckets(inside, length, -(-length // MINUTE) if one.name == "TTL" else length)
    scale, offset = (float(MINUTE), one.begin / MINUTE) if one.name == "TTL" else (1.0, 0.0)
    xs = [(number + 0.5) * width / scale + offset for number in range(len(tops))]
    return xs, [float(top) if top else math.nan for top in tops]


def _growth(part: Any, runs: Mapping[int, Measured], theme: Theme) -> None:
    for name, style, colour in zip(PHASES, ("o-", "s--", "^:"), theme.series, strict=False):
        tops = [phase(name, FLEET, measured).busiest for measured in runs.values()]
        part.plot(list(runs), tops, style, color=colour, markersize=5, linewidth=1.8, label=name)
    part.set_xscale("log")
    part.xaxis.set_major_formatter(plain)
    part.set_xlabel("processes")
    axes(part, theme, "The busiest second of each phase")
    part.legend(**_legend(theme), loc="lower right")


def _legend(theme: Theme) -> dict[str, Any]:
    return {"frameon": False, "labelcolor": theme.text, "fontsize": 9}


def _share(calls: int) -> str:
    share = calls / QUOTA
    return f"{share:.1f} times the quota" if share > 1 else f"{share:.1%} of the quota"
