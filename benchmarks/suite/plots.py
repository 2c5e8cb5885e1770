"""The plots of the results, as SVG: each for light pages and for dark ones. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secretconn.cli.bench.plots import rendered
from suite import clients
from suite.bed import ENGINE_NAMES
from suite.table import number

THEMES = {
    "light": {"ink": "#1f2328", "faint": "#59636e", "grid": "#d1d9e0"},
    "dark": {"ink": "#e6edf3", "faint": "#9198a1", "grid": "#3d444d"},
}
COLOURS = {  # readable on white and on GitHub's dark grey; told apart by more than red and green
    "light": {
        clients.OURS: "#0969da",
        clients.WRAPPER: "#8250df",
        clients.CACHE: "#bc4c00",
        clients.QUICK: "#d4a72c",
        clients.PLAIN: "#818b98",
    },
    "dark": {
        clients.OURS: "#4493f8",
        clients.WRAPPER: "#ab7df8",
        clients.CACHE: "#f0883e",
        clients.QUICK: "#d4a72c",
        clients.PLAIN: "#818b98",
    },
}
SIZE = (6.4, 3.2)


def draw(result: Mapping[str, Any], out: Path, suffix: str = "svg") -> list[Path]:
    """Write NAME-light and NAME-dark for what was measured. Nothing where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("agg")
    drawn = []
    for name, plot in PLOTS.items():
        data = result["data"].get(name)
        if not data or not all(data.values()):
            continue
        for theme in THEMES:
            drawn.append(out / f"{name}-{theme}.{suffix}")
            with canvas(drawn[-1], theme) as axes:
                plot(axes, data, theme)
    return drawn


@contextmanager
def canvas(path: Path, theme: str) -> Iterator[Any]:
    """Axes on a transparent ground, written to the file at the end; the same data give the same file."""
    import matplotlib.pyplot as plt

    ink, faint, grid = THEMES[theme]["ink"], THEMES[theme]["faint"], THEMES[theme]["grid"]
    style: Any = {
        "font.size": 10.5,
        "text.color": ink,
        "axes.labelcolor": faint,
        "xtick.color": faint,
        "ytick.color": ink,
        "axes.edgecolor": grid,
        "grid.color": grid,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.facecolor": "none",
        "figure.facecolor": "none",
    }
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
        yield axes
        path.write_bytes(rendered(figure, path.suffix[1:]))
        plt.close(figure)


def bars(axes: Any, values: Mapping[str, Mapping[str, float]], theme: str, text: Callable[[float], str]) -> None:
    """Lying bars: for each client one for each engine, with its value at the end, the engine's initial in it."""
    names = [name for name in reversed(clients.NAMES) if any(name in one for one in values.values())]
    height = 0.8 / len(values)
    for nth, (engine, by_client) in enumerate(values.items()):
        for place, name in enumerate(names):
            if name not in by_client:
                continue
            at = place + (len(values) - 1) * height / 2 - nth * height
            axes.barh(at, by_client[name], height * 0.86, color=COLOURS[theme][name], alpha=1.0 if nth == 0 else 0.6)
            said = f"{text(by_client[name])}  {ENGINE_NAMES[engine]}" if len(values) > 1 else text(by_client[name])
            axes.annotate(
                said, (by_client[name], at), (4, 0), textcoords="offset points", va="center", fontsize=8.5,
                color=THEMES[theme]["faint"],
            )  # fmt: skip
    axes.set_yticks(range(len(names)), [name.replace("aws-advanced-", "aws-advanced-\n") for name in names])
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name == clients.OURS else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)


def window(axes: Any, data: Mapping[str, Any], theme: str) -> None:
    shares = {
        engine: {name: row["share"] * 100 for name, row in found["clients"].items()} for engine, found in data.items()
    }
    bars(axes, shares, theme, lambda share: f"{number(share)} %")
    axes.set_xlim(0, 128)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_title("Connects in the rotation window that failed")
    axes.set_xlabel("% of the connects begun in it; less is better")


def recovery(axes: Any, data: Mapping[str, Any], theme: str) -> None:
    times = {
        engine: {name: row["p50"] * 1e3 for name, row in found["seconds"].items() if name in clients.NAMES}
        for engine, found in data.items()
    }
    bars(axes, times, theme, lambda ms: f"{ms:,.0f} ms")
    logarithmic(axes, times)
    axes.set_title("First connect after a rotation")
    axes.set_xlabel("ms, median, logarithmic; less is better")


def reads(axes: Any, data: Mapping[str, Any], theme: str) -> None:
    times = {"": {name: seconds * 1e6 for name, seconds in data["seconds"].items()}}
    bars(axes, times, theme, lambda us: f"{us:.2g} us")
    logarithmic(axes, times)
    axes.set_title("Read of the cached login")
    axes.set_xlabel("us, median, logarithmic; less is better")


def logarithmic(axes: Any, values: Mapping[str, Mapping[str, float]]) -> None:
    """A logarithmic axis in plain numbers, with room for the text at the ends of the bars."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    every = [value for by_client in values.values() for value in by_client.values()]
    axes.set_xscale("log")
    axes.set_xlim(min(every) / 3, max(every) * (max(every) / min(every)) ** 0.42)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def stampede(axes: Any, data: Mapping[str, Any], theme: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    rows = [row for row in data["postgres"] if row["client"] in clients.NAMES and row["client"] != clients.PLAIN]
    sizes = sorted({row["size"] for row in rows})
    for name in (one for one in clients.NAMES if any(row["client"] == one for row in rows)):
        calls = {row["size"]: row["api_calls"] for row in rows if row["client"] == name}
        colour = COLOURS[theme][name]
        style = "o--" if name == clients.WRAPPER else "o-"  # it lies on SecretCache's line, which must show through
        axes.plot(list(calls), list(calls.values()), style, color=colour, linewidth=2, markersize=4.5, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xticks(sizes)
    axes.set_ylim(bottom=1)
    axes.grid(axis="y", linewidth=0.6)
    axes.set_title("Calls to Secrets Manager in a stampede after a rotation")
    axes.set_xlabel("threads that connect at once, PostgreSQL; both axes logarithmic")
    axes.legend(frameon=False, fontsize=9, loc="upper left", handlelength=1.4)


PLOTS: dict[str, Callable[[Any, Mapping[str, Any], str], None]] = {
    "window": window,
    "recovery": recovery,
    "stampede": stampede,
    "reads": reads,
}
