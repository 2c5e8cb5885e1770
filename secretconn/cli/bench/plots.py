"""Plots of a bench: calls over time for one run, bars for runs that are compared. Needs matplotlib.

The colours are told apart by people who confuse red and green, and every series differs in its label too.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from secretconn.cli.bench.options import Options
from secretconn.cli.bench.report import Run, seconds_as_text, title, written
from secretconn.cli.bench.result import QUOTA

BARS = 240
"""At most so many bars over time; each is the busiest second in it."""

MOST_MARKS = 60
UNITS = (("days", 86400.0, 3 * 86400.0), ("hours", 3600.0, 3 * 3600.0), ("minutes", 60.0, 300.0), ("seconds", 1.0, 0.0))
"""Of the time axis: its name, its seconds, and from how long a run on it is used."""


class Theme(NamedTuple):
    """Colours of one kind of page; ``alarm`` is for what must not be crossed."""

    background: str
    text: str
    muted: str
    grid: str
    alarm: str
    series: tuple[str, ...]


LIGHT = Theme(
    "#ffffff", "#1f2328", "#59636e", "#d8dee4", "#c2410c", ("#0b5cad", "#7c3aed", "#0f766e", "#9a6700", "#b4238a")
)
DARK = Theme(
    "#0d1117", "#e6edf3", "#9aa4af", "#30363d", "#ff8f5a", ("#58a6ff", "#c297ff", "#4fd1c5", "#e3b341", "#ff7bc8")
)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>secretconn bench</title>
<style>
body {{ margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: {light.text}; background: {light.background} }}
img {{ max-width: 100% }}
pre {{ overflow-x: auto }}
@media (prefers-color-scheme: dark) {{ body {{ color: {dark.text}; background: {dark.background} }} }}
</style>
<h1>secretconn bench</h1>
<picture>
<source media="(prefers-color-scheme: dark)" srcset="{dark_plot}">
<img alt="A plot of the figures below" src="{light_plot}">
</picture>
<pre>{text}</pre>
</html>
"""


def draw(options: Options, runs: Sequence[Run], path: Path) -> None:
    """Write the plot to a file, whose suffix names the format."""
    if path.suffix == ".html":
        path.write_text(page(options, runs), encoding="utf-8")
    else:
        path.write_bytes(rendered(plot(options, runs, DARK if options.dark else LIGHT), path.suffix[1:]))


def page(options: Options, runs: Sequence[Run]) -> str:
    """Return a page with the plot for a light and for a dark screen, and the table as text."""
    light, dark = (
        f"data:image/svg+xml;base64,{base64.b64encode(rendered(plot(options, runs, theme), 'svg')).decode()}"
        for theme in (LIGHT, DARK)
    )
    text = html.escape("\n".join(written(options, runs)))
    return PAGE.format(light=LIGHT, dark=DARK, light_plot=light, dark_plot=dark, text=text)


def plot(options: Options, runs: Sequence[Run], theme: Theme) -> Any:
    """Return a matplotlib Figure."""
    return _bars(options, runs, theme) if options.compared else _over_time(options, runs[0], theme)


def rendered(made: Any, form: str) -> bytes:
    """Return a figure as "svg" or "png". SVGs are small, hold their text as text, and are the same each time."""
    import matplotlib as mpl

    stream = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type")) if form == "svg" else None
    fonts = ["DejaVu Sans", "Verdana", "Arial"]
    with mpl.rc_context({"svg.hashsalt": "secretconn", "svg.fonttype": "none", "font.sans-serif": fonts}):
        made.savefig(stream, format=form, dpi=144, facecolor=made.get_facecolor(), metadata=nothing)
    if form != "svg":
        return stream.getvalue()
    return re.sub(r'(?<= d=)"[^"]*"', lambda path: _shortened(path[0]), stream.getvalue().decode()).encode()


def _shortened(path: str) -> str:
    """Write a path in one line, and a tenth of a point as the smallest length."""
    return re.sub(r"(\.\d)\d+", r"\1", " ".join(path.split()))


def buckets(calls_by_second: Mapping[int, int], seconds: float, most: int) -> tuple[int, list[int]]:
    """Divide time into at most so many buckets of whole seconds; return their length and the busiest second in each."""
    width = max(1, -(-int(seconds) // most))
    tops = [0] * (int(seconds) // width + 1)
    for second, calls in calls_by_second.items():
        tops[second // width] = max(tops[second // width], calls)
    return width, tops


def figure(theme: Theme, size: tuple[float, float], head: str, under: str, caption: str) -> Any:
    """Return an empty figure of a size in inches, with a title, a smaller line under it, and a caption at the foot."""
    from matplotlib.figure import Figure

    made = Figure(figsize=size, facecolor=theme.background, layout="constrained")
    left = {"ha": "left", "va": "top"}
    made.text(0.012, 1 - 0.1 / size[1], head, fontsize=13, fontweight="bold", color=theme.text, **left)
    made.text(0.012, 1 - 0.38 / size[1], under, fontsize=9, color=theme.muted, **left)
    made.get_layout_engine().set(rect=(0, 0, 1, 1 - (0.6 if under else 0.38) / size[1]))
    made.supxlabel(caption, x=0.012, ha="left", fontsize=8, color=theme.muted)
    return made


def axes(part: Any, theme: Theme, title: str = "") -> None:
    """Bring axes into the theme: no frame, a quiet grid, text that can be read."""
    part.set_facecolor(theme.background)
    for name, spine in part.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(theme.muted)
    part.tick_params(which="both", colors=theme.muted, labelcolor=theme.text, labelsize=9)
    part.grid(visible=True, which="major", color=theme.grid, linewidth=0.8)
    part.set_axisbelow(True)
    part.minorticks_off()
    for label in (part.xaxis.label, part.yaxis.label):
        label.set_color(theme.text)
        label.set_fontsize(9)
    part.set_title(title, loc="left", fontsize=10, fontweight="bold", color=theme.text)


def quota(part: Any, theme: Theme, busiest: int = QUOTA) -> None:
    """Draw the quota as a line across logarithmic axes that reach beyond it."""
    part.set_yscale("log")
    part.set_ylim(0.7, max(QUOTA, busiest) * 4)
    part.yaxis.set_major_formatter(plain)
    part.minorticks_off()
    part.axhline(QUOTA, color=theme.alarm, linewidth=1.6, linestyle="--")
    text, place = f"quota: {QUOTA:,} a second", part.get_yaxis_transform()
    part.text(0.01, QUOTA * 1.15, text, transform=place, ha="left", va="bottom", fontsize=9, color=theme.alarm)


def plain(value: float, _: object = None) -> str:
    """Return a number for an axis."""
    return f"{value:,.0f}"


def _over_time(options: Options, run: Run, theme: Theme) -> Any:
    one, workload = run.measured, run.workload
    slowest = "" if one.recovery_longest is None else f", slowest recovery {one.recovery_longest * 1000:.0f} ms"
    under = (
        f"{one.connects:,} connects, {one.misses:,} waited, {one.failed:,} failed; {one.rejected:,} logins rejected"
        f"{slowest}; {one.usd_a_month:,.2f} USD a month"
    )
    made = figure(theme, (9.0, 4.6), "Calls to Secrets Manager", under, title(options))
    part = made.subplots()
    name, unit, _ = next(row for row in UNITS if workload.seconds >= row[2])
    width, tops = buckets(run.measured.calls_by_second, workload.seconds, BARS)
    edges = [place * width / unit for place in range(len(tops) + 1)]
    part.stairs(tops, edges, baseline=0.1, fill=True, color=theme.series[0])
    count = int(workload.seconds // workload.rotate_every) if workload.rotates else 0
    if 0 < count <= MOST_MARKS:
        times = [number * workload.rotate_every / unit for number in range(1, count + 1)]
        upright = part.get_xaxis_transform()
        part.vlines(times, 0, 1, theme.muted, (0, (1, 2)), transform=upright, linewidth=0.8, zorder=0.5)
        part.text(times[0], 1.01, "rotation", transform=upright, color=theme.muted, fontsize=8, ha="center")
    quota(part, theme, one.busiest_second)
    part.set_xlim(0, workload.seconds / unit)
    part.set_xlabel(f"{name} since the start")
    part.set_ylabel("calls a second" if width == 1 else f"calls in the busiest second of each {seconds_as_text(width)}")
    axes(part, theme)
    return made


def _bars(options: Options, runs: Sequence[Run], theme: Theme) -> Any:
    size = (9.0, 2.6 + 0.56 * len(runs))
    made = figure(theme, size, f"Compared: {options.compared}", "", title(options))
    parts, places = made.subplots(2, 2, sharey=True), range(len(runs))
    for part, (name, (value, text)) in zip(parts.flat, PANELS.items(), strict=True):
        values, texts = ([show(run.measured) for run in runs] for show in (value, text))
        bars = part.barh(places, values, color=theme.series[0], height=0.62)
        part.bar_label(bars, texts, padding=4, fontsize=9, color=theme.text)
        part.set_yticks(list(places), [run.label for run in runs])
        part.set_xlim(0, max([*values, 0.001]) * (1.2 + 0.022 * max(map(len, texts))))
        axes(part, theme, name)
        part.set_xticks([])  # each bar has its number
        part.spines["bottom"].set_visible(False)
        part.grid(visible=False)
    parts[0][0].invert_yaxis()  # all share it
    return made


PANELS: dict[str, tuple[Any, Any]] = {
    "API calls a month": (lambda one: one.api_calls_a_month, lambda one: f"{one.api_calls_a_month:,.0f}"),
    "cost a month, USD": (lambda one: one.usd_a_month, lambda one: f"{one.usd_a_month:,.2f}"),
    "API calls in the busiest second": (
        lambda one: one.busiest_second,
        lambda one: f"{one.busiest_second:,} ({one.quota_share:.2%} of the quota)",
    ),
    "rejected logins": (
        lambda one: one.rejected,
        lambda one: f"{one.rejected:,} ({one.failed:,} connects failed)",
    ),
}
"""Of compared runs: the length of a bar and its text, from the figures."""
