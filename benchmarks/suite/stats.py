"""Medians of interleaved runs, quantiles, and how sure a ratio of two medians is. Standard library only."""

from __future__ import annotations

import random
import statistics
import timeit
from collections.abc import Callable, Mapping, Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """What a table says of many durations."""
    return {
        "count": len(seconds),
        "p50": quantile(seconds, 0.5),
        "p99": quantile(seconds, 0.99),
        "max": max(seconds, default=0.0),
    }


def interleaved(
    calls: Mapping[str, Callable[[], object]], rounds: int, numbers: Mapping[str, int], seed: int = 1
) -> dict[str, list[float]]:
    """Seconds a call takes: for each name one figure a round, each the mean of ``numbers[name]`` calls in a row.

    In every round each has its turn, in an order that is drawn anew, so that all of them see the same machine and none
    always follows the same other. Many short rounds are better than a few long ones: a round of a millisecond is rarely
    interrupted, and the median leaves out those that are.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    for name in turns(calls, rounds, seed):
        found[name].append(timeit.timeit(calls[name], number=numbers[name]) / numbers[name])
    return found


def turns(names: Mapping[str, object] | Sequence[str], rounds: int, seed: int = 1) -> list[str]:
    """The names, each once a round, each round in an order of its own; the same seed draws the same orders."""
    draw, order, drawn = random.Random(seed), list(names), []
    for _ in range(rounds):
        draw.shuffle(order)
        drawn += order
    return drawn


def ratio_of_medians(over: Sequence[float], under: Sequence[float]) -> float:
    """How many times ``under`` goes into ``over``, by their medians."""
    return statistics.median(over) / statistics.median(under)


def interval(
    over: Sequence[float], under: Sequence[float], *, share: float = 0.95, resamples: int = 400, seed: int = 1
) -> tuple[float, float]:
    """The bootstrap confidence interval of `ratio_of_medians` for two series that were measured in pairs.

    Whole pairs are drawn again, with replacement: what disturbed the machine disturbed both of a pair.

    Raises:
        ValueError: The series differ in length or are empty.
    """
    if len(over) != len(under) or not over:
        raise ValueError(f"a paired series needs two of one length, not {len(over)} and {len(under)}")
    draw, numbers = random.Random(seed), range(len(over))
    ratios = []
    for _ in range(resamples):
        drawn = draw.choices(numbers, k=len(over))
        ratios.append(ratio_of_medians([over[n] for n in drawn], [under[n] for n in drawn]))
    return quantile(ratios, (1 - share) / 2), quantile(ratios, (1 + share) / 2)
