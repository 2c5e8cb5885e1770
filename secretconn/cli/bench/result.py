"""Result: what a run counted, and the figures that follow from it. Nothing here touches the world.

Prices and quota are those of AWS's pages "AWS Secrets Manager Pricing" and "AWS Secrets Manager quotas".
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MONTH", "QUOTA", "Figures", "Measured", "figures"]

QUOTA = 10_000
"""DescribeSecret and GetSecretValue together, requests a second for an account in a region."""

USD_A_CALL = 0.05 / 10_000
USD_A_SECRET = 0.40
"""US dollars, the latter a month."""

MONTH = 30 * 86400.0
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was counted.

    Attributes:
        seconds: How long the workload was played.
        connects: Connects that were begun.
        failed: Connects that raised.
        reads: How often a login was asked for.
        hits: Reads that were answered at once.
        api_calls: DescribeSecret and GetSecretValue calls.
        first_calls: Those of them that were made at the start, for the first answers.
        throttled: Those of them that were refused because of the quota; where a run has one.
        calls_by_second: Second of the run to the calls in it.
        rejected: Logins that were refused, or may have been.
        recovered: Seconds from the first rejection to the open connection, of each connect that had both.
        rotations: Rotations that ended in the run.
        served_by: Second of the run at which the last process had its first answer; simulated runs tell it.
        recovered_by: Second of the run at which the last connect recovered; likewise.
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
    throttled: int = 0
    served_by: float | None = None
    recovered_by: float | None = None
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of a run.

    Attributes:
        connects, failed, misses, api_calls, rejected, rotations: See Measured; misses are reads that were no hits.
        hit_rate: Hits per read, 0 to 1.
        api_calls_a_month: In 30 days that begin with a start and go on like the run after its first answers.
        usd_a_month: What those calls and the secret itself cost.
        busiest_second: The most calls in one second.
        quota_share: The same as a share of the quota; above 1 it would be throttled.
        recovery_median, recovery_longest: Seconds; None where nothing had to recover.
    """

    connects: int
    failed: int
    misses: int
    hit_rate: float
    api_calls: int
    api_calls_a_month: float
    usd_a_month: float
    busiest_second: int
    quota_share: float
    rejected: int
    recovery_median: float | None
    recovery_longest: float | None
    rotations: int


def figures(run: Measured) -> Figures:
    """The figures of a run."""
    a_month = run.first_calls + (run.api_calls - run.first_calls) * MONTH / run.seconds
    busiest = max(run.calls_by_second.values(), default=0)
    return Figures(
        connects=run.connects,
        failed=run.failed,
        misses=run.reads - run.hits,
        hit_rate=run.hits / run.reads if run.reads else 0.0,
        api_calls=run.api_calls,
        api_calls_a_month=a_month,
        usd_a_month=a_month * USD_A_CALL + USD_A_SECRET,
        busiest_second=busiest,
        quota_share=busiest / QUOTA,
        rejected=run.rejected,
        recovery_median=statistics.median(run.recovered) if run.recovered else None,
        recovery_longest=max(run.recovered, default=None),
        rotations=run.rotations,
    )
