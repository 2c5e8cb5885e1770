"""The benchmarks' statistics, on numbers of which the answer is known."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from suite.stats import interleaved, interval, quantile, ratio_of_medians, summary, turns


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.99, 5), (1.0, 5)])
def test_quantile(share: float, value: float) -> None:
    assert quantile([5, 1, 4, 2, 3], share) == value


def test_summary_of_some_and_of_none() -> None:
    assert summary([3.0, 1.0, 2.0]) == {"count": 3, "p50": 2.0, "p99": 3.0, "max": 3.0}
    assert summary([]) == {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}


def test_each_has_one_turn_a_round_in_orders_that_differ() -> None:
    names, rounds = ["a", "b", "c"], 50
    drawn = turns(names, rounds)
    orders = [tuple(drawn[at : at + 3]) for at in range(0, len(drawn), 3)]
    assert all(sorted(order) == names for order in orders)
    assert len(set(orders)) == 6  # every order there is
    assert drawn == turns(names, rounds)
    assert drawn != turns(names, rounds, seed=2)


def test_interleaved_calls_each_as_often_as_told() -> None:
    calls: Counter[str] = Counter()
    found = interleaved(
        {"a": lambda: calls.update("a"), "b": lambda: calls.update("b")}, rounds=4, numbers={"a": 3, "b": 5}
    )
    assert calls == {"a": 12, "b": 20}
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 4, "b": 4}
    assert all(seconds > 0 for one in found.values() for seconds in one)


def test_one_slow_outlier_does_not_move_a_ratio_of_medians() -> None:
    assert ratio_of_medians([2.0, 2.0, 900.0], [1.0, 1.0, 1.0]) == 2.0


def noisy(factor: float, spread: float, count: int = 200) -> tuple[list[float], list[float]]:
    """Two series measured in pairs; the first is ``factor`` times the second but for noise, and the machine drifts."""
    draw = random.Random(7)
    drift = [1.0 + number / count for number in range(count)]
    under = [pace * draw.gauss(1.0, spread) for pace in drift]
    return [factor * pace * draw.gauss(1.0, spread) for pace in drift], under


@pytest.mark.parametrize("factor", [1.0, 1.01, 2.0])
def test_the_interval_holds_the_true_ratio(factor: float) -> None:
    low, high = interval(*noisy(factor, 0.02))
    assert low <= factor <= high
    assert high - low < 0.2 * factor


def test_more_noise_makes_the_interval_wider() -> None:
    (quiet_low, quiet_high), (loud_low, loud_high) = interval(*noisy(1.0, 0.01)), interval(*noisy(1.0, 0.2))
    assert quiet_high - quiet_low < loud_high - loud_low


def test_without_noise_there_is_no_doubt() -> None:
    assert interval([3.0] * 10, [2.0] * 10) == (1.5, 1.5)


@pytest.mark.parametrize(("over", "under"), [([], []), ([1.0], [1.0, 2.0])])
def test_series_that_are_no_pairs_are_refused(over: list[float], under: list[float]) -> None:
    with pytest.raises(ValueError, match="two of one length"):
        interval(over, under)
