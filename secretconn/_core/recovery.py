"""Recovery: connect() as a flow, from the login to start with to the accepted one or the driver's own exception.

Every decision is in rules.py; here they are put in order, and what happens is remembered and told.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from secretconn import events
from secretconn._core import rules
from secretconn._core.answer import BEFORE_ALL, Answer, Policy, tick_of
from secretconn._core.effects import Budget, Flow, Opening, Wait
from secretconn._core.flight import Outcome, Unanswered
from secretconn._core.observers import Observers
from secretconn._core.reader import Reader
from secretconn._core.rules import Tried
from secretconn._core.settings import Settings
from secretconn._core.state import Endpoint, SecretState
from secretconn._core.trail import Trail
from secretconn.credentials import PREVIOUS, Credentials
from secretconn.engines.base import Verdict
from secretconn.runtime import Runtime
from secretconn.sources.base import hint_of, name_of

__all__ = ["Core", "opening"]

POLL_FIRST, POLL_MAX = 0.25, 5.0
"""Seconds between two looks at the source while a caller is patient: at first, and at most."""

AGAIN = 0.15
"""Seconds, jittered, before a labelled version that could not be read is asked for again."""

Judge = Callable[[BaseException, BaseException | None], Verdict]


@dataclass(frozen=True, slots=True, eq=False)
class Core:
    """What connect() works with, of one secret."""

    secret_id: str
    settings: Settings
    runtime: Runtime
    state: SecretState
    reader: Reader
    observers: Observers


def opening(core: Core, place: Callable[[Credentials], Endpoint], policy: Policy, judge: Judge) -> Opening:
    """Follow the rules of rotation for one connect().

    Args:
        core: The secret.
        place: The endpoint that a login of this secret goes to.
        policy: What the caller chose.
        judge: The verdict on a driver's exception, and the one the caller was handling already.
    """
    state, clock = core.state, core.runtime.clock
    outer = sys.exception()
    core.observers.counters.read()
    answer, now = state.answer, clock()
    at = now
    if answer is None or now >= core.reader.fresh_until:
        answer = yield from _unfresh(core, answer)
    endpoint, login = place(answer.current), answer.current
    begun = state.tick()
    inquiry: _Inquiry | None = None
    if endpoint.state is not None:
        login = _start(core, endpoint, answer, policy)
        if rules.is_refused(endpoint.state, login):
            inquiry = _Inquiry(core, endpoint, policy)
            login = (yield from inquiry.before_sending(login)) or login
            begun, now = state.tick(), clock()
    error = yield login
    trail: Trail | None = None
    while error is not None:
        verdict = judge(error, outer)
        if trail is None:
            if verdict is Verdict.OTHER:
                yield None
                return
            trail = Trail(core.secret_id, clock())
        _note(core, trail, login, verdict, clock() - now)
        inquiry = inquiry or _Inquiry(core, endpoint, policy)
        found = (yield from inquiry.after(login, verdict)) if verdict is not Verdict.OTHER else None
        if found is None:
            error.add_note(trail.sentence(inquiry.reason if verdict is not Verdict.OTHER else "it failed otherwise"))
            yield None
            return
        login, begun, now = found, state.tick(), clock()
        error = yield login
    core.observers.counters.connected()
    if endpoint.state is not None or inquiry is not None:
        _accepted(core, endpoint, login, at, begun, policy, inquiry)
    if trail is not None:
        _recovered(core, login, trail)


def _unfresh(core: Core, answer: Answer | None) -> Flow[Answer]:
    """Wait for the first answer, or have an old one renewed in the background while it may still be used."""
    if answer is not None:
        core.observers.counters.add(stale_reads=1)
        core.reader.behind("ttl")
        answer = core.reader.usable
    return answer if answer is not None else (yield from core.reader.first())


def _start(core: Core, endpoint: Endpoint, answer: Answer, policy: Policy) -> Credentials:
    """Rule 4a where the endpoint has something to remember, and the end of its probation."""
    state = endpoint.state
    start = rules.start(state, answer, core.runtime.clock(), policy)
    if start.state is not state:
        core.state.update(endpoint, lambda now: start.state if now is state else now)
    if start.read_due:
        core.reader.behind("probation")
    return start.credentials


def _labels(core: Core, version: str) -> tuple[str, ...]:
    answer = core.state.answer
    return answer.labels_of(version) if answer is not None else ()


def _note(core: Core, trail: Trail, login: Credentials, verdict: Verdict, seconds: float) -> None:
    """Keep and tell that a login was, or may have been, refused."""
    stages = _labels(core, login.version_id)
    trail.add(login.version_id, stages, verdict, seconds)
    if verdict is Verdict.OTHER:
        return
    suspect = verdict is Verdict.SUSPECT
    core.observers.counters.add(**{"suspected" if suspect else "rejected": 1})
    core.observers.tell(
        events.Rejected(
            secret_id=core.secret_id,
            version_id=login.version_id,
            stages=stages,
            suspect=suspect,
            seconds=seconds,
            barred=verdict is Verdict.BARRED,
        )
    )


def _accepted(
    core: Core, endpoint: Endpoint, login: Credentials, at: float, begun: int, policy: Policy, inquiry: _Inquiry | None
) -> None:
    """The server let a login in, by a connect that began at ``at``, and there is something to remember or to forget."""
    state, answer, now = endpoint.state, core.state.answer, core.runtime.clock()
    if inquiry is not None and answer is not None:
        change = partial(rules.accepted, credentials=login, begun=begun, answer=answer, now=now, policy=policy)
        core.state.update(endpoint, change)
        if at - answer.requested_at > rules.PROBATION:
            core.reader.behind("probation")  # an answer that was old already has helped; it is time for a new one
    elif state is not None and (state.refused or state.fruitless):
        core.state.update(endpoint, partial(rules.cleared, begun=begun))


def _recovered(core: Core, login: Credentials, trail: Trail) -> None:
    core.observers.counters.add(recovered=1)
    core.observers.tell(
        events.Recovered(
            secret_id=login.secret_id,
            version_id=login.version_id,
            stages=_labels(core, login.version_id),
            attempts=trail.attempts + 1,
            seconds=core.runtime.clock() - trail.begun,
        )
    )


class _Inquiry:
    """Looks for another login, for one connect().

    Attributes:
        reason: Why there is none.
    """

    def __init__(self, core: Core, endpoint: Endpoint, policy: Policy) -> None:
        self.reason = ""
        self._core, self._endpoint, self._policy = core, endpoint, policy
        self._clock, self._random = core.runtime.clock, core.runtime.random
        now = self._clock()
        self._budget = Budget(core.settings.timeout + policy.patience, core.runtime)
        self._patient_until = now + policy.patience
        self._poll = POLL_FIRST
        self._tried = Tried((), frozenset(), policy.stages)
        self._since = self._first_at = self._refused_at = BEFORE_ALL
        self._round, self._rounds = BEFORE_ALL, 0
        self._asked = False
        self._again_until: float | None = None

    def before_sending(self, login: Credentials) -> Flow[Credentials | None]:
        """Rule 4f: this endpoint has refused the login that it would start with; look for another one first."""
        self._tried = Tried((login,), frozenset(), self._policy.stages)
        self._count_refusal(login)
        answer, state = self._core.state.answer, self._endpoint.state
        if answer is not None and state is not None and answer.whole > max(self._refused_at, state.fruitless_tick):
            self._since = self._first_at = self._refused_at = (
                answer.whole
            )  # nobody drew the conclusion: it may be long ago
        other = yield from self._other(patient=False)
        self._tried = Tried((), frozenset(), self._policy.stages)
        return other

    def after(self, login: Credentials, verdict: Verdict) -> Flow[Credentials | None]:
        """The endpoint refused this login: the next one to send, or None."""
        tick = self._core.state.tick()
        self._core.state.update(self._endpoint, partial(rules.rejected, credentials=login, tick=tick))
        barred = self._tried.barred | {login.username} if verdict is Verdict.BARRED else self._tried.barred
        stages = tuple(s for s in self._policy.stages if s != PREVIOUS or verdict is not Verdict.SUSPECT)
        self._tried = Tried((*self._tried.sent, login), barred, stages)
        self._count_refusal(login)
        other = yield from self._other(patient=verdict is Verdict.REJECTED)
        if other is not None and self._policy.retries == 0:
            self._leave_to_next(other)
            return None
        return other

    def _count_refusal(self, login: Credentials) -> None:
        """From when on an answer is news: what a crowd that is refused together shares is asked for once."""
        state = self._endpoint.state or rules.FRESH
        refusal = state.refused.get(login.version_id)
        first = max(refusal.first if refusal is not None else BEFORE_ALL, state.fruitless_tick)
        self._refused_at = max(self._refused_at, first)
        if self._since == BEFORE_ALL:
            self._since, self._first_at = rules.inquiry_since(state), self._refused_at

    def _other(self, *, patient: bool) -> Flow[Credentials | None]:
        while True:
            answer = self._core.state.answer  # one for all that follows: another thread's may land at any moment
            login = self._offered(answer)
            if login is not None:
                return login
            if self._is_quiet():
                self.reason = self.reason or "the source was asked just now and had no other login"
                if not (patient and self._policy.patience):  # else it polls
                    self._core.reader.look()
                stages = None
            else:
                stages = self._question(answer)
            if stages is not None:
                outcome = yield from self._ask(stages, answer)
                if isinstance(outcome, Answer):
                    continue
            if not (patient and (yield from self._poll_again())):
                return None

    def _offered(self, answer: Answer | None) -> Credentials | None:
        state = self._endpoint.state
        if answer is None:
            return None
        login = rules.newer(state, answer, self._tried, self._policy)
        counts = len(self._tried.sent) > len(self._policy.stages)  # a source may have a newer one at each read
        if login is None and answer.whole > self._first_at and self._awaited(answer) is None:
            login, counts = rules.any_other(state, answer, self._tried), True
            self._refused_at = max(self._refused_at, rules.last_refusal_since(state, answer, self._tried))
        if login is not None and counts and self._round != answer.whole:
            self._round, self._rounds = answer.whole, self._rounds + 1
        return login

    def _question(self, answer: Answer | None) -> tuple[str, ...] | None:
        """The stages to ask for next; None, and a cool-down begins, where all is known or no round is left."""
        if answer is None:
            return (self._policy.current,)
        stages = rules.question(self._endpoint.state, answer, self._tried, self._since, self._refused_at, self._policy)
        if stages is None and (unread := self._awaited(answer)) is not None:
            return (unread,)
        if stages is None:
            self.reason = _nothing_else(answer, self._tried) + hint_of(self._core.reader.source)
        elif answer.whole <= self._refused_at and not self._round_is_left(answer):
            self.reason, stages = "no retry is left", None
        if stages is None:
            self._start_cool_down(max(answer.whole, self._round))
        return stages

    def _round_is_left(self, answer: Answer) -> bool:
        """``retries`` rounds, and one more where a rotation is under way and the last round's answer is from before."""
        free = 1 if answer.rotation_at is not None else 0
        return self._rounds < max(self._policy.retries, 1) + free

    def _ask(self, stages: tuple[str, ...], answer: Answer | None) -> Flow[Outcome]:
        """Ask for more than this answer says, and remember why where no answer comes."""
        core, seen = self._core, tick_of(answer)
        again = answer is not None and len(stages) == 1 and stages[0] in answer.problems
        if again:
            yield from self._budget.sleep(AGAIN * (0.75 + 0.5 * self._random()))
        since = core.state.tick() if again else max(self._since, self._refused_at)
        reason = "next" if self._asked else "rejected"
        self._asked = True
        outcome = yield from core.reader.ask(stages, seen, since, reason, self._budget)
        if isinstance(outcome, Unanswered):
            self.reason = f"the source gave no answer ({name_of(outcome.error)})"
            self._start_cool_down(outcome.tick)
        return outcome

    def _awaited(self, answer: Answer) -> str | None:
        """A stage that cannot be read while a rotation goes on, for a second; it is asked for again meanwhile."""
        unread = rules.unreadable(answer, self._tried, self._policy)
        if unread is not None and self._again_until is None:
            self._again_until = self._clock() + min(rules.READ_AGAIN, self._budget.left)
        return unread if self._again_until is not None and self._clock() < self._again_until else None

    def _poll_again(self) -> Flow[bool]:
        """Rule 5: while the caller is patient, wait a little and ask for everything again. False when that is over."""
        left = self._patient_until - self._clock()
        seconds = min(self._poll * (0.75 + 0.5 * self._random()), left)
        self._poll = min(self._poll * 2, POLL_MAX)
        if seconds <= 0.0:
            return False
        since = self._core.state.tick()
        self._refused_at = max(self._refused_at, since)
        yield Wait(seconds)
        answer = self._core.state.answer
        if answer is not None and answer.whole > since:  # somebody else has asked meanwhile
            return True
        outcome = yield from self._core.reader.ask(self._tried.stages, tick_of(answer), since, "patience", self._budget)
        if isinstance(outcome, Unanswered):
            self.reason = f"the source gave no answer ({name_of(outcome.error)})"
        return True

    def _leave_to_next(self, login: Credentials) -> None:
        """Rule 5, retries=0: the endpoint's next connect() begins with what this one found."""
        answer, now, tick = self._core.state.answer, self._clock(), self._core.state.tick()
        if answer is not None:
            change = partial(rules.try_next, credentials=login, answer=answer, tick=tick, now=now)
            self._core.state.update(self._endpoint, change)
        self.reason = "retries=0"

    def _is_quiet(self) -> bool:
        return not self._core.reader.free and rules.is_quiet(self._endpoint.state, self._clock())

    def _start_cool_down(self, tick: int) -> None:
        answer = self._core.state.answer
        rotation_at = answer.rotation_at if answer is not None else None
        now, jitter = self._clock(), self._random()
        change = partial(rules.cool_down, tick=tick, now=now, jitter=jitter, rotation_at=rotation_at)
        self._core.state.update(self._endpoint, change)


def _nothing_else(answer: Answer, tried: Tried) -> str:
    unread = [
        f"{stage} could not be read ({name_of(answer.problems[stage])})"
        for stage in tried.stages
        if stage in answer.problems and answer.login(stage) is None
    ]
    return ", ".join(["the source has no other login", *unread])
