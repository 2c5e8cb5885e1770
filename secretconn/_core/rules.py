"""The rules of rotation, as pure functions: which login to start with, what to try and to ask after a rejection.

Nothing here waits, locks, calls or reads a clock. docs/rules.md states the rules; tests name the rule they prove.

Two things are held. Per secret an `Answer`. Per endpoint (the host, port and database that a caller connects to) an
`EndpointState`, or None while there is nothing to remember.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from secretconn._core.answer import Answer, Policy
from secretconn.credentials import PENDING, Credentials

__all__ = ["EndpointState", "Refusal", "Start", "Tried"]

PROBATION = 10.0
"""Seconds an endpoint starts with a login that is not AWSCURRENT before a read decides about it (rule 4e)."""

COOL_DOWN = 1.0
COOL_DOWN_MAX = 30.0
"""Seconds without API calls after a fruitless inquiry: the first time, and at most (rule 4d)."""

FRESH_ROTATION = 5.0
"""Seconds for which a rotation under way keeps the cool-down short. One that was given up leaves its label for good."""

READ_AGAIN = 1.0
"""Seconds for which a labelled version that cannot be read is asked for again before AWSPREVIOUS is tried (rule 4c)."""


class Refusal(NamedTuple):
    """The ticks at which an endpoint refused a version, first and last, since it last accepted a login."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What is remembered of one endpoint since it last accepted the current login.

    Attributes:
        accepted: The login it last accepted, if that is not the current one. Without retries: the one to try next.
        stage: The stage ``accepted`` had then.
        accepted_tick: The tick at which it was accepted.
        decide_at: Monotonic seconds at which the probation of ``accepted`` ends.
        refused: Versions it refused since it last accepted any.
        quiet_until: Monotonic seconds until which a rejection here costs no API call.
        fruitless: Fruitless inquiries in a row.
        fruitless_tick: The answer that ended the last of them. A crowd that shares one counts it once.
    """

    accepted: Credentials | None = None
    stage: str = ""
    accepted_tick: int = -1
    decide_at: float = 0.0
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    quiet_until: float = float("-inf")
    fruitless: int = 0
    fruitless_tick: int = -1


FRESH = EndpointState()


@dataclass(frozen=True, slots=True)
class Start:
    """The login to start with, the endpoint's state from now on, and whether a background read is due."""

    credentials: Credentials
    state: EndpointState | None
    read_due: bool = False


# -- starting ---------------------------------------------------------------------------------------------------------


def start(state: EndpointState | None, answer: Answer, now: float, policy: Policy) -> Start:
    """Rule 4a: start with what this endpoint last accepted, else with the current login. Also ends a probation (4e)."""
    if state is None or state.accepted is None:
        return Start(answer.current, state)
    labels, on_probation = answer.labels_of(state.accepted.version_id), now < state.decide_at
    if state.stage not in labels and policy.current not in labels:
        # It has lost its stage. A newer word on the current version counts, an older one does not.
        if answer.labels[policy.current].tick <= state.accepted_tick:
            return Start(state.accepted, state, read_due=True)
    elif policy.current not in labels:
        undecided = answer.requested_at < state.decide_at
        if on_probation or undecided:
            return Start(state.accepted, state, read_due=not on_probation)
        if state.stage == PENDING:
            return Start(state.accepted, replace(state, decide_at=now + PROBATION))
    return Start(answer.current, _forget_exception(state))


def is_refused(state: EndpointState | None, credentials: Credentials) -> bool:
    """True if this endpoint refused the version since it last accepted any (rule 4f)."""
    return state is not None and credentials.version_id in state.refused


# -- what an endpoint did ---------------------------------------------------------------------------------------------


def accepted(
    state: EndpointState | None, credentials: Credentials, begun: int, answer: Answer, now: float, policy: Policy
) -> EndpointState | None:
    """The endpoint accepted another login than the one its connects begin with.

    Under another stage than the current one it is an exception from now on, on probation (rule 4e). Unless it was
    refused while this login was under way: then it was accepted before that.

    Args:
        state: The endpoint's state.
        credentials: The login.
        begun: The tick at which this login began.
        answer: The newest answer.
        now: Monotonic seconds.
        policy: What the caller chose.
    """
    left = cleared(state, begun)
    version, labels = credentials.version_id, answer.labels_of(credentials.version_id)
    if policy.current in labels or not labels:
        return None if left is None else _forget_exception(left)
    if left is not None and version in left.refused:
        return left
    return try_next(left, credentials, answer, begun, now)


def try_next(
    state: EndpointState | None, credentials: Credentials, answer: Answer, tick: int, now: float
) -> EndpointState:
    """Begin with this login from now on, on probation as in rule 4e. Also what retries=0 leaves to the next connect."""
    labels = answer.labels_of(credentials.version_id)
    stage = PENDING if PENDING in labels else next(iter(labels), "")
    refused = {v: r for v, r in (state or FRESH).refused.items() if v != credentials.version_id}
    return replace(
        state or FRESH,
        accepted=credentials,
        stage=stage,
        accepted_tick=tick,
        decide_at=now + PROBATION,
        refused=refused,
    )


def cleared(state: EndpointState | None, begun: int) -> EndpointState | None:
    """The endpoint accepted a login: what it refused before that login began is forgotten, and it is quiet no more."""
    if state is None:
        return None
    later = {version: refusal for version, refusal in state.refused.items() if refusal.last > begun}
    kept = replace(FRESH, accepted=state.accepted, stage=state.stage, refused=later)
    kept = replace(kept, accepted_tick=state.accepted_tick, decide_at=state.decide_at)
    return None if kept == FRESH else kept


def rejected(state: EndpointState | None, credentials: Credentials, tick: int) -> EndpointState:
    """The endpoint refused this login. If it was on probation, that ends at once."""
    state = state or FRESH
    version = credentials.version_id
    on_probation = state.accepted is not None and state.accepted.version_id == version
    known = state.refused.get(version)
    refusal = Refusal(tick if known is None else known.first, tick)
    return replace(
        _without_exception(state) if on_probation else state,
        refused={**state.refused, version: refusal},
    )


def cool_down(
    state: EndpointState | None, tick: int, now: float, jitter: float, rotation_at: float | None
) -> EndpointState:
    """Rule 4d: a fruitless inquiry keeps this endpoint quiet for 1 s, doubled once for each further one, up to 30 s.

    Args:
        state: The endpoint's state.
        tick: The answer that ended it; a crowd that shares one counts it once.
        now: Monotonic seconds.
        jitter: A float in [0, 1).
        rotation_at: Monotonic seconds when a rotation under way was first seen, or None. While that is recent the next
            answer may well be another, so it stays at 1 s.
    """
    state = state or FRESH
    if state.fruitless_tick == tick:
        return state
    recent = rotation_at is not None and now - rotation_at < FRESH_ROTATION
    fruitless = 1 if recent else state.fruitless + 1
    seconds = min(COOL_DOWN * 2.0 ** min(fruitless - 1, 10), COOL_DOWN_MAX)
    return replace(state, quiet_until=now + seconds * (0.8 + 0.4 * jitter), fruitless=fruitless, fruitless_tick=tick)


def is_quiet(state: EndpointState | None, now: float) -> bool:
    """True if a rejection at this endpoint may cost no API call now.

    A cool-down ends by itself even if the clock jumps back: none is longer than COOL_DOWN_MAX.
    """
    return state is not None and now < state.quiet_until <= now + COOL_DOWN_MAX * 1.2


# -- after a rejection ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tried:
    """What one connect() has tried.

    Attributes:
        sent: The logins it sent, in order.
        barred: Users that the server refused whatever their password (rule 4g).
        stages: The stages it may try.
    """

    sent: tuple[Credentials, ...]
    barred: frozenset[str]
    stages: tuple[str, ...]

    def allows(self, login: Credentials) -> bool:
        """True if this login is another than all that were sent, and of a user that may come in."""
        return login.username not in self.barred and not any(login.same_login(other) for other in self.sent)


def newer(state: EndpointState | None, answer: Answer, tried: Tried, policy: Policy) -> Credentials | None:
    """Rule 4b: a held version that ranks newer than the one just rejected and that this endpoint has not refused.

    Where two are newer (the login is from before the last rotation, and the next one is under way): what this endpoint
    accepted meanwhile, else by stage, the current one first: it is right before setSecret, and with alternating users
    at all times.
    """
    state = state or FRESH
    accepted = state.accepted.version_id if state.accepted is not None else None
    bar = policy.rank(answer.labels_of(tried.sent[-1].version_id))
    candidates = [
        login
        for login in _offered(answer, tried)
        if policy.rank(answer.labels_of(login.version_id)) > bar and login.version_id not in state.refused
    ]
    return max(candidates, key=lambda login: login.version_id == accepted, default=None)


def any_other(state: EndpointState | None, answer: Answer, tried: Tried) -> Credentials | None:
    """Rule 4c, for a whole answer: by stage, those not refused here first, none refused since it was asked for."""
    refused = (state or FRESH).refused
    logins = [login for login in _offered(answer, tried) if _refused_since(state, answer, login) < 0]
    return min(logins, key=lambda login: login.version_id in refused, default=None)


def last_refusal_since(state: EndpointState | None, answer: Answer, tried: Tried) -> int:
    """Return the tick at which what a whole answer offers was last refused here after it was asked for; else -1."""
    return max((_refused_since(state, answer, login) for login in _offered(answer, tried)), default=-1)


def inquiry_since(state: EndpointState) -> int:
    """Return the tick at which the inquiry of this endpoint began, for all who are refused here meanwhile."""
    return max(min((refusal.first for refusal in state.refused.values()), default=-1), state.fruitless_tick)


def question(
    state: EndpointState | None, answer: Answer, tried: Tried, since: int, refused_at: int, policy: Policy
) -> tuple[str, ...] | None:
    """Rule 4c: the stages to ask the source for next, or None if all is known.

    AWSCURRENT alone first, then AWSPENDING alone: one call each, and mostly the first one helps. They may offer a login
    and never say that there is none: a label may move between two answers. Only a whole answer, requested after the
    last refusal, says that. Where the last inquiry here was fruitless a whole one is asked for at once: it takes one
    call if nothing has changed.

    Args:
        state: The endpoint's state.
        answer: The newest answer.
        tried: What this connect() has tried.
        since: The tick at which this endpoint's inquiry began.
        refused_at: The tick of the last refusal that the whole answer must be newer than.
        policy: What the caller chose.
    """
    if not (state or FRESH).fruitless:
        for stage in (policy.current, PENDING):
            if stage in tried.stages and not answer.knows(stage, since):
                return (stage,)
    if answer.whole <= refused_at:
        return tried.stages
    return next(((stage,) for stage in tried.stages if _unread(answer, stage)), None)


def unreadable(answer: Answer, tried: Tried, policy: Policy) -> str | None:
    """Rule 4c: the stage other than AWSPREVIOUS whose labelled version could not be read, while a rotation goes on."""
    if answer.rotation_at is None:
        return None
    stages = [stage for stage in tried.stages if stage in (policy.current, PENDING)]
    return next((stage for stage in stages if stage in answer.problems and answer.login(stage) is None), None)


def _refused_since(state: EndpointState | None, answer: Answer, login: Credentials) -> int:
    refusal = (state or FRESH).refused.get(login.version_id)
    return refusal.last if refusal is not None and refusal.last > answer.whole else -1


def _unread(answer: Answer, stage: str) -> bool:
    return stage in answer.labels and answer.login(stage) is None and stage not in answer.problems


def _offered(answer: Answer, tried: Tried) -> list[Credentials]:
    """The answer's logins by stage that may still be sent in this connect(), each version once."""
    logins = {login.version_id: login for stage in tried.stages if (login := answer.login(stage)) is not None}
    return [login for login in logins.values() if tried.allows(login)]


def _without_exception(state: EndpointState) -> EndpointState:
    return replace(state, accepted=None, stage="", accepted_tick=-1, decide_at=0.0)


def _forget_exception(state: EndpointState) -> EndpointState | None:
    left = _without_exception(state)
    return None if left == FRESH else left
