"""Context: what all steps of one check share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from secretconn._core.environment import Environment
from secretconn.cli.check.journal import Journal
from secretconn.cli.check.options import Options
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials
from secretconn.runtime import Runtime

__all__ = ["STAGES", "Context", "Versions", "utc_now"]

STAGES = (CURRENT, PENDING, PREVIOUS)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Context:
    """What all steps share.

    Attributes:
        options: What is to be checked.
        around: The SECRETCONN_ variables.
        runtime: Clock, environment.
        journal: The steps so far.
        now: The time of day, with a zone.
    """

    options: Options
    around: Environment
    runtime: Runtime
    journal: Journal
    now: Callable[[], datetime] = utc_now


@dataclass(frozen=True, slots=True)
class Versions:
    """The logins that were read.

    Attributes:
        current: The one with AWSCURRENT.
        others: Those of the other stages.
    """

    current: Credentials
    others: tuple[Credentials, ...] = ()

    @property
    def passwords(self) -> list[str]:
        """What no message may hold."""
        return [login.password for login in (self.current, *self.others)]

    def __repr__(self) -> str:
        return f"Versions({self.current.version_id!r} and {len(self.others)} more)"
