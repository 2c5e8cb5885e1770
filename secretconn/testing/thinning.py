"""Thinning: months of connects in seconds, by counting those that cost nothing and change nothing.

Between two events (a TTL that ends, a password that changes, a probation that ends) every connect of a process is the
same: the held login is read and the server lets it in. Such connects are counted, not played. All others, and the
question which are such, go through the library's own decisions; tests hold the counts to those of a run that plays
every single one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from secretconn._core import rules
from secretconn._core.rotating import core_of
from secretconn.testing.simulation import Clock, Process, SimulatedClient, Until

__all__ = ["SimulatedProcess"]

MARGIN = 0.001
"""Seconds before an event in which every connect is played: times are sums of floats."""


@dataclass
class SimulatedProcess:
    """One process of an application, whose workers share a RotatingCredentials and connect at an even pace.

    Each worker connects when the process starts, then at its phase after that, then every ``interval`` seconds. One
    that is late leaves out what it missed.

    Attributes:
        client: How one connect goes; its ``login_seconds`` are the same for every connect.
        begin: When it starts.
        phases: Of each worker, in [0, interval).
        interval: Seconds between two connects of one worker.
        end: When the run is over.
        next_change: The next time, after a given one, at which a server's password changes.
        thinned: False plays every connect.
        counted: Connects that were counted and not played.
    """

    client: SimulatedClient
    begin: float
    phases: Sequence[float]
    interval: float
    end: float
    next_change: Callable[[float], float]
    thinned: bool = True
    counted: int = 0

    def __post_init__(self) -> None:
        self._clock: Clock = self.client.clock
        self._core = core_of(self.client.rotating)
        self._policy = self._core.settings.policy
        self._login_seconds = self.client.login_seconds()
        self._playing = 0

    def start(self) -> None:
        """Put its workers on the clock."""
        for phase in self.phases:
            self._clock.start(self._worker(self.begin + phase))

    def _worker(self, first: float) -> Process:
        yield Until(self.begin)
        yield from self._play()
        number = max(0, math.ceil((self._clock.now - first) / self.interval))
        while True:
            yield Until(first + number * self.interval)
            quiet = self._quiet(first, number) if self.thinned else 0
            if quiet:
                self.counted += quiet
                number += quiet
            else:
                yield from self._play()
                number = max(number + 1, math.ceil((self._clock.now - first) / self.interval))

    def _play(self) -> Process:
        self._playing += 1
        yield from self.client.connect()
        self._playing -= 1

    def _quiet(self, first: float, number: int) -> int:
        """How many connects of a worker, from this one on, are over before anything can happen."""
        last = self._quiet_until() - MARGIN - self._login_seconds
        if last <= first + number * self.interval:
            return 0
        count = math.floor((last - first) / self.interval) + 1 - number
        return count if first + (number + count - 1) * self.interval < last else count - 1

    def _quiet_until(self) -> float:
        """Until when every connect is a hit that changes nothing; -inf where the one at hand may not be."""
        state, now = self.client.endpoint.state, self._clock.now
        answer, reader = self._core.state.answer, self._core.reader
        if self._playing or answer is None or reader.reading:
            return -math.inf
        login, decided = answer.current, math.inf
        if state is not None:
            start = rules.start(state, answer, now, self._policy)
            if state.refused or state.fruitless or start.state is not state or start.read_due:
                return -math.inf
            login, decided = start.credentials, state.decide_at if state.accepted is not None else math.inf
        if not self.client.server.accepts(login.username, login.password):
            return -math.inf
        return min(reader.fresh_until, decided, self.next_change(now), self.end)
