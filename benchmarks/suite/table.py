"""Markdown tables, and how numbers are written in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]


def number(value: float) -> str:
    """Three figures that count, and no more than that: 0.0412, 4.12, 41.2, 412, 4,120."""
    if value != 0 and abs(value) < 0.1:
        return f"{value:.2g}"
    if abs(value) < 10:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"


def micro(seconds: float) -> str:
    return number(seconds * 1e6)


def milli(seconds: float) -> str:
    return number(seconds * 1e3)
