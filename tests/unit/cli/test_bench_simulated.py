"""The simulated bench: counting connects changes nothing, the dice are seeded, the figures are what the rules say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretconn.cli.bench.simulated import Times, simulate
from secretconn.cli.bench.workload import Workload

SMALL = Workload(seconds=1200.0, processes=3, workers=2, rate=2.0, ttl=120.0, rotate_every=400.0, window=8.0)

SCENES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "AWSCURRENT alone": {"fallback_stages": ()},
    "alternating-users": {"strategy": "alternating-users"},
    "alternating-users, a TTL longer than two periods": {"strategy": "alternating-users", "ttl": 3000.0},
    "no rotation": {"strategy": "none"},
    "a window longer than a probation": {"window": 45.0},
    "no retry": {"retries": 0},
    "patience": {"patience": 5.0, "fallback_stages": ()},
    "a connect in ten seconds": {"rate": 0.2},
    "many threads": {"workers": 8, "rate": 20.0, "seconds": 500.0, "rotate_every": 200.0},
    "a TTL of a second": {"ttl": 1.0, "seconds": 300.0, "rotate_every": 100.0},
}


@pytest.mark.parametrize("name", SCENES)
def test_counting_quiet_connects_gives_what_playing_each_one_gives(name: str) -> None:
    workload = replace(SMALL, **SCENES[name])
    thinned, whole = simulate(workload), simulate(workload, thinned=False)
    assert thinned == whole  # every count, every second's calls, every recovery's duration
    assert whole.connects > 500


@given(
    seed=st.integers(0, 2**32),
    ttl=st.floats(0.5, 400.0),
    rate=st.floats(0.05, 10.0),
    window=st.floats(0.5, 60.0),
    workers=st.integers(1, 4),
    strategy=st.sampled_from(["single-user", "alternating-users"]),
    stages=st.sampled_from([(), ("AWSPENDING",), ("AWSPENDING", "AWSPREVIOUS")]),
    read=st.floats(0.001, 3.0),
)
@settings(max_examples=20, deadline=None)
def test_whatever_the_workload(read: float, **changes: Any) -> None:
    changes["fallback_stages"] = changes.pop("stages")
    workload = replace(SMALL, seconds=300.0, rotate_every=100.0, processes=2, **changes)
    times = Times(login=0.02, read=(read, read * 1.5))
    assert simulate(workload, times=times) == simulate(workload, times=times, thinned=False)


def test_a_run_that_is_thinned_plays_few_connects() -> None:
    """A month: 26 million connects in one process, and seconds of computing."""
    measured = simulate(Workload(seconds=30 * 86400.0, processes=1))
    assert 25_900_000 < measured.connects < 25_930_000
    assert measured.failed == 0
    assert measured.rotations == 30
    assert measured.reads - measured.hits == 4  # the first connect of each thread


def test_the_same_seed_gives_the_same_run() -> None:
    assert simulate(SMALL) == simulate(SMALL)
    assert simulate(SMALL) != simulate(replace(SMALL, seed=2))


def test_a_start_costs_one_call_a_process_and_a_rotation_three() -> None:
    """One GetSecretValue; two after the rejection in the window, and one DescribeSecret after the probation."""
    workload = replace(SMALL, ttl=1e6, seconds=500.0)
    measured = simulate(workload)
    assert measured.first_calls == workload.processes
    assert measured.api_calls == (1 + 3) * workload.processes
    assert workload.processes <= measured.rejected <= workload.processes * workload.workers
    assert measured.failed == 0


def test_ttl_refreshes_are_one_call_each_and_come_after_half_to_a_whole_ttl() -> None:
    workload = replace(SMALL, strategy="none", processes=20)
    measured = simulate(workload)
    refreshes = measured.api_calls - measured.first_calls
    assert workload.seconds / workload.ttl - 1 <= refreshes / workload.processes <= 2 * workload.seconds / workload.ttl
    assert min(second for second in measured.calls_by_second if second > 1) >= workload.ttl / 2


def test_with_the_current_stage_alone_connects_fail_in_the_window() -> None:
    measured = simulate(replace(SMALL, fallback_stages=()))
    in_windows = measured.rotations * SMALL.window * SMALL.rate * SMALL.processes
    assert in_windows * 0.8 < measured.failed < in_windows * 1.5  # some within a cool-down after the window


def test_progress_is_told_to_the_end() -> None:
    told: list[float] = []
    simulate(SMALL, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
