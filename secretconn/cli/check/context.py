"""Context: what all steps of one check share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from secretconn import Runtime
from secretconn._core.environment import Environment
from secretconn.cli.check.options import Options
from secretconn.cli.check.report import Report


@dataclass(frozen=True, slots=True)
class Context:
    """The options, the SECRETCONN_ variables, clock and environment, the steps so far, and the time of day."""

    options: Options
    around: Environment
    runtime: Runtime
    report: Report
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
