"""Refresher: reads the source in short-lived background threads, one at a time, and files the answers.

Everybody who needs an answer joins the flight that is under way or starts one (rules 2, 3 and 4c).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from secretconn import events
from secretconn._core.flight import Flight, Landing
from secretconn._core.parsing import Shape, parse
from secretconn._core.recovery import Unanswered
from secretconn._core.rules import Answer
from secretconn._core.settings import COLD, Settings
from secretconn._core.state import Ledger
from secretconn.credentials import Credentials
from secretconn.errors import ConfigurationError, SecretConnError, SecretError, SecretUnavailable
from secretconn.events import Bulletin
from secretconn.runtime import Runtime
from secretconn.sources.base import CachingSource, Reading, Source, name_of, place_of

__all__ = ["Refresher"]

log = logging.getLogger("secretconn.refresh")

NEVER = float("-inf")

PLAIN = ("first", "ttl")
"""Reasons for which a source's own cache is good enough; all others want to know what is valid now."""


class Refresher:
    """Keeps one ledger's answer fresh.

    Attributes:
        fresh_until: Monotonic seconds until which the held answer is used without a thought.
    """

    def __init__(
        self,
        secret_id: str,
        source: Source,
        shape: Shape,
        settings: Settings,
        runtime: Runtime,
        ledger: Ledger,
        bulletin: Bulletin,
    ) -> None:
        self.fresh_until = NEVER
        self._secret_id, self._source, self._shape = secret_id, source, shape
        self._settings, self._runtime, self._ledger, self._bulletin = settings, runtime, ledger, bulletin
        self._flight: Flight | None = None
        self._last_unanswered: Unanswered | None = None
        self._retry_at = NEVER
        self._failures = 0
        self._told: set[str] = set()

    # -- asking -------------------------------------------------------------------------------------------------------

    def first(self) -> Flight | Answer | float:
        """The flight that all first readers share; the answer, if it landed just now; or the seconds to wait while a
        failed read is fresh (rule 2)."""
        with self._ledger.lock:
            if self._ledger.answer is not None:
                return self._ledger.answer
            idle = self._flight is None or self._flight.landed
            delay = self._retry_at - self._runtime.clock()
            if idle and delay > 0:
                return delay
            return self.fly("first", (self._settings.policy.current,))

    def behind(self, reason: str) -> None:
        """Refresh with nobody waiting (rule 3), unless one failed just now."""
        if self._runtime.clock() < self._retry_at:
            return
        policy = self._settings.policy
        self.fly(reason, (policy.current,) if reason == "ttl" else policy.stages)

    def newer(self, seen: int, newer_than: int, reason: str) -> Flight | Landing:
        """What there is already, else the flight under way or a new one; see recovery.Refresh.

        The look and the start are one step: an answer that lands in between must be seen, not asked for again.
        """
        with self._ledger.lock:
            answer, unanswered = self._ledger.answer, self._last_unanswered
            if answer is not None and answer.tick > seen:
                return answer
            if unanswered is not None and unanswered.tick > newer_than:
                return unanswered
            return self.fly(reason, self._settings.policy.stages)

    def fly(self, reason: str, stages: tuple[str, ...]) -> Flight:
        """The flight under way, or a new one. Kept only once its thread runs: nobody waits for nothing."""
        with self._ledger.lock:
            if self._flight is not None and not self._flight.landed:
                return self._flight
            flight = Flight(self._ledger.tick(), self._runtime.clock())
            self._runtime.spawn(partial(self._read, flight, reason, stages))
            self._flight = flight
            return flight

    def expire(self) -> None:
        """Let the next read start a refresh, even where one failed just now."""
        self.fresh_until = self._retry_at = NEVER

    def answer_of(self, landing: Landing) -> Answer:
        """The answer, or this caller's own exception from the shared cause."""
        if isinstance(landing, Answer):
            return landing
        error = landing.error
        if isinstance(error, SecretError):
            raise error.again() from error.__cause__
        if isinstance(error, ConfigurationError):
            raise type(error)(*error.args) from error.__cause__
        raise SecretUnavailable(
            f"secret {self._secret_id!r} could not be read: {name_of(error)}. Check that it exists, that the role may "
            f"call DescribeSecret and GetSecretValue on it (and Decrypt on its key), and that Secrets Manager can be "
            f"reached from here",
            secret_id=self._secret_id,
        ) from error

    def after_fork(self, bulletin: Bulletin) -> None:
        """In a forked child: the parent's flight never lands here, and its client is not ours (rule 10)."""
        in_use = self._flight is not None and not self._flight.landed
        self._flight, self._bulletin = None, bulletin
        self._source.after_fork(in_use)

    def forget(self, source: Source, timeout: float) -> None:
        """Hold nothing, and read from this source from now on."""
        flight = self._flight
        if flight is not None and not flight.landed:
            flight.wait(timeout)  # or its answer would land in what has just been emptied
        self._source.after_fork(in_use=flight is not None and not flight.landed)
        with self._ledger.lock:
            self._ledger.forget()
            self._source, self._flight, self._last_unanswered = source, None, None
            self.fresh_until = self._retry_at = NEVER
            self._failures = 0
            self._told.clear()

    # -- reading, in the flight's own thread --------------------------------------------------------------------------

    def _read(self, flight: Flight, reason: str, stages: tuple[str, ...]) -> None:
        calls = self._source.api_calls
        landing: Landing = Unanswered(flight.tick, RuntimeError("the read ended without an answer"))
        try:
            reading = self._ask(reason, stages)
            landing = self._take_in(reading, flight, reason, stages, self._source.api_calls - calls)
        except Exception as error:  # noqa: BLE001  (told to every waiter, logged once per streak)
            landing = self._unanswered(flight, error, reason)
        finally:
            self._bulletin.count(fetches=1, api_calls=self._source.api_calls - calls)
            flight.land(landing)

    def _ask(self, reason: str, stages: tuple[str, ...]) -> Reading:
        source, answer = self._source, self._ledger.answer
        held = (answer.logins if answer is not None else {}).keys()
        if reason not in PLAIN and isinstance(source, CachingSource):
            return source.read_fresh(stages, held)
        return source.read(stages, held)

    def _take_in(
        self, reading: Reading, flight: Flight, reason: str, stages: tuple[str, ...], api_calls: int
    ) -> Answer:
        logins, failures = self._parse(reading)
        before, policy = self._ledger.answer, self._settings.policy
        held = (before.logins.keys() if before is not None else set()) | logins.keys()
        unasked = [reading.stages.get(stage) for stage in policy.stages if stage not in stages]
        whole = all(version is None or version in held for version in unasked)
        tick, requested_at = _when(flight, before, whole=whole, cached=reading.cached and reason in PLAIN)
        answer = self._ledger.land(tick, requested_at, reading.stages, logins, policy)
        if answer is None:
            raise failures.get(policy.current) or LookupError(f"no version has the stage {policy.current}")
        self._note_unreadable(failures)
        now = self._runtime.clock()
        self._retry_at, self._last_unanswered = NEVER, None
        self.fresh_until = now + self._settings.ttl * (0.5 + 0.5 * self._runtime.random())
        if self._failures:
            log.info("secretconn: secret %r is readable again, after %d failed reads", self._secret_id, self._failures)
            self._failures = 0
        self._announce(before, answer, now - flight.begun, api_calls, reason)
        return answer

    def _parse(self, reading: Reading) -> tuple[dict[str, Credentials], dict[str, Exception]]:
        logins: dict[str, Credentials] = {}
        failures: dict[str, Exception] = dict(reading.failures)
        for version, payload in reading.payloads.items():
            try:
                logins[version] = parse(payload, self._secret_id, self._shape)
            except SecretConnError as error:
                failures |= {stage: error for stage, labelled in reading.stages.items() if labelled == version}
        return logins, failures

    def _unanswered(self, flight: Flight, error: Exception, reason: str) -> Unanswered:
        now, answer, named = self._runtime.clock(), self._ledger.answer, name_of(error)
        self._failures += 1
        backoff = self._settings.backoff if answer is not None else COLD
        wait = backoff.seconds(self._failures, self._runtime.random())
        self._retry_at = now + wait
        self._last_unanswered = unanswered = Unanswered(flight.tick, error)
        self._bulletin.count(refresh_failures=1)
        if self._failures == 1:
            ending = "nobody can log in until it can" if answer is None else "the login that is held stays in use"
            log.warning("secretconn: secret %r cannot be read (%s); %s", self._secret_id, named, ending)
        seconds, place = now - flight.begun, place_of(self._source)
        self._tell(events.RefreshFailed, reason=reason, error=named, seconds=seconds, retry_in=wait, place=place)
        if answer is not None:
            version, age = answer.current.version_id, now - answer.requested_at
            self._tell(events.StaleServed, version_id=version, age=age)
        return unanswered

    def _note_unreadable(self, failures: Mapping[str, Exception]) -> None:
        """One log line for each further stage that cannot be read; what can be read is used."""
        for stage in failures.keys() - self._told:
            self._told.add(stage)
            named = name_of(failures[stage])
            log.info("secretconn: secret %r: %s cannot be read (%s), and is left out", self._secret_id, stage, named)

    def _announce(self, before: Answer | None, answer: Answer, seconds: float, api_calls: int, reason: str) -> None:
        version = answer.current.version_id
        told = {"version_id": version, "seconds": seconds, "api_calls": api_calls, "place": place_of(self._source)}
        if before is None:
            self._tell(events.Fetched, **told)
            return
        self._tell(events.Refreshed, reason=reason, **told)
        if before.current.version_id != version:
            self._bulletin.count(rotations=1)
            log.info("secretconn: secret %r was rotated: version %s is current now", self._secret_id, version)
            self._tell(
                events.Rotated,
                version_id=version,
                previous_version_id=before.current.version_id,
                username_changed=before.current.username != answer.current.username,
            )

    def _tell(self, kind: type[events.Event], **fields: object) -> None:
        self._bulletin.tell(kind(secret_id=self._secret_id, **fields))


def _when(flight: Flight, before: Answer | None, *, whole: bool, cached: bool) -> tuple[int, float]:
    """The order and the time of a reading's request.

    What a cache answered is no newer than what was held before. An answer with a stage that was not read (a TTL refresh
    reads the current one only) is no newer in order either: it must not say that there is no other login.
    """
    tick = flight.tick if whole and not cached else before.tick if before is not None else -1
    return tick, before.requested_at if cached and before is not None else flight.begun
