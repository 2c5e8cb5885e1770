"""Plots of a bench: calls over time for one run, bars for runs that are compared. Needs matplotlib."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

from secretconn.cli.bench.options import Options
from secretconn.cli.bench.report import Run, seconds_as_text, title, written
from secretconn.cli.bench.result import QUOTA, Figures, Measured
from secretconn.cli.bench.style import DARK, LIGHT, Theme, axes, figure, heading, rendered

__all__ = ["buckets", "draw", "page", "plot"]

BARS = 240
"""At most so many bars over time; each is the busiest second in it."""

MOST_MARKS = 60
UNITS = (("days", 86400.0, 3 * 86400.0), ("hours", 3600.0, 3 * 3600.0), ("minutes", 60.0, 300.0), ("seconds", 1.0, 0.0))
"""Of the time axis: its name, its seconds, and from how long a run on it is used."""


def draw(options: Options, runs: Sequence[Run]) -> None:
    """Write the plot that the options ask for."""
    path = options.plot
    if path is None:
        return
    if path.suffix == ".html":
        path.write_text(page(options, runs), encoding="utf-8")
    else:
        made = plot(options, runs, DARK if options.dark else LIGHT)
        path.write_bytes(rendered(made, path.suffix[1:]))


def plot(options: Options, runs: Sequence[Run], theme: Theme) -> Any:
    """A matplotlib Figure."""
    return _bars(options, runs, theme) if options.compared else _over_time(options, runs[0], theme)


def page(options: Options, runs: Sequence[Run]) -> str:
    """A page of its own, with the plot for a light and for a dark screen and the table as text."""
    light, dark = (_as_url(rendered(plot(options, runs, theme), "svg")) for theme in (LIGHT, DARK))
    text = html.escape("\n".join(written(options, runs)))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>secretconn bench</title>
<style>
body {{ margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: {LIGHT.text}; background: {LIGHT.background} }}
img {{ max-width: 100% }}
pre {{ overflow-x: auto }}
@media (prefers-color-scheme: dark) {{ body {{ color: {DARK.text}; background: {DARK.background} }} }}
</style>
<h1>secretconn bench</h1>
<picture>
<source media="(prefers-color-scheme: dark)" srcset="{dark}">
<img alt="A plot of the figures below" src="{light}">
</picture>
<pre>{text}</pre>
</html>
"""


def buckets(calls_by_second: Mapping[int, int], seconds: float, most: int) -> tuple[int, list[int]]:
    """Time in at most so many buckets of whole seconds: how long each is, and the busiest second in each."""
    width = max(1, -(-int(seconds) // most))
    tops = [0] * (int(seconds) // width + 1)
    for second, calls in calls_by_second.items():
        tops[second // width] = max(tops[second // width], calls)
    return width, tops


def _as_url(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _over_time(options: Options, run: Run, theme: Theme) -> Any:
    workload, measured = run.workload, run.measured
    made = figure(theme, 9.0, 4.6)
    heading(made, theme, "Calls to Secrets Manager", _short(run.figures))
    part = made.subplots()
    name, unit, _ = next(one for one in UNITS if workload.seconds >= one[2])
    width, tops = buckets(measured.calls_by_second, workload.seconds, BARS)
    shown = [(number, top) for number, top in enumerate(tops) if top]
    places = [number * width / unit for number, _ in shown]
    part.set_yscale("log")
    part.bar(
        places,
        [top for _, top in shown],
        width / unit,
        align="edge",
        color=theme.series[0],
        linewidth=0.6,
        edgecolor=theme.series[0],
    )
    _rotations(part, workload.rotate_every if workload.rotates else 0.0, workload.seconds, unit, theme)
    _quota(part, measured, theme)
    part.set_xlim(0, workload.seconds / unit)
    part.set_xlabel(f"{name} since the start")
    part.set_ylabel("calls a second" if width == 1 else f"calls in the busiest second of each {seconds_as_text(width)}")
    part.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes(part, theme)
    _caption(made, title(options), theme)
    return made


def _rotations(part: Any, every: float, seconds: float, unit: float, theme: Theme) -> None:
    count = int(seconds // every) if every else 0
    if not 0 < count <= MOST_MARKS:
        return
    for number in range(1, count + 1):
        part.axvline(number * every / unit, color=theme.muted, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0.5)
    label = {"color": theme.muted, "fontsize": 8, "va": "bottom", "ha": "center"}
    part.text(every / unit, 1.01, "rotation", transform=part.get_xaxis_transform(), **label)


def _quota(part: Any, measured: Measured, theme: Theme) -> None:
    busiest = max(measured.calls_by_second.values(), default=1)
    part.set_ylim(0.7, max(QUOTA, busiest) * 4)
    part.axhline(QUOTA, color=theme.alarm, linewidth=1.6, linestyle="--")
    place = part.get_yaxis_transform()
    text = f"quota: {QUOTA:,} a second"
    part.text(0.995, QUOTA * 1.15, text, transform=place, ha="right", va="bottom", fontsize=9, color=theme.alarm)


def _bars(options: Options, runs: Sequence[Run], theme: Theme) -> Any:
    made = figure(theme, 9.0, 2.6 + 0.56 * len(runs))
    heading(made, theme, f"Compared: {options.compared}")
    parts = made.subplots(2, 2, sharey=True)
    figures = [run.figures for run in runs]
    labels = [run.label for run in runs]
    for part, (name, values, texts) in zip(parts.flat, _panels(figures), strict=True):
        places = range(len(runs))
        part.barh(places, values, color=theme.series[0], height=0.62)
        for place, value, text in zip(places, values, texts, strict=True):
            note = {"textcoords": "offset points", "xytext": (4, 0), "va": "center", "fontsize": 9}
            part.annotate(text, (value, place), color=theme.text, **note)
        part.set_yticks(list(places), labels)
        part.set_xlim(0, max([*values, 0.001]) * (1.2 + 0.022 * max(map(len, texts))))
        axes(part, theme, name)
        part.set_xticks([])  # each bar has its number
        part.spines["bottom"].set_visible(False)
        part.grid(visible=False)
    parts[0][0].invert_yaxis()  # all share it
    _caption(made, title(options), theme)
    return made


def _panels(figures: Sequence[Figures]) -> list[tuple[str, list[float], list[str]]]:
    calls = [one.api_calls_a_month for one in figures]
    usd = [one.usd_a_month for one in figures]
    busiest = [float(one.busiest_second) for one in figures]
    rejected = [float(one.rejected) for one in figures]
    shares = [f"{one.busiest_second:,} ({one.quota_share:.2%} of the quota)" for one in figures]
    failed = [f"{one.rejected:,} ({one.failed:,} connects failed)" for one in figures]
    return [
        ("API calls a month", calls, [f"{value:,.0f}" for value in calls]),
        ("cost a month, USD", usd, [f"{value:,.2f}" for value in usd]),
        ("API calls in the busiest second", busiest, shares),
        ("rejected logins", rejected, failed),
    ]


def _short(one: Figures) -> str:
    slowest = "" if one.recovery_longest is None else f", slowest recovery {one.recovery_longest * 1000:.0f} ms"
    return (
        f"{one.connects:,} connects, {one.misses:,} waited, {one.failed:,} failed; {one.rejected:,} logins rejected"
        f"{slowest}; {one.usd_a_month:,.2f} USD a month"
    )


def _caption(made: Any, text: str, theme: Theme) -> None:
    made.supxlabel(text, x=0.012, ha="left", fontsize=8, color=theme.muted)
