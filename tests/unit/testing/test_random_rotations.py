"""RandomRotations by itself: moments, seeds, what ends it, and that nothing it could not do is passed over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from secretconn.errors import ConfigurationError
from secretconn.testing import RandomRotations, RotationError, RotationStep, Step

STEPS: tuple[Step, ...] = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Steps:
    """A rotator of nothing, which fails at the rotation with this number."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at
        self.begun = 0
        self.done: list[str] = []

    def steps(self) -> Iterator[RotationStep]:
        self.begun += 1
        for step in STEPS:
            if self.begun == self.fails_at and step == "setSecret":
                raise OSError("the database is away")
            self.done.append(step)
            yield RotationStep(step, "prod/orders", "v2", "v1", "app")


class Waits:
    """Writes down each wait; the one with this number is the last that is not cut short."""

    def __init__(self, last: int) -> None:
        self.seconds: list[float] = []
        self._last = last

    def __call__(self, stopped: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        return stopped.is_set() or len(self.seconds) > self._last


def ended(rotations: RandomRotations) -> RandomRotations:
    """Run to the end of its waits, in its own thread."""
    rotations.start()
    assert rotations._thread is not None
    rotations._thread.join(30)
    return rotations


def test_it_rotates_with_a_pause_after_each_step_but_the_last() -> None:
    rotator, waits = Steps(), Waits(last=8)
    rotations = ended(RandomRotations(rotator, every=1.0, pause=0.1, seed=1, wait=waits))
    assert rotations.completed == 2
    assert rotator.done == [*STEPS, *STEPS]
    assert len(waits.seconds) == 1 + 3 + 1 + 3 + 1
    assert all(0 <= seconds <= 2.0 for seconds in waits.seconds[::4])
    pauses = [seconds for number, seconds in enumerate(waits.seconds) if number % 4]
    assert all(0 <= seconds <= 0.2 for seconds in pauses)


def moments(seed: int | None) -> list[float]:
    waits = Waits(last=8)
    ended(RandomRotations(Steps(), seed=seed, wait=waits))
    return waits.seconds


def test_a_seed_brings_the_same_moments_again() -> None:
    assert moments(7) == moments(7)
    assert moments(7) != moments(8)


def test_the_seed_of_a_run_that_was_given_none_is_told() -> None:
    rotations = RandomRotations(Steps())
    assert f"seed={rotations.seed}" in repr(rotations)
    assert len({RandomRotations(Steps()).seed for _ in range(5)}) > 1


def test_the_block_ends_them_and_the_rotation_under_way_is_finished() -> None:
    rotator = Steps()
    with RandomRotations(rotator, every=0.0, pause=0.0) as rotations:
        assert list(rotations.until(2))[-1] >= 2
    assert not rotations.running
    assert rotator.done[-1] == "finishSecret"
    assert len(rotator.done) == 4 * rotations.completed
    rotations.stop()


def test_until_begins_once_more_after_the_last_rotation() -> None:
    rotations = RandomRotations(Steps(), every=0.0, pause=0.0)
    with rotations:
        seen = list(rotations.until(1))
    assert seen[-1] >= 1
    assert list(rotations.until(1)) == [rotations.completed]  # they are done already


def in_a_block(rotations: RandomRotations, *, error: Exception | None = None) -> None:
    """A block that lasts until the thread has ended by itself, and raises the error, if there is one."""
    with rotations:
        assert rotations._thread is not None
        rotations._thread.join(30)
        if error is not None:
            raise error


def test_a_failed_rotation_is_an_error_of_the_block() -> None:
    rotations = RandomRotations(Steps(fails_at=2), every=0.0, pause=0.0, seed=3)
    with pytest.raises(RotationError, match=r"a rotation failed: the database is away .*seed=3") as caught:
        in_a_block(rotations)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_failed_rotation_ends_a_wait_for_more() -> None:
    rotations = ended(RandomRotations(Steps(fails_at=2), every=0.0, pause=0.0, wait=Waits(last=100)))
    with pytest.raises(RotationError, match="the database is away"):
        list(rotations.until(2))


def test_one_failure_is_told_once() -> None:
    rotations = ended(RandomRotations(Steps(fails_at=1), every=0.0, pause=0.0, wait=Waits(last=100)))
    with pytest.raises(RotationError) as caught:
        rotations.check()
    rotations.__exit__(RotationError, caught.value, None)
    assert not hasattr(caught.value, "__notes__")


def test_the_error_of_the_block_itself_comes_first() -> None:
    error = KeyError()
    with pytest.raises(KeyError) as caught:
        in_a_block(RandomRotations(Steps(fails_at=1), every=0.0, pause=0.0), error=error)
    assert caught.value is error
    assert "and a rotation failed: the database is away" in error.__notes__[0]


def test_too_few_rotations_are_an_error() -> None:
    with pytest.raises(RotationError, match=r"0 of at least 1 rotations .* rotations\.until\(1\)"):  # noqa: SIM117
        with RandomRotations(Steps(), every=1000.0, seed=1):
            pass


def test_too_few_may_be_allowed() -> None:
    with RandomRotations(Steps(), every=1000.0, seed=1, at_least=0) as rotations:
        pass
    assert rotations.completed == 0


def test_waiting_for_rotations_that_nobody_does_is_an_error() -> None:
    with pytest.raises(RotationError, match="none is under way"):
        list(RandomRotations(Steps()).until(1))


def test_waiting_has_a_limit() -> None:
    with (
        RandomRotations(Steps(), every=1000.0, seed=1, at_least=0) as rotations,
        pytest.raises(RotationError, match="took more than 0 s"),
    ):
        list(rotations.until(1, limit=0.0))


def test_a_rotation_that_hangs_is_an_error_of_stop() -> None:
    release = threading.Event()

    def hang(_stopped: threading.Event, _seconds: float) -> bool:
        return not release.wait(30)

    rotations = RandomRotations(Steps(fails_at=1), wait=hang).start()
    with pytest.raises(RotationError, match="did not end within 0 s"):
        rotations.stop(0.0)
    release.set()
    rotations.stop()


def test_it_starts_once() -> None:
    with (
        RandomRotations(Steps(), every=1000.0, at_least=0) as rotations,
        pytest.raises(ConfigurationError, match="started before"),
    ):
        rotations.start()


@pytest.mark.parametrize("wrong", [{"every": -1}, {"pause": float("nan")}, {"every": "1"}])
def test_what_is_no_number_of_seconds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} must be a number of seconds"):
        RandomRotations(Steps(), **wrong)
