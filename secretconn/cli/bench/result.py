"""What a run counted, and the figures that follow from it. No effects.

Prices and quota are those of AWS's pages "AWS Secrets Manager Pricing" and "AWS Secrets Manager quotas".
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

QUOTA = 10_000
"""DescribeSecret and GetSecretValue together, requests a second for an account in a region."""

USD_A_CALL = 0.05 / 10_000
USD_A_SECRET = 0.40
"""US dollars, the latter a month."""

MONTH = 30 * 86400.0
"""Seconds."""

FIGURES = (
    *("connects", "failed", "misses", "hit_rate", "api_calls", "api_calls_a_month", "usd_a_month", "busiest_second"),
    *("quota_share", "rejected", "recovery_median", "recovery_longest", "rotations"),
)
"""What JSON tells of a run."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A run of some seconds.

    Attributes:
        failed: Connects that raised.
        hits: Reads of the login that had it at once.
        first_calls: API calls for the first logins.
        calls_by_second: Second of the run to the API calls in it.
        rejected: Logins that were refused, or may have been.
        recovered: Seconds from the first rejection to the open connection, of each connect that had both.
        errors: The types of what failed connects raised, where a run has real ones.
    """

    seconds: float
    connects: int
    failed: int
    reads: int
    hits: int
    api_calls: int
    first_calls: int
    calls_by_second: Mapping[int, int]
    rejected: int
    recovered: tuple[float, ...]
    rotations: int
    errors: tuple[str, ...] = ()

    @property
    def misses(self) -> int:
        return self.reads - self.hits

    @property
    def hit_rate(self) -> float:
        return self.hits / self.reads if self.reads else 0.0

    @property
    def api_calls_a_month(self) -> float:
        """Calls in 30 days that begin with a start and go on like the run after its first logins."""
        return self.first_calls + (self.api_calls - self.first_calls) * MONTH / self.seconds

    @property
    def usd_a_month(self) -> float:
        return self.api_calls_a_month * USD_A_CALL + USD_A_SECRET

    @property
    def busiest_second(self) -> int:
        return max(self.calls_by_second.values(), default=0)

    @property
    def quota_share(self) -> float:
        """The busiest second as a share of the quota; above 1 it would be throttled."""
        return self.busiest_second / QUOTA

    @property
    def recovery_median(self) -> float | None:
        return statistics.median(self.recovered) if self.recovered else None

    @property
    def recovery_longest(self) -> float | None:
        return max(self.recovered, default=None)

    def figures(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {name: getattr(self, name) for name in FIGURES}
