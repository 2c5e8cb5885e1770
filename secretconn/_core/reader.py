"""Reader: reads the source in short-lived background threads, one at a time, and adds what they bring to the state.

Whoever needs an answer joins the read that is under way or starts one (rules 2, 3 and 4c). A read past its deadline is
abandoned: nobody joins it, and what it still brings counts as of the moment it was asked.
"""

from __future__ import annotations

import math
import sys
from functools import partial

from secretconn import events
from secretconn._core.answer import Answer
from secretconn._core.effects import Await, Budget, Flow
from secretconn._core.flight import Flight, Outcome, Unanswered
from secretconn._core.observers import Observers
from secretconn._core.parsing import Shape
from secretconn._core.reading import Inquiries, is_at_once, news_of, parsed_reading, prepare, read, watched
from secretconn._core.reports import Reports, error_of
from secretconn._core.settings import COLD, Settings
from secretconn._core.state import SecretState
from secretconn.runtime import Runtime
from secretconn.sources.base import NoValue, Reading, Source, is_passing, is_throttled, name_of, place_of, trait

__all__ = ["Reader"]

NEVER, FORGOTTEN = float("-inf"), "the secret was forgotten meanwhile"

LOOK = 3.0
"""Seconds, jittered, after the last read, until the source is looked at while an endpoint cools down."""


class Reader:
    """Keeps one secret's answer fresh.

    Attributes:
        fresh_until: Monotonic seconds until which the held answer is used without a thought.
        good_until: Monotonic seconds until which it is used at all.
        source: What is read.
        failures: Failed reads in a row.
    """

    def __init__(
        self,
        secret_id: str,
        source: Source,
        shape: Shape,
        settings: Settings,
        runtime: Runtime,
        state: SecretState,
        observers: Observers,
    ) -> None:
        self.fresh_until, self.good_until, self.failures = NEVER, math.inf, 0
        self._secret_id, self.source, self._shape = secret_id, source, shape
        self._settings, self._runtime, self._state, self._observers = settings, runtime, state, observers
        self._flight: Flight | None = None
        self._ahead: Flight | None = None  # the first read, begun before anybody waits
        self._running: set[Flight] = set()  # abandoned ones too
        self._counted = self._generation = 0
        self._unanswered: Unanswered | None = None
        self._retry_at = self._look_at = NEVER
        self._inquiries, self._reports = Inquiries(), Reports(secret_id)

    @property
    def reading(self) -> bool:
        """True while a read is under way."""
        return self._flight is not None and not self._flight.landed

    @property
    def free(self) -> bool:
        """True where a read costs nothing: then there is no cool-down."""
        return trait(self.source, "free")

    @property
    def usable(self) -> Answer | None:
        """The held answer, while it may be used."""
        return self._state.answer if self._runtime.clock() < self.good_until else None

    def error_of(self, error: BaseException) -> Exception:
        """Return one caller's own exception for a failed read."""
        return error_of(error, self._secret_id, self.source)

    def begin(self) -> None:
        """Start the first read, for a first() that follows: whatever came of it by then is told there."""
        if self._state.answer is None:
            prepare(self.source)
            step, before = self._first_step(self._state.tick()), self._ahead
            self._ahead = step if isinstance(step, Flight) else None
            self._observers.counters.add(misses=self._ahead not in (None, before))

    def first(self) -> Flow[Answer]:
        """Wait for the first answer (rule 2). Raises what reports.error_of returns."""
        prepare(self.source)
        ahead, self._ahead = self._ahead, None
        self._observers.counters.add(misses=ahead is None)
        came = ahead.tick if ahead is not None and not ahead.is_late(self._runtime.clock()) else self._state.tick()
        budget = Budget(self._settings.timeout, self._runtime)
        while True:
            step = self._first_step(came)
            if isinstance(step, Answer):
                return step
            if isinstance(step, Unanswered):
                if not self._repeats(step.error, budget):
                    raise self.error_of(step.error)
                came = step.ended
            elif isinstance(step, Flight):
                yield from self._wait_for(step, budget)
            else:
                yield from budget.sleep(step)
            if budget.left <= 0 and self.usable is None:
                raise self.error_of((self._unanswered or self._too_late()).error)

    def ask(self, stages: tuple[str, ...], seen: int, since: int, reason: str, budget: Budget) -> Flow[Outcome]:
        """Ask the source for these stages, by a request after ``since``; joins a read under way and asks again.

        Args:
            stages: One stage, or all that may be used.
            seen: The tick of the answer that does not say enough: a newer one may have landed since.
            since: A tick; a failed read that began after it says enough.
            reason: As in the events; an "inquiry" that begins is bounded in number.
            budget: The seconds that the caller may wait.

        Returns:
            The newest answer, which may be older than ``since`` if it came in meanwhile, or Unanswered.
        """
        if self._state.answer is None:
            prepare(self.source)
        came, failed = self._state.tick(), 0
        while True:
            step = self._step(stages, seen, since, came, reason)
            if isinstance(step, Answer):
                return step
            if isinstance(step, Unanswered):
                if not self._repeats(step.error, budget):
                    return step
                since, failed = max(since, step.tick), failed + 1
                yield from budget.sleep(COLD.seconds(failed, self._runtime.random()))
            elif isinstance(step, Flight):
                outcome = yield from self._wait_for(step, budget)
                if isinstance(outcome, Answer):
                    return outcome
            else:
                yield from budget.sleep(step)
            if budget.left <= 0:
                return self._unanswered or self._too_late()

    # -- background ---------------------------------------------------------------------------------------------------

    def behind(self, reason: str) -> None:
        """Read with nobody waiting (rule 3), unless a read failed just now or the interpreter shuts down."""
        before = self._flight
        if before is not None and not before.landed and before.is_late(self._runtime.clock()):
            self._failed(before, self._too_late().error)  # nobody has waited for it either
        if self._runtime.clock() < self._retry_at or sys.is_finalizing():
            return
        policy = self._settings.policy
        with self._state.lock:
            flight = self._fly(reason, watched(self.source, policy) if reason == "ttl" else policy.stages)
            if flight.here and not flight.at_once:  # no thread could be started, and no caller is there to do it
                self._flight = None
        if flight.at_once:
            flight.do_here()

    def look(self) -> None:
        """Read behind a cool-down, at most every few seconds: it must not outlast its cure by much (rule 4d)."""
        if self._runtime.clock() >= self._look_at:
            self.behind("cool-down")

    def expire(self) -> None:
        """Let the next read start a refresh, even where one failed just now."""
        self.fresh_until = self._retry_at = NEVER

    def after_fork(self) -> None:
        """In a forked child: the parent's read never ends here, and its client is not ours (rule 10)."""
        in_use, self._flight = self.reading or bool(self._running), None
        self._running.clear()
        self.source.after_fork(in_use)

    def forget(self, source: Source) -> None:
        """Hold nothing, and read from this source from now on."""
        with self._state.lock:
            in_use = self.reading or bool(self._running)
            self._generation += 1  # what a read under way brings is not wanted any more
            self._state.forget()
            old, self.source = self.source, source
            if self._flight is not None:
                self._flight.over = True  # nor does its failure count
            self._flight = self._ahead = self._unanswered = None
            self._running = set()
            self.fresh_until = self._retry_at = self._look_at = NEVER
            self.failures = 0
            self._inquiries, self._reports = Inquiries(), Reports(self._secret_id)
        old.after_fork(in_use)

    def _repeats(self, error: BaseException, budget: Budget) -> bool:
        """True while a read that failed is repeated: a throttled one as long as its caller waits (rule 4c)."""
        patience = self._settings.policy.read_patience
        if is_throttled(error) and patience > 0:
            patience = self._settings.timeout
        return is_passing(error) and budget.left > 0 and self._runtime.clock() < budget.begun + patience

    # -- one step of a flow -------------------------------------------------------------------------------------------

    def _first_step(self, came: int) -> Outcome | Flight | float:
        """The answer; a failure that ended after the caller came; the read to wait for; or seconds to wait."""
        with self._state.lock:
            if (answer := self.usable) is not None:
                return answer
            unanswered = self._unanswered
            if unanswered is not None and unanswered.ended > came:
                return unanswered
            if self._under_way() is None and (delay := self._delay()) > 0:
                return delay
            return self._fly("first", (self._settings.policy.current,))

    def _step(self, stages: tuple[str, ...], seen: int, since: int, came: int, reason: str) -> Outcome | Flight | float:
        """The same after a rejection. The look and the start are one step: what lands in between must be seen."""
        with self._state.lock:
            answer, unanswered = self._state.answer, self._unanswered
            if answer is not None and answer.tick > seen:
                return answer
            if unanswered is not None and unanswered.tick > since and (unanswered.ended > came or self._delay() > 0):
                return unanswered
            if (flight := self._under_way()) is not None:
                return flight
            if reason == "rejected" and not self.free and (delay := self._inquiries.full(self._runtime.clock())) > 0:
                return delay
            return self._fly("rejected" if reason == "next" else reason, stages)

    def _delay(self) -> float:
        """Seconds for which a read that failed just now is not repeated; 0 also where the clock jumped back."""
        delay = self._retry_at - self._runtime.clock()
        return delay if 0.0 < delay <= COLD.longest else 0.0

    def _under_way(self) -> Flight | None:
        """The read under way; nobody joins one past its deadline."""
        flight = self._flight
        return None if flight is None or flight.landed or flight.is_late(self._runtime.clock()) else flight

    def _fly(self, reason: str, stages: tuple[str, ...]) -> Flight:
        """The read under way, or a new one. Its work is kept for the caller where no thread can be started."""
        if (under_way := self._under_way()) is not None:
            return under_way
        now = self._runtime.clock()
        flight = Flight(reason, self._state.tick(), now, now + self._settings.timeout)
        self._look_at = now + LOOK * (0.75 + 0.5 * self._runtime.random())
        work = partial(self._read, flight, stages, self._generation)
        flight.at_once = is_at_once(self.source, reason)
        try:
            (flight.here.append if flight.at_once else self._runtime.spawn)(work)
        except RuntimeError:
            flight.here.append(work)
        self._flight = flight  # now that it is on its way: Ctrl-C before this leaves nobody waiting for it
        return flight

    def _wait_for(self, flight: Flight, budget: Budget) -> Flow[Outcome | None]:
        left = max(flight.deadline - self._runtime.clock(), 0.0)
        outcome = yield from budget.wait(Await(flight, min(budget.left, left)))
        if outcome is None and budget.left <= 0.0 and not flight.is_late(self._runtime.clock()):
            return None  # this caller's time is over, not that of the read
        if outcome is None:
            self._failed(flight, self._too_late().error)
        elif isinstance(outcome, Unanswered) and not flight.landed:  # no thread can be started for it
            self._failed(flight, outcome.error)
        return outcome

    def _too_late(self) -> Unanswered:
        tick = self._state.tick()
        return Unanswered(tick, tick, TimeoutError(f"no answer within {self._settings.timeout:g} s"))

    # -- reading, in the flight's own thread --------------------------------------------------------------------------

    def _read(self, flight: Flight, stages: tuple[str, ...], generation: int) -> None:
        if generation != self._generation:  # all was forgotten before it began
            flight.land(Unanswered(flight.tick, self._state.tick(), LookupError(FORGOTTEN)))
            return
        source, counters = self.source, self._observers.counters
        with self._state.lock:
            if not self._running:
                self._counted = source.api_calls
            self._running.add(flight)
        told: tuple[events.Event, ...] = ()
        outcome: Outcome | None = None
        calls = 0
        try:
            try:
                reading = read(source, flight.reason, stages, self._state.answer)
            finally:
                calls = self._calls(flight, source)
            outcome, told = self._take_in(reading, flight, stages, calls, generation)
        except Exception as error:  # noqa: BLE001  (told to every waiter, logged once per streak)
            outcome = self._failed(flight, error)
        finally:
            counters.add(fetches=1, api_calls=calls)
            if outcome is None:  # broken off by what is no Exception
                outcome = Unanswered(flight.tick, self._state.tick(), RuntimeError("the read was broken off"))
            self._observers.tell(*told, between=partial(flight.land, outcome))

    def _calls(self, flight: Flight, source: Source) -> int:
        """The source's calls, of reads that overlap each one once."""
        with self._state.lock:
            if flight not in self._running:  # all was forgotten meanwhile
                return 0
            self._running.discard(flight)
            before, self._counted = self._counted, source.api_calls
            return self._counted - before

    def _take_in(
        self, reading: Reading, flight: Flight, stages: tuple[str, ...], api_calls: int, generation: int
    ) -> tuple[Answer, tuple[events.Event, ...]]:
        policy = self._settings.policy
        parsed = parsed_reading(reading, self._secret_id, self._shape)
        with self._state.lock:
            if generation != self._generation:
                raise LookupError(FORGOTTEN)
            before = self._state.answer
            news = news_of(parsed, before, flight, stages, policy)
            answer = self._state.add(news, policy)
            if answer is None:
                raise news.problems.get(policy.current) or NoValue(f"no version has the stage {policy.current}")
            recovered, self.failures = self.failures, 0
            self._retry_at, self._unanswered = NEVER, None
            now = self._runtime.clock()
            self.fresh_until = now + min(self._settings.ttl, reading.good_for) * (0.5 + 0.5 * self._runtime.random())
            self.good_until = flight.begun + reading.good_for
        if recovered:
            self._reports.readable_again(recovered)
        self._reports.unreadable(news.problems, stages)
        told = self._reports.landed(flight, before, answer, now, api_calls, self.source)
        self._observers.counters.add(rotations=sum(isinstance(one, events.Rotated) for one in told))
        return answer, told

    def _failed(self, flight: Flight, error: BaseException) -> Unanswered:
        with self._state.lock:
            now, answer = self._runtime.clock(), self.usable
            unanswered = Unanswered(flight.tick, self._state.tick(), error)
            if flight.over:  # abandoned, and counted then
                return unanswered
            flight.over = True
            self.failures += 1
            backoff = self._settings.backoff if answer is not None else COLD
            wait = backoff.seconds(self.failures, self._runtime.random())
            self._retry_at = now + wait
            self._unanswered = unanswered
        self._observers.counters.add(refresh_failures=1)
        place = place_of(self.source)
        told = self._reports.failed(flight, answer, name_of(error), self.failures, now, wait, place)
        self._observers.tell(*told, between=partial(flight.land, unanswered))
        return unanswered
