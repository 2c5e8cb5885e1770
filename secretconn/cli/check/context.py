"""Context: what all steps of one check share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from secretconn._core.environment import Environment
from secretconn.cli.check.journal import Journal
from secretconn.cli.check.options import Options
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.runtime import Runtime

__all__ = ["STAGES", "Context"]

STAGES = (CURRENT, PENDING, PREVIOUS)


def utc_now() -> datetime:
    """Return the time of day, with a zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Context:
    """The options, the SECRETCONN_ variables, clock and environment, the steps so far, and the time of day."""

    options: Options
    around: Environment
    runtime: Runtime
    journal: Journal
    now: Callable[[], datetime] = utc_now
