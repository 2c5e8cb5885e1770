"""Recovery: what follows a rejected login, as a generator that says what to do and is told what came of it.

The sync and the async connect, and the simulator, are short loops that drive it; it waits for nothing itself.
It yields Login, Refresh or Wait; it returns the reason when there is nothing left to try.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from secretconn._core import rules
from secretconn._core.rules import Policy
from secretconn._core.state import Endpoint, Ledger
from secretconn.credentials import PREVIOUS, Credentials
from secretconn.engines.base import Verdict
from secretconn.runtime import Runtime

__all__ = ["Failure", "Login", "Recovery", "Refresh", "Reply", "Step", "Unanswered", "Wait", "recovery"]

POLL_FIRST = 0.25
POLL_MAX = 5.0
"""Seconds between two looks at the source while a caller is patient: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Login:
    """Log in with these credentials; send back a Failure if that fails."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Refresh:
    """Get another answer of the source than the one looked at: one that landed meanwhile, else join the refresh in
    flight, else start one. Send back None, or Unanswered.

    Attributes:
        seen: The tick of the newest answer that was looked at.
        newer_than: A failed read that began after this tick says enough.
        reason: As in the events.
    """

    seen: int
    newer_than: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait some seconds, then send None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A refresh brought no answer.

    Attributes:
        tick: Which refresh it was; all who waited for it are told the same.
        error: Why.
    """

    tick: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class Failure:
    """A login failed.

    Attributes:
        verdict: What the failure says about the login.
        at: Monotonic seconds at which it failed.
    """

    verdict: Verdict
    at: float


Step: TypeAlias = Login | Refresh | Wait
Reply: TypeAlias = Failure | Unanswered | None
Recovery: TypeAlias = Generator[Step, Reply, str]


def recovery(
    ledger: Ledger, endpoint: Endpoint, policy: Policy, runtime: Runtime, first: Credentials, failure: Failure
) -> Recovery:
    """Follow rules 4b to 4d, 5 and 6 after ``first`` failed at ``endpoint``. Returns why nothing more is tried."""
    search = _Search(ledger, endpoint, policy, runtime, failure.at + policy.patience)
    sent: tuple[Credentials, ...] = (first,)
    while failure.verdict is not Verdict.OTHER:
        search.rejected(sent[-1])
        if len(sent) > max(policy.retries, 1):
            search.refresh_was_fruitless()
            return "no retry is left"
        login = yield from search.login(sent, failure)
        if login is None:
            return search.reason
        if policy.retries == 0:
            search.leave_to_next(login)
            return "retries=0"
        reply = yield Login(login)
        if not isinstance(reply, Failure):
            raise TypeError(f"after a Login, send a Failure, not {type(reply).__name__}")
        sent, failure = (*sent, login), reply
    return "it failed for another reason"


class _Search:
    """Looks for another login, for one connect()."""

    def __init__(self, ledger: Ledger, endpoint: Endpoint, policy: Policy, runtime: Runtime, deadline: float) -> None:
        self._ledger, self._endpoint, self._policy, self._runtime = ledger, endpoint, policy, runtime
        self._deadline = deadline
        self._poll = POLL_FIRST
        self._rejected_at_tick = -1
        self._seen_tick = -1
        self._used_tick: int | None = None
        self.reason = ""

    def rejected(self, credentials: Credentials) -> None:
        """Remember that the endpoint refused this login, and when."""
        tick = self._rejected_at_tick = self._ledger.tick()
        self._ledger.update(self._endpoint, lambda state: rules.rejected(state, credentials, tick))

    def login(self, sent: tuple[Credentials, ...], failure: Failure) -> Generator[Step, Reply, Credentials | None]:
        """The next login to send, or None."""
        stages = self._stages(failure.verdict)
        patient = failure.verdict is Verdict.REJECTED
        newer_than, reason = self._rejected_at_tick, "rejected"
        while True:
            login, asked = self._look(sent, stages, newer_than)
            if login is not None:
                return login
            if not asked and reason == "rejected" and self._is_quiet():
                self.reason = "the source was asked just now and had no other login"
                asked = True
            if not asked:
                reply = yield Refresh(self._seen_tick, newer_than, reason)
                asked = self._take(reply)
            if asked:
                seconds = self._patience_left() if patient else 0.0
                if seconds <= 0.0:
                    return None
                yield Wait(seconds)
                newer_than, reason = self._seen_tick, "patience"

    def _take(self, reply: Reply) -> bool:
        """Whether a refresh's reply ends the asking. An answer has landed in the ledger and is looked at there."""
        if not isinstance(reply, Unanswered):
            return False
        self.reason = f"the source gave no answer ({type(reply.error).__name__})"
        self._seen_tick = max(self._seen_tick, reply.tick)
        self._start_cool_down(reply.tick)
        return True

    def refresh_was_fruitless(self) -> None:
        """The login that a refresh of this call brought was refused as well."""
        if self._used_tick is not None:
            self._start_cool_down(self._used_tick)

    def leave_to_next(self, login: Credentials) -> None:
        """No login of this call is left for what it found; the endpoint's next connect() begins with that."""
        now = self._runtime.clock()
        self._ledger.update(self._endpoint, lambda state: rules.try_next(state, login, now))

    def _look(
        self, sent: tuple[Credentials, ...], stages: tuple[str, ...], newer_than: int
    ) -> tuple[Credentials | None, bool]:
        """A login out of the held answer, and whether that answer is new enough to say that there is none."""
        answer, state = self._ledger.answer, self._endpoint.state
        if answer is None:
            return None, False
        login = rules.newer(state, answer, sent, stages, self._policy)
        new_enough = answer.tick > newer_than
        self._seen_tick = max(self._seen_tick, answer.tick)
        if login is None and new_enough:
            login = rules.any_other(state, answer, sent, stages)
        if new_enough:
            self._used_tick = answer.tick
        if login is None and new_enough:
            self.reason = "the source has no other login"
            self._start_cool_down(answer.tick)
        return login, new_enough

    def _stages(self, verdict: Verdict) -> tuple[str, ...]:
        """Rule 6: a failure that only may be a rejection does not go back to AWSPREVIOUS."""
        if verdict is Verdict.SUSPECT:
            return tuple(stage for stage in self._policy.stages if stage != PREVIOUS)
        return self._policy.stages

    def _is_quiet(self) -> bool:
        return rules.is_quiet(self._endpoint.state, self._runtime.clock())

    def _start_cool_down(self, tick: int) -> None:
        answer = self._ledger.answer
        visible = answer is not None and answer.rotation_visible(self._policy)
        now, jitter = self._runtime.clock(), self._runtime.random()
        change = partial(rules.cool_down, tick=tick, now=now, jitter=jitter, rotation_visible=visible)
        self._ledger.update(self._endpoint, change)

    def _patience_left(self) -> float:
        """Seconds until the next look at the source; 0 when patience is over."""
        left = self._deadline - self._runtime.clock()
        seconds = self._poll * (0.75 + 0.5 * self._runtime.random())
        self._poll = min(self._poll * 2, POLL_MAX)
        return min(seconds, left)
