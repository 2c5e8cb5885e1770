"""Process: the library as it is, one secret in one process, driven step by step; and the rules that it must keep.

Processes share nothing but the secret and the servers, which they do not change: what two can do, one can do. What
matters is how the connects of one process mix with each other and with the rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

from secretconn import RotatingCredentials
from secretconn._core.connector import Connector
from secretconn._core.effects import Await, Wait
from secretconn._core.rotating import core_of
from secretconn._core.state import Endpoint
from secretconn.credentials import CURRENT, PENDING, Credentials, Payload
from secretconn.engines.base import Given
from secretconn.errors import SecretError
from secretconn.runtime import Runtime
from secretconn.sources.base import Reading
from secretconn.testing.simulation import DRIVER, Rejection
from tests.exhaustive.costs import Costs, TooMuch
from tests.exhaustive.keys import EPOCH, Key, Tick
from tests.exhaustive.world import Setup, Step, World

__all__ = ["CLOSED", "Event", "Process", "Violation"]

Event = tuple[Any, ...]

REST = 40.0
"""Seconds after which every cool-down and every probation is over."""

EFFECTS = 40
"""Effects of one connect after which it is taken to go round for ever."""


NOTHING_ACCEPTED = "no login that the secret labels was accepted"
TWO_STEPS = "two steps of the rotation in one connect"
COOLING_DOWN = "the endpoint cools down after such a failure"
SWITCHED = "the lagging server switched between two logins"
HIDDEN = "no DescribeSecret, and AWSPENDING read as missing"
CLOSED = (NOTHING_ACCEPTED, TWO_STEPS, COOLING_DOWN, SWITCHED, HIDDEN)
"""Why a connect may fail: the closed list of docs/rules.md."""


class Violation(AssertionError):
    """The library broke a rule."""


class NotThere(Exception):
    """Secrets Manager's ResourceNotFoundException."""


@dataclass(eq=False)
class Connect:
    """A connect() under way."""

    number: int
    endpoint: str
    flow: Any
    pending: Any = None
    outcomes: list[bool] = field(default_factory=list)
    sent_at: int = -1
    sent: list[str] = field(default_factory=list)
    steps: int = 0
    offered: bool = True
    quiet: bool = False
    hidden: bool = False
    effects: int = 0
    error: Exception | None = None


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
        self.rotating = RotatingCredentials("s", source=self, runtime=runtime)
        self.core = core_of(self.rotating)
        self.core.state.tick = self._next_tick
        self._connector = Connector(self.rotating, lambda: None, DRIVER)
        self._given = {name: Given(names=frozenset({"host"}), host=name) for name in setup.endpoints}
        self._endpoints: dict[str, Endpoint] = {}
        self.connects: list[Connect] = []
        self.begun = 0
        self.failures = setup.failures
        self.work: Callable[[], None] | None = None
        self.seen: list[int] = []
        self.asked_at, self.reason = -1, ""
        self.refused: dict[str, dict[str, int]] = {name: {} for name in setup.endpoints}
        self.api_calls = 0
        self.costs = Costs.of(setup)
        self._acting: Connect | None = None
        self._looks: Iterator[int] = iter(())
        self._failure: str | None = None
        self.results: list[str] = []
        self.most_calls: dict[str, int] = {}
        run = self._connector.endpoint
        first = Credentials("s", "v0", "app", "v0", host="db")
        self._endpoints = {name: run(given, first) for name, given in self._given.items()}

    # -- snapshots: only where no connect and no read is under way ----------------------------------------------------

    @property
    def idle(self) -> bool:
        """True where all there is are frozen values."""
        return not self.connects and self.work is None

    def snapshot(self) -> tuple[Any, ...]:
        """Return all there is."""
        reader = [(name, _copied(value)) for name, value in self._reader_held()]
        states = {name: endpoint.state for name, endpoint in self._endpoints.items()}
        own = [(name, _copied(getattr(self, name))) for name in OWN]
        return (self.world.at, self.world.late, self.core.state.answer, states, reader, own)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Go back."""
        self.world.at, self.world.late, self.core.state.answer, states, reader, own = snapshot
        for name, state in states.items():
            self._endpoints[name].state = state
        for name, value in reader:
            setattr(self.core.reader, name, _copied(value))
        self.core.reader._inquiries.clear()  # how many begin in a second is not what is explored here
        for name, value in own:
            setattr(self, name, _copied(value))
        self.connects, self.work, self.seen = [], None, []

    def _reader_held(self) -> list[tuple[str, Any]]:
        """What the reader remembers."""
        return [(name, value) for name, value in vars(self.core.reader).items() if name not in UNCHANGING]

    def key(self) -> int:
        """Return the state as a hash."""
        key = Key(self.now)
        key.put((self.world.at, self.world.late, self.failures, *vars(self.costs).values()))
        key.put(self.core.state.answer)
        for name, endpoint in self._endpoints.items():
            key.put(endpoint.state)
            key.put(self.refused[name])
        for _, value in self._reader_held():
            key.put(value)
        key.put(self.work is not None)
        key.put(self.seen)
        key.tick(Tick(self.asked_at))
        for connect in self.connects:
            key.put(
                (
                    connect.endpoint,
                    connect.steps,
                    connect.offered,
                    connect.quiet,
                    connect.hidden,
                    connect.effects,
                    connect.sent,
                )
            )
            key.put(sorted(connect.outcomes))
            key.tick(Tick(connect.sent_at))
            key.put(connect.pending)
            key.put(connect.flow)
        key.put(self.reason if self.work is not None else "")
        return key.hash()

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
        calls = 1 if len(self.seen) == 1 else (3 if not self.setup.describes else 2 if self.setup.empty_first else 1)
        landings = [("land", looks, None) for looks in combinations_with_replacement(self.seen, calls)]
        if self.failures:
            landings.append(("land", (self.seen[-1],), "throttled"))
            landings += [("land", (seen,), "not found") for seen in self.seen]
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
        self._say(f"connect {connect.number} to the {endpoint} begins")
        self.connects.append(connect)
        self.core.reader._inquiries.clear()
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

    def _do_land(self, looks: tuple[int, ...], failure: str | None) -> None:
        work, began, before = self.work, self.asked_at, self.api_calls
        assert work is not None
        self.work, self._looks, self._failure = None, iter((*looks, *looks[-1:] * 4)), failure
        self.failures -= failure is not None
        self.costs = self.costs.rougher(2 if failure is not None else 0)
        for connect in self.connects:
            connect.hidden |= failure == "not found" and not self.setup.describes
        work()
        self.seen = []
        if self.reason == "rejected":
            self._count_calls(self.api_calls - before)
        if failure != "throttled":
            for name, refused in self.refused.items():
                self.refused[name] = {version: at for version, at in refused.items() if at > began}
        if len(self.connects) == 1:
            self._wake_the_only_one()

    def _wake_the_only_one(self) -> None:
        connect = self.connects[0]
        if isinstance(connect.pending, Await) and connect.pending.flight.landed:
            self._do_wake(0)

    # -- what a connect does ------------------------------------------------------------------------------------------

    def _advance(self, connect: Connect, value: Any) -> None:
        quiet = {name: self._is_quiet(name) for name in self._endpoints}
        connect.effects += 1
        self._acting = connect
        if connect.effects > EFFECTS:
            raise Violation(f"I5: connect {connect.number} goes round for ever")
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
        if version in connect.sent:
            raise Violation(f"I2: connect {connect.number} sends {version} twice")
        if version in self.refused[connect.endpoint] and not self._is_quiet(connect.endpoint):
            raise Violation(f"I4: connect {connect.number} sends {version}, which is known to be refused")
        if not connect.sent and self._is_over(connect.endpoint, version):
            raise Violation(f"I4: connect {connect.number} begins with {version}, whose turn is known to be over")
        connect.sent.append(version)
        connect.sent_at = self._next_tick()
        connect.outcomes = [self.world.accepts(connect.endpoint, version)]

    def _is_over(self, endpoint: str, version: str) -> bool:
        """True if an answer asked for after this was accepted under AWSPENDING gives that stage to another version."""
        state, answer = self._endpoints[endpoint].state, self.core.state.answer
        if state is None or answer is None or state.accepted is None or state.stage != PENDING:
            return False
        since = answer.labels[CURRENT].tick > state.accepted_tick
        return state.accepted.version_id == version and since and not {CURRENT, PENDING} & {*answer.labels_of(version)}

    def _end(self, connect: Connect, how: str, error: BaseException | None = None) -> None:
        notes = " ".join(getattr(error, "__notes__", ())) or (str(error) if error is not None else "")
        self._say(f"connect {connect.number} {how}{f': {notes}' if notes else ''}")
        self.connects.remove(connect)
        self.results.append(how)
        if how == "succeeds":
            return
        excuses = {
            NOTHING_ACCEPTED: not connect.offered,
            TWO_STEPS: connect.steps > 1,
            COOLING_DOWN: connect.quiet,
            SWITCHED: self._switched(connect),
            HIDDEN: connect.hidden,
        }
        why = [excuse for excuse, holds in excuses.items() if holds]
        if not why:
            raise Violation(f"I1: connect {connect.number} fails, and a login under a stage was accepted all the time")
        self.results[-1] = why[0]

    def _switched(self, connect: Connect) -> bool:
        """True if the lagging server takes only what it refused earlier in this connect."""
        return connect.endpoint == "reader" and self.world.accepted("reader") <= {*connect.sent}

    def _is_quiet(self, endpoint: str) -> bool:
        state = self._endpoints[endpoint].state
        return state is not None and self.now < state.quiet_until

    # -- the source, and the runtime ----------------------------------------------------------------------------------

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read. As Secrets Manager's source: a first read is one GetSecretValue."""
        return self._read(stages, held, by_stage=len(stages) == 1 and not held)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See CachingSource.read_fresh."""
        return self._read(stages, held, by_stage=len(stages) == 1)

    def after_fork(self, in_use: bool) -> None:
        """Nothing to let go of."""

    def _read(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        if self._failure == "throttled":
            self.api_calls += 1
            self._say(f"the read of {'+'.join(stages)} is throttled")
            raise ConnectionError
        if by_stage:
            reading = self._by_stage(stages[0])
        elif self.setup.describes:
            reading = self._whole(stages, held)
        else:
            reading = self._each_stage(stages)
        told = ", ".join(f"{stage} on {version}" for stage, version in reading.stages.items()) or "nothing"
        failed = "".join(f"; {stage} could not be read" for stage in reading.failures)
        self._say(f"the read of {'+'.join(stages)} brings {told}{failed}")
        return reading

    def _look(self) -> Step:
        """What this call of the read under way sees."""
        at = next(self._looks)
        if at != self.world.at:
            self._say(f"(it looked when {self.world.steps[at].name} {at} was the last step)")
        return self.world.steps[at]

    def _by_stage(self, stage: str) -> Reading:
        self.api_calls += 1
        step = self._look()
        version = step.labels.get(stage)
        if version is None or version not in step.valued or (self._failure == "not found" and stage == PENDING):
            return Reading({}, {}, whole=False)
        labels = {name: labelled for name, labelled in step.labels.items() if labelled == version}
        return Reading(labels, {version: self._payload(version)}, whole=False)

    def _whole(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        self.api_calls += 1
        labels = self._look().labels
        payloads: dict[str, Payload] = {}
        failures: dict[str, Exception] = {}
        for stage in stages:
            version = labels.get(stage)
            if version is None or version in held or version in payloads:
                continue
            self.api_calls += 1
            valued = self._look().valued
            if version not in valued or (self._failure == "not found" and stage == PENDING):
                failures[stage] = NotThere()
            else:
                payloads[version] = self._payload(version)
        return Reading(stages=labels, payloads=payloads, failures=failures)

    def _each_stage(self, stages: tuple[str, ...]) -> Reading:
        labels: dict[str, str] = {}
        payloads: dict[str, Payload] = {}
        for stage in sorted(stages, key=lambda stage: stage != PENDING):
            reading = self._by_stage(stage)
            labels |= reading.stages
            payloads |= reading.payloads
        return Reading(stages=labels, payloads=payloads)

    def _payload(self, version: str) -> Payload:
        content = f'{{"username": "{self.world.user(version)}", "password": "{version}", "host": "db"}}'
        return Payload(version, content)

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


OWN = ("now", "begun", "failures", "asked_at", "refused", "costs")


UNCHANGING = {
    "_secret_id", "_source", "_shape", "_settings", "_runtime", "_state", "_observers", "_generation", "_inquiries",
}  # fmt: skip


def _copied(value: Any) -> Any:
    """A copy of what is changed in place."""
    if type(value) is dict:
        return {name: dict(inner) for name, inner in value.items()}
    return set(value) if type(value) is set else value
