"""The criteria: made from what was measured alone, met at the limit, missed beyond it."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest

import run
from suite import clients, report
from suite.verdicts import Criterion, failing

NULL = {"driver": 0.1e-6, "wrap": 1.1e-6, "connect": 1.6e-6, "wrap, one argument": 1.7e-6}
LOOPBACK = {"median": {"plain driver": 5e-3}, "connects": {"plain driver": 9}, "ratio": 1.01, "interval": [1.0, 1.02]}
SPAN = {"count": 3, "p50": 0.005, "p99": 0.006, "max": 0.006}
RECOVERY = {
    name: SPAN | {"p50": p50}
    for name, p50 in {
        clients.CACHE: 2.6,
        clients.OURS: 0.026,
        "rejected login": 0.005,
        "DescribeSecret": 0.005,
        "GetSecretValue": 0.005,
        "login": 0.005,
    }.items()
}
IN_WINDOW = {"connects": 9, "failed": 0, "share": 0.0, "p50": 0.01, "max": 0.02}
ENGINES = {"postgres": 2, "mariadb": 3}
GOOD: dict[str, Any] = {
    "reads": {"seconds": {clients.CACHE: 40e-6, clients.OURS: 0.2e-6}},
    "overhead": {"null": NULL, "loopback": {"postgres": LOOPBACK}},
    "recovery": {"postgres": {"seconds": RECOVERY}},
    "stampede": {
        "mariadb": [
            {"client": "secretconn", "size": 32, "api_calls": 9, "failed": 0, "seconds": SPAN},
            {"client": "secretconn", "size": 1000, "api_calls": 2, "failed": 0, "seconds": SPAN},
            {"client": "secretconn, tasks", "size": 1000, "api_calls": 2, "failed": 0, "seconds": SPAN},
            {"client": "SecretCache", "size": 1000, "api_calls": 1001, "failed": 7, "seconds": SPAN},
        ]
    },
    "window": {"postgres": {"rotations": 1, "seconds": 6.0, "clients": {clients.OURS: IN_WINDOW}}},
    "footprint": {
        "imports": {
            "nothing": {"median": 0.01, "least": 0.01, "processor": 0.01},
            "secretconn": {"median": 0.039, "least": 0.03, "processor": 0.03},
        },
        "memory": [{"client": "secretconn", "secrets": 10, "traced": 10240, "resident": 20480}],
    },
}
WORSE: dict[str, tuple[tuple[Any, ...], Any]] = {
    "reads.times_faster": (("reads", "seconds", clients.OURS), 0.21e-6),
    "overhead.null.wrap": (("overhead", "null", "wrap"), 2.2e-6),
    "overhead.null.connect": (("overhead", "null", "connect"), 2.2e-6),
    "overhead.postgres": (("overhead", "loopback", "postgres", "ratio"), 1.011),
    "recovery.postgres.parts": (("recovery", "postgres", "seconds", "login", "p50"), 0.004),
    "recovery.postgres.faster": (("recovery", "postgres", "seconds", clients.CACHE, "p50"), 2.5),
    "stampede.mariadb.threads.calls": (("stampede", "mariadb", 1, "api_calls"), 3),
    "stampede.mariadb.threads.failed": (("stampede", "mariadb", 1, "failed"), 1),
    "stampede.mariadb.tasks.calls": (("stampede", "mariadb", 2, "api_calls"), 3),
    "window.postgres.failed": (("window", "postgres", "clients", clients.OURS, "failed"), 1),
    "window.postgres.met": (("window", "postgres", "clients", clients.OURS, "connects"), 0),
    "footprint.import": (("footprint", "imports", "secretconn", "median"), 0.041),
}


def criteria(data: dict[str, Any]) -> dict[str, Criterion]:
    found = [one for name, part in data.items() for one in importlib.import_module(name).criteria(part)]
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


def test_good_numbers_meet_all() -> None:
    assert [one for one in criteria(GOOD).values() if not one.met] == []


@pytest.mark.parametrize("name", WORSE)
def test_a_number_beyond_the_limit_misses_its_criterion_and_no_other(name: str) -> None:
    data, (path, value) = copy.deepcopy(GOOD), WORSE[name]
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    assert place[path[-1]] != value
    place[path[-1]] = value
    assert [one.name for one in criteria(data).values() if not one.met] == [name]


def test_every_criterion_has_been_seen_to_be_missed() -> None:
    assert set(criteria(GOOD)) <= set(WORSE) | {"stampede.mariadb.tasks.failed"}


def test_a_quick_run_fails_by_counts_alone() -> None:
    slow = Criterion("a.slow", "", 9.0, 1.0, "ms")
    calls = Criterion("a.calls", "", 3, 2, "calls", "count")
    good = Criterion("a.good", "", 2, 2, "calls", "count")
    assert failing([slow, calls, good], quick=True) == [calls]
    assert failing([slow, calls, good], quick=False) == [slow, calls]


def test_every_table_can_be_written() -> None:
    for name, module in run.benchmarks().items():
        if name in GOOD:
            lines = module.lines(GOOD[name])
            assert lines[0].startswith("|")
            assert len({line.count("|") for line in lines[:3]}) == 1


def test_a_missed_criterion_is_said_to_be_missed() -> None:
    met, missed = Criterion("a", "calls", 2, 2, "calls"), Criterion("b", "reads", 150, 200, "times", at_least=True)
    lines = report.criteria_lines({"criteria": [met.as_json(), missed.as_json()]})
    assert lines[2] == "| calls | 2 calls | at most 2 | met |"
    assert lines[3] == "| reads | 150 times | at least 200 | **missed** |"


def test_engines_share_a_line_and_the_one_that_misses_is_named() -> None:
    one, other = (Criterion(name, "calls", value, 2, "calls", engine=name) for name, value in ENGINES.items())
    assert report.criteria_lines({"criteria": [one.as_json(), other.as_json()]})[2:] == [
        "| calls | 2 calls PostgreSQL, 3 calls MariaDB | at most 2 | **missed** MariaDB |"
    ]
