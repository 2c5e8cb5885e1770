"""The rules of rotation, as pure functions: which login to start with, what to try after a rejection, when to be quiet.

Nothing here waits, locks, calls or reads a clock. The rules' numbers are those of docs/rules.md; tests name them.

Two things are held. Per secret an `Answer`: which version has which stage, and the logins read so far. Per endpoint
(the host, port and database that a caller connects to) an `EndpointState`, or None while there is nothing to remember.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials

__all__ = ["Answer", "EndpointState", "Policy", "Start"]

PROBATION = 10.0
"""Seconds an endpoint starts with a login that is not AWSCURRENT before a refresh decides about it (rule 4e)."""

COOL_DOWN = 1.0
COOL_DOWN_MAX = 30.0
"""Seconds without API calls after a fruitless refresh: the first time, and at most (rule 4d)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the caller chose.

    Attributes:
        current: The stage that is normally used.
        fallback_stages: Stages that may be tried after a rejection: AWSPENDING, AWSPREVIOUS, both or none.
        retries: Further logins after a rejected one.
        patience: Seconds to go on asking the source when it has no other login.
    """

    current: str = CURRENT
    fallback_stages: tuple[str, ...] = (PENDING, PREVIOUS)
    retries: int = 1
    patience: float = 0.0

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages that may be used, in the order in which an answer is looked through."""
        return (self.current, *(stage for stage in (PENDING, PREVIOUS) if stage in self.fallback_stages))

    def rank(self, labels: Iterable[str]) -> int:
        """How new a version with these labels is: AWSPENDING 3, AWSCURRENT 2, AWSPREVIOUS 1, none 0."""
        ranks = {PENDING: 3, self.current: 2, PREVIOUS: 1}
        return max((ranks.get(label, 0) for label in labels), default=0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the source said at one moment.

    Attributes:
        tick: Orders this answer's request among all requests and rejections of the process.
        requested_at: Monotonic seconds when the request began.
        stages: Stage to version id, all stages the source told of.
        logins: Version id to its login, for the versions read so far that still have a stage.
        current: The login under the normal stage.
    """

    tick: int
    requested_at: float
    stages: Mapping[str, str]
    logins: Mapping[str, Credentials]
    current: Credentials

    def labels(self, version_id: str) -> tuple[str, ...]:
        """The stages of a version."""
        return tuple(stage for stage, version in self.stages.items() if version == version_id)

    def rotation_visible(self, policy: Policy) -> bool:
        """Whether AWSPENDING is on another version than the current one: a rotation is under way (or was given up)."""
        pending = self.stages.get(PENDING)
        return pending is not None and pending != self.stages.get(policy.current)


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What is remembered of one endpoint since it last accepted the current login.

    Attributes:
        accepted: The login it last accepted, if that is not the current one. Without retries: the one to try next.
        decide_at: Monotonic seconds at which the probation of ``accepted`` ends.
        refused: Versions it refused since it last accepted any, each with the tick of its last refusal.
        quiet_until: Monotonic seconds until which a rejection here costs no API call.
        fruitless: Fruitless refreshes in a row.
        fruitless_tick: The refresh that was last counted, so that a crowd that shares it counts it once.
    """

    accepted: Credentials | None = None
    decide_at: float = 0.0
    refused: Mapping[str, int] = field(default_factory=dict)
    quiet_until: float = float("-inf")
    fruitless: int = 0
    fruitless_tick: int = -1


FRESH = EndpointState()


@dataclass(frozen=True, slots=True)
class Start:
    """The login to start with, the endpoint's state from now on, and whether a background refresh is due."""

    credentials: Credentials
    state: EndpointState | None
    refresh_due: bool = False


def start(state: EndpointState | None, answer: Answer, now: float, policy: Policy) -> Start:
    """Rule 4a: start with what this endpoint last accepted, else with the current login. Also ends a probation (4e)."""
    if state is None or state.accepted is None:
        return Start(answer.current, state)
    labels = answer.labels(state.accepted.version_id)
    if policy.current in labels:
        return Start(answer.current, _forget_exception(state))
    if now < state.decide_at:
        return Start(state.accepted, state)
    if answer.requested_at < state.decide_at:
        return Start(state.accepted, state, refresh_due=True)
    if PENDING in labels:
        return Start(state.accepted, replace(state, decide_at=now + PROBATION))
    return Start(answer.current, _forget_exception(state))


def accepted(
    state: EndpointState | None, credentials: Credentials, begun: int, answer: Answer, now: float, policy: Policy
) -> EndpointState | None:
    """The endpoint let in another login than this connect() began with.

    Under another stage than the current one it is an exception from now on, on probation (rule 4e). Unless it was
    refused while this login was under way: then it is news of yesterday.

    Args:
        state: The endpoint's state.
        credentials: The login.
        begun: The tick at which this login began.
        answer: The newest answer.
        now: Monotonic seconds.
        policy: What the caller chose.
    """
    cleared_state = cleared(state, begun)
    version, labels = credentials.version_id, answer.labels(credentials.version_id)
    if policy.current in labels or not labels:
        return None if cleared_state is None else _forget_exception(cleared_state)
    if cleared_state is not None and version in cleared_state.refused:
        return cleared_state
    return try_next(cleared_state, credentials, now)


def try_next(state: EndpointState | None, credentials: Credentials, now: float) -> EndpointState:
    """Rule 5, retries=0: the login that this connect() found is the one the next begins with, on probation as in 4e."""
    return replace(state or FRESH, accepted=credentials, decide_at=now + PROBATION)


def cleared(state: EndpointState | None, begun: int) -> EndpointState | None:
    """The endpoint let a login in: what it refused before that login began is forgotten, and it is quiet no more."""
    if state is None:
        return None
    later = {version: tick for version, tick in state.refused.items() if tick > begun}
    kept = EndpointState(accepted=state.accepted, decide_at=state.decide_at, refused=later)
    return None if kept == FRESH else kept


def rejected(state: EndpointState | None, credentials: Credentials, tick: int) -> EndpointState:
    """The endpoint refused this login. If it stood on probation, that ends at once."""
    state = state or FRESH
    on_probation = state.accepted is not None and state.accepted.version_id == credentials.version_id
    return replace(
        state,
        accepted=None if on_probation else state.accepted,
        refused={**state.refused, credentials.version_id: tick},
    )


def newer(
    state: EndpointState | None, answer: Answer, sent: tuple[Credentials, ...], stages: Iterable[str], policy: Policy
) -> Credentials | None:
    """Rule 4b: a held version that ranks newer than the one just rejected and that this endpoint has not refused.

    Where two are newer (the login is from before the last rotation, and the next one is under way): what this endpoint
    accepted meanwhile, else by stage, the current one first: it is right before setSecret, and with alternating users
    at all times.
    """
    state = state or FRESH
    accepted = state.accepted.version_id if state.accepted is not None else None
    ranks = {login.version_id: policy.rank(answer.labels(login.version_id)) for login in answer.logins.values()}
    bar = policy.rank(answer.labels(sent[-1].version_id))
    candidates = [
        login
        for login in _different(answer, sent, stages)
        if ranks[login.version_id] > bar and login.version_id not in state.refused
    ]
    return max(candidates, key=lambda login: login.version_id == accepted, default=None)


def any_other(
    state: EndpointState | None, answer: Answer, sent: tuple[Credentials, ...], stages: Iterable[str]
) -> Credentials | None:
    """Rule 4c, for an answer requested after the rejection: by stage, those not refused here first."""
    refused = (state or FRESH).refused
    logins = sorted(_different(answer, sent, stages), key=lambda login: login.version_id in refused)
    return logins[0] if logins else None


def cool_down(
    state: EndpointState | None, tick: int, now: float, jitter: float, rotation_visible: bool
) -> EndpointState:
    """Rule 4d: a fruitless refresh keeps this endpoint quiet for 1 s, doubled once for each further one, up to 30 s.

    Args:
        state: The endpoint's state.
        tick: Which refresh it was; a crowd that shares one counts it once.
        now: Monotonic seconds.
        jitter: A float in [0, 1).
        rotation_visible: Then the next answer may well be another, so it stays at 1 s.
    """
    state = state or FRESH
    if state.fruitless_tick == tick:
        return state
    fruitless = 1 if rotation_visible else state.fruitless + 1
    seconds = min(COOL_DOWN * 2.0 ** min(fruitless - 1, 10), COOL_DOWN_MAX)
    return replace(
        state,
        quiet_until=now + seconds * (0.8 + 0.4 * jitter),
        fruitless=fruitless,
        fruitless_tick=tick,
    )


def is_quiet(state: EndpointState | None, now: float) -> bool:
    """Whether a rejection at this endpoint may cost no API call now."""
    return state is not None and now < state.quiet_until


def _different(answer: Answer, sent: tuple[Credentials, ...], stages: Iterable[str]) -> Iterable[Credentials]:
    """The answer's logins by stage whose (username, password) has not been sent in this call."""
    for stage in stages:
        login = answer.logins.get(answer.stages.get(stage, ""))
        if login is not None and not any(login.same_login(other) for other in sent):
            yield login


def _forget_exception(state: EndpointState) -> EndpointState | None:
    left = replace(state, accepted=None, decide_at=0.0)
    return None if left == FRESH else left
