"""The pure parts of a real bench: pace, what a process tells, when a rotation's steps are due, the null database."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from secretconn import RotatingCredentials, wrap
from secretconn.cli.bed import Rotations
from secretconn.cli.bench.null import DRIVER, NullServer, Refused, judge
from secretconn.cli.bench.real import WorkerFailed, heard, measured, step_times, workers
from secretconn.cli.bench.worker import Pace, Tally
from secretconn.cli.bench.workload import Workload
from secretconn.engines.base import Verdict
from secretconn.events import Fetched, Recovered
from secretconn.testing import Login, RotationStep
from secretconn.testing.memory import MemorySource

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def secret(password: str) -> dict[str, object]:
    return {"engine": "postgres", "host": "null", "username": "app", "password": password}


def test_a_worker_leaves_out_what_it_missed() -> None:
    pace = Pace(begin=1.0, phase=0.25, interval=0.5, end=10.0)
    assert [pace.following(now) for now in (1.0, 1.25, 1.3, 3.0)] == [1.25, 1.75, 1.75, 3.25]


def test_a_worker_in_real_time_connects_when_a_simulated_one_does() -> None:
    workload = Workload(seconds=10.0, rate=3.0, workers=2, processes=2)
    for starts in workload.starts():
        for phase in starts.phases:
            assert 0.0 <= phase < workload.interval
            first = Pace(starts.begin, phase, workload.interval, 10.0).following(starts.begin)
            assert first == pytest.approx(starts.begin + phase)


def test_a_process_tells_counts_and_no_text_of_an_error() -> None:
    tally = Tally(calls=[1.5, 1.7, 3.0])
    with tally.counting():
        pass
    with tally.counting():
        raise Refused("user 'app' with password 'hunter2'")
    tally.events.append(Fetched(secret_id="s", version_id="v", seconds=0.1, api_calls=2))
    tally.events.append(Recovered(secret_id="s", version_id="v", stages=(), attempts=2, seconds=0.25))
    credentials = RotatingCredentials("s", source=MemorySource(secret("one")))
    credentials.prefetch()
    tally.stats = credentials.stats()
    assert b"hunter2" not in pickle.dumps(tally)
    told = measured(Workload(seconds=4.0), [tally, tally], rotations=1)
    assert (told.connects, told.failed, told.errors) == (4, 2, ("Refused",))
    assert (told.api_calls, told.first_calls, told.calls_by_second) == (6, 4, {1: 4, 3: 2})
    assert (told.reads, told.hits, told.rejected, told.rotations) == (2, 0, 0, 1)
    assert told.recovered == (0.25, 0.25)


class Rotator:
    def __init__(self) -> None:
        self.done: list[str] = []

    def steps(self) -> Iterator[RotationStep]:
        for step in STEPS:
            self.done.append(step)
            yield RotationStep(step, "s", "new", "old", "app")


def test_the_steps_of_a_rotation_are_due_as_in_the_simulation() -> None:
    workload = Workload(seconds=60.0, rotate_every=20.0, window=4.0)
    rotator, strategies = Rotator(), itertools.repeat("single-user")
    rotations = Rotations(step_times(workload), strategies, lambda strategy: rotator)
    assert rotations.next_at == 14.0
    assert list(rotations.catch_up(13.9)) == rotator.done == []
    list(rotations.catch_up(workload.next_change(0.0)))
    assert rotator.done == ["createSecret", "setSecret"]
    done = list(rotations.catch_up(20.0))
    assert [(number, strategy, step.step) for number, strategy, step in done] == [
        (1, "single-user", "testSecret"),
        (1, "single-user", "finishSecret"),
    ]
    assert (rotator.done, rotations.next_at) == (list(STEPS), 34.0)
    assert [number for number, _, step in rotations.catch_up(60.0) if step.step == "finishSecret"] == [2, 3]


def test_without_rotation_nothing_is_ever_due() -> None:
    times = step_times(Workload(seconds=60.0, strategy="none"))
    rotations = Rotations(times, (), lambda strategy: Rotator())
    assert (list(rotations.catch_up(1e9)), rotations.next_at) == ([], float("inf"))


def test_the_null_database_knows_one_password_of_each_user(tmp_path: Path) -> None:
    server = NullServer(tmp_path)
    assert not server.user_exists("app")
    assert not server.verify(Login("app", "one"))
    server.set_password(Login("app", "one"))
    server.create_user(Login("app_clone", "two"), like="app")
    assert server.verify(Login("app", "one"))
    assert server.verify(Login("app_clone", "two"))
    server.set_password(Login("app", "three"))
    assert not server.verify(Login("app", "one"))
    assert b"three" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_refusal_by_the_null_database_is_a_rejection_and_shows_no_password(tmp_path: Path) -> None:
    server = NullServer(tmp_path)
    server.set_password(Login("app", "new-password"))
    with pytest.raises(Refused) as caught:
        server.connect(user="app", password="old-password", host="null")
    assert judge(caught.value) is Verdict.REJECTED
    assert judge(OSError()) is None
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("tasks", [False, True])
async def test_the_library_recovers_on_the_null_database(tasks: bool, tmp_path: Path) -> None:
    server, source = NullServer(tmp_path), MemorySource(secret("one"))
    server.set_password(Login("app", "one"))
    credentials = RotatingCredentials("s", source=source)
    connect = wrap(server.aconnect if tasks else server.connect, credentials, driver=DRIVER, classify=judge)
    first = connect()
    (await first if tasks else first).close()  # type: ignore[misc, union-attr]
    server.set_password(Login("app", "two"))
    source.rotate("v2", secret("two"))
    second = connect()
    (await second if tasks else second).close()  # type: ignore[misc, union-attr]
    assert credentials.stats().recovered == 1


def test_a_process_that_cannot_begin_says_why() -> None:
    said = "AttributeError: 'str' object has no attribute 'region'"
    with workers([("no target", Workload(seconds=1.0), None)]) as (pipe,), pytest.raises(WorkerFailed, match=said):
        heard(pipe)


def test_a_process_that_is_gone_is_told() -> None:
    with workers([]) as none:
        assert none == []
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    with pytest.raises(WorkerFailed, match="it said nothing"):
        heard(ours)


def test_starts_are_spread_over_the_time_and_the_same_for_the_same_seed() -> None:
    workload = Workload(seconds=60.0, processes=50, start_over=10.0)
    begins = [starts.begin for starts in workload.starts()]
    assert max(begins) <= 10.0
    assert max(begins) - min(begins) > 5.0
    assert begins == [starts.begin for starts in workload.starts()]
    assert begins != [starts.begin for starts in replace(workload, seed=2).starts()]


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """Readers in other processes never see half a hash: it is written beside and moved."""
    server = NullServer(tmp_path)
    server.set_password(Login("app", "one"))
    before = (tmp_path / "app").stat().st_ino
    server.set_password(Login("app", "two"))
    assert (tmp_path / "app").stat().st_ino != before
