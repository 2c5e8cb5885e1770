"""A row of the table of findings."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Row"]


class Row(NamedTuple):
    """The sentence, the remedy, and whether it is only a warning; facts stand in braces."""

    problem: str
    advice: str
    warning: bool = False
