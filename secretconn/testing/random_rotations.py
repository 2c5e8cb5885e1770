"""RandomRotations: rotates at random moments in a thread of its own, while the code under test does its work."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, Self

from secretconn.errors import ConfigurationError
from secretconn.testing.errors import RotationError
from secretconn.testing.rotation import RotationStep

__all__ = ["RandomRotations"]

LIMIT = 120.0


class Steps(Protocol):
    """What a Rotator can do: one rotation, a step at a time."""

    def steps(self) -> Iterator[RotationStep]: ...


class RandomRotations:
    """Rotations at random moments; the same moments again for the same seed.

    Each wait is drawn evenly from 0 to twice its length. `stop` (or the end of the ``with`` block) lets the rotation
    under way finish without further pauses, so that secret and database agree.

    Args:
        rotator: A `Rotator`.
        every: Seconds between two rotations, on average.
        pause: Seconds between two steps of a rotation, on average: how long its windows are open.
        seed: For the waits; default: a new one.
        at_least: Fewer rotations than this at the end of the ``with`` block are an error: the code under test has
            then proved nothing.
        wait: Waits some seconds, or until the event is set, and says whether it is; a test may hand in its own.

    Attributes:
        seed: The one in use.
        completed: Rotations that are done.
        error: What ended the rotations early, or None.

    Raises:
        ConfigurationError: Seconds below 0, or not a number.
    """

    def __init__(
        self,
        rotator: Steps,
        *,
        every: float = 0.3,
        pause: float = 0.05,
        seed: int | None = None,
        at_least: int = 1,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        for name, seconds in (("every", every), ("pause", pause)):
            if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
                raise ConfigurationError(f"{name} must be a number of seconds from 0, not {seconds!r}")
        self._rotator = rotator
        self.every, self.pause = float(every), float(pause)
        self.seed = random.randrange(10**6) if seed is None else seed
        self.at_least = at_least
        self.completed = 0
        self.error: BaseException | None = None
        self._dice = random.Random(self.seed)
        self._wait = wait
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether rotations go on now."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """Begin; once only.

        Raises:
            ConfigurationError: It was started before.
        """
        if self._thread is not None:
            raise ConfigurationError("these rotations were started before; make new ones")
        self._thread = threading.Thread(target=self._run, name="secretconn-rotations", daemon=True)
        self._thread.start()
        return self

    def stop(self, timeout: float = 30.0) -> None:
        """End, and wait for the rotation under way. Safe to call twice. Tells of no failure: see `check`.

        Raises:
            RotationError: The rotation under way did not end within the timeout, in seconds.
        """
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout)
        if self.running:
            raise RotationError(f"a rotation did not end within {timeout:g} s ({self})")

    def check(self) -> None:
        """Raise if a rotation failed.

        Raises:
            RotationError: The failure is its cause.
        """
        __tracebackhide__ = True
        if self.error is not None:
            raise RotationError(f"a rotation failed: {self.error} ({self})") from self.error

    def until(self, count: int, limit: float = LIMIT) -> Iterator[int]:
        """Go on until ``count`` rotations are done, and once more after that: ``for _ in rotations.until(3): ...``.

        Args:
            count: Rotations since the start.
            limit: Seconds this may take at most.

        Yields:
            How many are done.

        Raises:
            RotationError: A rotation failed, there are none under way, or the limit was reached.
        """
        deadline = time.monotonic() + limit
        while True:
            done, going_on = self.completed, self.running
            yield done
            if done >= count:
                return
            self.check()
            if not going_on:
                raise RotationError(f"{count} rotations are waited for, and none is under way ({self})")
            if time.monotonic() > deadline:
                raise RotationError(f"{count} rotations took more than {limit:g} s ({self})")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        __tracebackhide__ = True  # pytest then shows the text alone
        self.stop()
        if error is None:
            self.check()
            self._check_number()
        elif self.error is not None and error.__cause__ is not self.error:
            error.add_note(f"and a rotation failed: {self.error} ({self})")

    def __repr__(self) -> str:
        settings = f"every={self.every:g}, pause={self.pause:g}, seed={self.seed}"
        return f"<RandomRotations {settings}: {self.completed} done>"

    def _check_number(self) -> None:
        __tracebackhide__ = True
        if self.completed < self.at_least:
            raise RotationError(
                f"{self.completed} of at least {self.at_least} rotations were done, which proves nothing ({self}). "
                f"Let the code under test last: for _ in rotations.until({self.at_least}): ..."
            )

    def _run(self) -> None:
        try:
            while not self._rest(self.every):
                for done in self._rotator.steps():
                    if done.step != "finishSecret":
                        self._rest(self.pause)
                self.completed += 1
        except BaseException as error:  # noqa: BLE001  (told by check; pytest.fail() is no Exception)
            self.error = error

    def _rest(self, seconds: float) -> bool:
        return self._wait(self._stopped, self._dice.uniform(0.0, 2 * seconds))
