"""Known: a row of the tables of findings."""

from __future__ import annotations

from typing import NamedTuple


class Cause(NamedTuple):
    """What a server says, or a driver: its codes (SQLSTATEs, numbers), and a pattern for texts without one."""

    codes: tuple[str | int, ...] = ()
    text: str = ""


class Known(NamedTuple):
    """A problem that is known.

    Attributes:
        problem, advice: Sentence and remedy, with facts in braces.
        codes: Codes of AWS that mean it.
        raised: Exceptions of botocore that mean it, for calls that got no answer.
        postgresql, mysql: What means it at a login.
    """

    problem: str
    advice: str
    codes: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    postgresql: Cause | None = None
    mysql: Cause | None = None
