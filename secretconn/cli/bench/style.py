"""Style: the colours of plots on a light and on a dark page, and how they are saved.

The colours are told apart by people who confuse red and green, and every series differs in its line or its label too.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

__all__ = ["DARK", "LIGHT", "Theme", "axes", "figure", "heading", "rendered"]

DPI = 144


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one kind of page.

    Attributes:
        series: Lines and bars, in order.
        alarm: What must not be crossed.
    """

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


def figure(theme: Theme, width: float, height: float) -> Any:
    """An empty figure; width and height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=theme.background, layout="constrained")


def heading(made: Any, theme: Theme, text: str, under: str = "") -> None:
    """A figure's title, at the left, and a smaller line under it; the plots get the room below."""
    height = made.get_figheight()
    made.text(0.012, 1 - 0.1 / height, text, ha="left", va="top", fontsize=13, fontweight="bold", color=theme.text)
    made.text(0.012, 1 - 0.38 / height, under, ha="left", va="top", fontsize=9, color=theme.muted)
    made.get_layout_engine().set(rect=(0, 0, 1, 1 - (0.6 if under else 0.38) / height))


def axes(part: Any, theme: Theme, title: str = "") -> None:
    """Bring axes into the theme: no frame, a quiet grid, text that can be read."""
    part.set_facecolor(theme.background)
    for name, spine in part.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(theme.muted)
    part.tick_params(which="both", colors=theme.muted, labelcolor=theme.text, labelsize=9)
    part.grid(visible=True, which="major", color=theme.grid, linewidth=0.8)
    part.set_axisbelow(True)
    for label in (part.xaxis.label, part.yaxis.label):
        label.set_color(theme.text)
        label.set_fontsize(9)
    if title:
        part.set_title(title, loc="left", fontsize=10, fontweight="bold", color=theme.text)


def rendered(made: Any, form: str) -> bytes:
    """The figure as "svg" or "png"; the same figure gives the same SVG."""
    import matplotlib as mpl

    stream = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else None
    with mpl.rc_context({"svg.hashsalt": "secretconn", "svg.fonttype": "path"}):
        made.savefig(stream, format=form, dpi=DPI, facecolor=made.get_facecolor(), metadata=metadata)
    return stream.getvalue()
