"""The real bench, and the simulated one held to it: the same small fleet in real processes and on the virtual clock.

Real processes share this machine with other tests, so counts that hang on the moment have room; those that follow from
the rules have none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from secretconn.cli.bench.real import play, started
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.simulated import simulate
from secretconn.cli.bench.workload import Workload

FLEET = Workload(
    seconds=7.0, processes=3, workers=2, rate=20.0, start_over=0.3, ttl=1.0, rotate_every=5.0, window=1.5, seed=7
)
CHANGED = 3
"""Whole seconds before setSecret."""


def calls(measured: Measured, span: Callable[[int], bool]) -> int:
    return sum(count for second, count in measured.calls_by_second.items() if span(second))


@pytest.mark.parametrize("strategy", ["single-user", "alternating-users"])
def test_the_simulation_counts_what_real_processes_do(strategy: str) -> None:
    workload = replace(FLEET, strategy=strategy)
    simulated = simulate(workload)
    with started(workload, "null") as target:
        real = play(workload, target)
        served = target.secrets.calls
    assert real.errors == ()
    assert real.failed == simulated.failed == 0
    assert real.rotations == simulated.rotations == 1

    # By the rules, with no room: one call for a start, one GetSecretValue for a version, and nothing uncounted.
    assert real.first_calls == simulated.first_calls == workload.processes
    # One for the start, one or (in the window) two for the rotation; and one by the rotation itself.
    assert 2 * workload.processes < served["GetSecretValue"] <= 3 * workload.processes + 1
    assert served["DescribeSecret"] + served["GetSecretValue"] - 1 == real.api_calls

    # Each process notices the rotation: at most its two threads are rejected together, and all recover.
    for one in (real, simulated):
        rejected = (workload.processes, workload.processes * workload.workers) if strategy == "single-user" else (0, 0)
        assert rejected[0] <= one.rejected <= rejected[1]
        assert len(one.recovered) == one.rejected
        assert workload.processes <= one.reads - one.hits <= workload.processes * workload.workers

    # Start and TTL, then rotation and TTL: the dice differ, and a busy machine is late, so that there are fewer.
    for span in (lambda second: second < CHANGED, lambda second: second >= CHANGED):
        assert 0.5 <= calls(real, span) / calls(simulated, span) <= 1.35
    assert 0.6 <= real.api_calls / simulated.api_calls <= 1.25
    assert 0.5 <= real.connects / simulated.connects <= 1.01


def test_tasks_on_a_real_database_from_the_command_line() -> None:
    words = "--real --engine postgresql --tasks 3 --processes 1 --seconds 4 --rotate-every 2.4 --window 1 --json"
    command = [sys.executable, "-m", "secretconn", "bench", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert run["errors"] == []
    assert run["figures"]["failed"] == 0
    assert run["figures"]["rotations"] == 1
    assert run["figures"]["rejected"] > 0
    assert run["figures"]["connects"] > 0
    assert 0 <= run["figures"]["hit_rate"] < 1
    assert "Traceback" not in done.stderr
