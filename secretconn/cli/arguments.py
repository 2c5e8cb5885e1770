"""Arguments: the kinds of value that the commands' options take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Number = TypeVar("Number", int, float)


def number(kind: type[Number], least: float, most: float, *, above: bool = False) -> Callable[[str], Number]:
    """Return an argparse type for numbers from ``least`` to ``most``.

    Args:
        kind: int for whole numbers, float for any.
        least, most: The bounds.
        above: Whether ``least`` itself is refused.
    """
    what = "a whole number" if kind is int else "a number"
    bounds = f"{'above' if above else 'from'} {least:g} {'and at most' if above else 'to'} {most:,.0f}"

    def parse(text: str) -> Number:
        with suppress(ValueError):
            value = kind(text)
            if least <= value <= most and not (above and value == least):
                return value
        raise argparse.ArgumentTypeError(f"must be {what} {bounds}, not {text!r}")

    return parse
