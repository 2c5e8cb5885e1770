"""Process: the library as it is, one secret in one process, driven step by step; and the rules that it must keep.

Processes share nothing but the secret and the servers, which they do not change: what two can do, one can do. What
matters is how the connects of one process mix with each other and with the rotation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

from secretconn import RotatingCredentials
from secretconn._core.connector import Connector
from secretconn._core.effects import Await, Wait
from secretconn._core.reading import Inquiries
from secretconn._core.rotating import core_of
from secretconn.credentials import CURRENT, PENDING, Credentials
from secretconn.engines.base import Given
from secretconn.errors import SecretError
from secretconn.runtime import Runtime
from secretconn.testing.simulation import DRIVER, Rejection
from tests.exhaustive.costs import Costs, TooMuch
from tests.exhaustive.keys import EPOCH, Tick
from tests.exhaustive.promise import Connect, Violation, excuse
from tests.exhaustive.source import NOT_FOUND, THROTTLED, Source
from tests.exhaustive.world import Setup, World

__all__ = ["Event", "Process"]

Event = tuple[Any, ...]

REST = 40.0
"""Seconds after which every cool-down and every probation is over."""


class Process:
    """One process in its world, which starts anew from any snapshot and goes on by events.

    Args:
        setup: The world.
        tell: Told in plain words what happens.
    """

    def __init__(self, setup: Setup, tell: Callable[[str], None] | None = None) -> None:
        self.setup, self.world, self.tell = setup, World(setup), tell
        self.now, self._tick = EPOCH, 0
        runtime = Runtime(clock=lambda: self.now, random=lambda: 0.5, spawn=self._spawn, environ={})
        self.source = Source(setup, self.world, self._say)
        self.rotating = RotatingCredentials("s", source=self.source, runtime=runtime)
        self.core = core_of(self.rotating)
        self.core.state.tick = self._next_tick
        self._connector = Connector(self.rotating, lambda: None, DRIVER)
        self._given = {name: Given(names=frozenset({"host"}), host=name) for name in setup.endpoints}
        self.connects: list[Connect] = []
        self.begun = 0
        self.failures = setup.failures
        self.work: Callable[[], None] | None = None
        self.seen: list[int] = []
        self.asked_at, self.reason = -1, ""
        self.looked, self.torn = 0, False
        self.refused: dict[str, dict[str, int]] = {name: {} for name in setup.endpoints}
        self.costs = Costs.of(setup)
        self._acting: Connect | None = None
        self.results: list[str] = []
        self.most_calls: dict[str, int] = {}
        first = Credentials("s", "v0", "app", "v0", host="db")
        self.endpoints = {name: self._connector.endpoint(given, first) for name, given in self._given.items()}

    @property
    def idle(self) -> bool:
        """True where no connect and no read is under way."""
        return not self.connects and self.work is None

    # -- events -------------------------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Return what may happen next. Violation where a connect waits for what never comes."""
        possible: list[Event] = []
        if self.world.at + 1 < len(self.world.steps):
            possible.append(("step",))
        if self.setup.lagging and self.world.late < self.world.now.changes:
            possible.append(("arrive",))
        if self.idle and self.core.state.answer is not None:
            possible.append(("rest",))
            if self.setup.ttl:
                possible.append(("ttl",))
        if len(self.connects) < self.setup.connects:
            possible += [("begin", endpoint) for endpoint in self.setup.endpoints]
        if self.work is not None:
            possible += self._landings()
        for index, connect in enumerate(self.connects):
            progress = self._progress(index, connect)
            if not progress and self.work is None:
                raise Violation(f"I5: connect {connect.number} waits for what never comes")
            possible += progress
        return possible

    def _landings(self) -> list[Event]:
        """The read under way ends: what it saw, call by call, since it began; or it fails."""
        calls = 1 if len(self.seen) == 1 else (4 if not self.setup.describes else 2 if self.setup.empty_first else 1)
        landings: list[Event] = [("land", looks) for looks in combinations_with_replacement(self.seen, calls)]
        if self.failures:
            landings.append(("land", (self.seen[-1],), THROTTLED, 1))
        for times in range(1, 1 + (self.failures if not self.setup.describes else min(self.failures, 1))):
            landings += [("land", (seen,), NOT_FOUND, times) for seen in self.seen]
        return landings

    def _progress(self, index: int, connect: Connect) -> list[Event]:
        pending = connect.pending
        if isinstance(pending, Credentials):
            return [("return", index, outcome) for outcome in connect.outcomes]
        if isinstance(pending, Wait):
            return [("waited", index)]
        return [("wake", index)] if pending.flight.landed else []

    def apply(self, event: Event) -> None:
        """Let one thing happen."""
        getattr(self, f"_do_{event[0]}")(*event[1:])

    def _do_step(self) -> None:
        self.world.at += 1
        step = self.world.now
        self._say(f"{step.name}: {', '.join(f'{stage} on {version}' for stage, version in step.labels.items())}")
        if step.name in {"RotateSecret", "createSecret"} and self.world.steps[self.world.at - 1].name != "RotateSecret":
            self._new_rotation()
        if self.work is not None:
            self.seen.append(self.world.at)
        self._world_moved(self.setup.endpoints if step.name != "setSecret" else ("writer",))

    def _new_rotation(self) -> None:
        answer = self.core.state.answer
        behind = answer is not None and answer.current.version_id != self.world.now.labels[CURRENT]
        self.costs = self.costs.new_rotation(behind, bool(self.connects))

    def _do_arrive(self) -> None:
        self.world.late += 1
        self._say("the new password arrives at the reader")
        self._world_moved(("reader",))

    def _world_moved(self, endpoints: tuple[str, ...]) -> None:
        for connect in self.connects:
            if connect.endpoint in endpoints:
                connect.steps = min(connect.steps + 1, 2)
                self.costs = self.costs.rougher(connect.steps)
                connect.offered &= self.world.offers(connect.endpoint)
            if isinstance(connect.pending, Credentials):
                accepts = self.world.accepts(connect.endpoint, connect.pending.version_id)
                if accepts not in connect.outcomes:
                    connect.outcomes.append(accepts)

    def _do_rest(self) -> None:
        self._say(f"{REST:g} s pass")
        self.now += REST

    def _do_ttl(self) -> None:
        self._say("the answer's time to live runs out")
        self.now += 4000.0

    def _do_begin(self, endpoint: str) -> None:
        self.begun += 1
        connect = Connect(self.begun, endpoint, self._connector.flow(self._given[endpoint]))
        connect.offered, connect.quiet = self.world.offers(endpoint), self._is_quiet(endpoint)
        connect.steps = 2 * self.torn
        self._say(f"connect {connect.number} to the {endpoint} begins")
        self.connects.append(connect)
        self.core.reader._inquiries = Inquiries()
        step = self.world.now.name
        self.costs = self.costs.begin(step in {"createSecret", "setSecret"})
        self._advance(connect, None)

    def _do_return(self, index: int, accepted: bool) -> None:
        connect = self.connects[index]
        version = connect.pending.version_id
        self._say(f"connect {connect.number}: the {connect.endpoint} {'takes' if accepted else 'refuses'} {version}")
        refused = self.refused[connect.endpoint]
        if accepted:
            self.refused[connect.endpoint] = {v: at for v, at in refused.items() if at > connect.sent_at}
            next(connect.flow, None)
            self._end(connect, "succeeds")
            return
        refused[version] = self._next_tick()
        self._count_refusal()
        connect.error = Rejection()
        self._advance(connect, connect.error)

    def _count_refusal(self) -> None:
        """A server that counts refused logins locks the account."""
        try:
            self.costs = self.costs.refusal()
        except TooMuch as error:
            raise Violation(f"I4: {error}") from None

    def _count_calls(self, calls: int) -> None:
        try:
            self.costs = self.costs.call(calls)
        except TooMuch as error:
            raise Violation(f"I3: {error}") from None
        self.most_calls[self.costs.case] = max(self.costs.calls, self.most_calls.get(self.costs.case, 0))

    def _do_waited(self, index: int) -> None:
        connect = self.connects[index]
        self._say(f"connect {connect.number} has waited {connect.pending.seconds:g} s")
        self.now += connect.pending.seconds
        self._advance(connect, None)

    def _do_wake(self, index: int) -> None:
        connect = self.connects[index]
        self._advance(connect, connect.pending.flight.outcome)

    def _do_land(self, looks: tuple[int, ...], failure: str | None = None, times: int = 0) -> None:
        work, began, before = self.work, self.asked_at, self.source.api_calls
        assert work is not None
        self.work, self.source.looks = None, iter((*looks, *looks[-1:] * 4))
        self.source.failure, self.source.missing = failure, times
        self.failures -= times
        self.costs = self.costs.rougher(2 if failure is not None else 0)
        for connect in self.connects:
            connect.hidden |= failure == NOT_FOUND and not self.setup.describes and times > 1
        work()
        self.seen = []
        if self.reason == "rejected":
            self._count_calls(self.source.api_calls - before)
        if failure != THROTTLED:
            self._looked(work.args[1], looks)  # type: ignore[attr-defined]
            for name, refused in self.refused.items():
                self.refused[name] = {version: at for version, at in refused.items() if at > began}
        if len(self.connects) == 1:
            self._wake_the_only_one()

    def _looked(self, stages: tuple[str, ...], looks: tuple[int, ...]) -> None:
        """Keep whether two steps of the rotation fell between the calls on whose answers a connect relies."""
        if stages[0] == CURRENT:
            self.looked, self.torn = looks[0], looks[-1] - looks[0] > 1
        else:
            self.torn |= looks[-1] - self.looked > 1
        for connect in self.connects if self.torn else ():
            connect.steps = 2

    def _wake_the_only_one(self) -> None:
        connect = self.connects[0]
        if isinstance(connect.pending, Await) and connect.pending.flight.landed:
            self._do_wake(0)

    # -- what a connect does ------------------------------------------------------------------------------------------

    def _advance(self, connect: Connect, value: Any) -> None:
        quiet = {name: self._is_quiet(name) for name in self.endpoints}
        self._acting = connect
        connect.goes_on()
        try:
            step = connect.flow.send(value)
        except SecretError as error:
            self._end(connect, "fails", error)
            return
        for other in self.connects:
            if other is not connect and not quiet[other.endpoint] and self._is_quiet(other.endpoint):
                other.quiet = True
        if step is None:
            self._end(connect, "fails", connect.error)
            return
        connect.pending = step
        if isinstance(step, Credentials):
            self._sends(connect, step)

    def _sends(self, connect: Connect, login: Credentials) -> None:
        version = login.version_id
        self._say(f"connect {connect.number} sends {version}")
        refused = version in self.refused[connect.endpoint] and not self._is_quiet(connect.endpoint)
        connect.sends(version, refused=refused, over=self._is_over(connect.endpoint, version))
        connect.sent_at = self._next_tick()
        connect.outcomes = [self.world.accepts(connect.endpoint, version)]

    def _is_over(self, endpoint: str, version: str) -> bool:
        """True if an answer asked for after this was accepted under AWSPENDING gives that stage to another version."""
        state, answer = self.endpoints[endpoint].state, self.core.state.answer
        if state is None or answer is None or state.accepted is None or state.stage != PENDING:
            return False
        since = answer.labels[CURRENT].tick > state.accepted_tick
        return state.accepted.version_id == version and since and not {CURRENT, PENDING} & {*answer.labels_of(version)}

    def _end(self, connect: Connect, how: str, error: BaseException | None = None) -> None:
        notes = " ".join(getattr(error, "__notes__", ())) or (str(error) if error is not None else "")
        self._say(f"connect {connect.number} {how}{f': {notes}' if notes else ''}")
        self.connects.remove(connect)
        self.results.append(how if how == "succeeds" else excuse(connect, self.world))

    def _is_quiet(self, endpoint: str) -> bool:
        state = self.endpoints[endpoint].state
        return state is not None and self.now < state.quiet_until

    # -- the runtime --------------------------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        if self.work is not None:
            raise Violation("two reads at once")
        acting, self.reason = self._acting, work.args[0].reason
        if self.reason == "rejected" and acting is not None and self._is_quiet(acting.endpoint):
            raise Violation(f"I3: connect {acting.number} asks the source, and the endpoint cools down")
        self._say("a read begins")
        self.work, self.seen, self.asked_at = work, [self.world.at], self._next_tick()

    def _next_tick(self) -> Tick:
        self._tick += 1
        return Tick(self._tick)

    def _say(self, text: str) -> None:
        if self.tell is not None:
            self.tell(text)
