"""Reading: how a source is asked, and what it read taken in: each version parsed, each stage accounted for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from typing import NamedTuple

from secretconn._core.answer import BEFORE_ALL, Answer, News, Policy
from secretconn._core.flight import Flight
from secretconn._core.parsing import Shape, parse
from secretconn.credentials import PENDING, Credentials
from secretconn.errors import SecretConnError
from secretconn.sources.base import CachingSource, Reading, Source, trait

__all__ = ["Inquiries", "is_at_once", "news_of", "parsed_reading", "prepare", "read", "watched"]

INQUIRIES = 5
"""Inquiries that may begin in one second, however many endpoints refuse their login."""

PLAIN = ("first", "ttl")
"""Reasons for which a source's own cache is good enough; all others want to know what is valid now."""


class Inquiries:
    """Bounds how often an inquiry begins."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque(maxlen=INQUIRIES)

    def full(self, now: float) -> float:
        """Return the seconds until another one may begin; 0, and it is counted, where one may."""
        if len(self._begun) == INQUIRIES and 0.0 <= now - self._begun[0] < 1.0:
            return max(1.0 - (now - self._begun[0]), 0.001)
        self._begun.append(now)
        return 0.0


def prepare(source: Source) -> None:
    """Import what a read needs before a thread does: a fork in the middle of an import breaks it in the child."""
    import json  # noqa: F401  (for parsing)

    own = getattr(source, "prepare", None)
    if own is not None:
        own()


def read(source: Source, reason: str, stages: tuple[str, ...], answer: Answer | None) -> Reading:
    """Ask the source, past its own cache where what that holds may have been rejected."""
    held = (answer.logins if answer is not None else {}).keys()
    if reason not in PLAIN and isinstance(source, CachingSource):
        return source.read_fresh(stages, held)
    return source.read(stages, held)


def is_at_once(source: Source, reason: str) -> bool:
    """True where a read for this reason waits for nothing."""
    return reason in PLAIN and trait(source, "at_once")


def watched(source: Source, policy: Policy) -> tuple[str, ...]:
    """The stages a re-read asks for: AWSPENDING too where no description would show a rotation that is stuck."""
    by_stage = trait(source, "by_stage")
    return tuple(one for one in policy.stages if one == policy.current or (by_stage and one == PENDING))


class Parsed(NamedTuple):
    """A reading whose versions are logins or problems."""

    reading: Reading
    logins: Mapping[str, Credentials]
    problems: Mapping[str, Exception]


def parsed_reading(reading: Reading, secret_id: str, shape: Shape) -> Parsed:
    """Parse each version. One that is no login is a problem of its stages, and hides no other."""
    logins: dict[str, Credentials] = {}
    problems: dict[str, Exception] = dict(reading.failures)
    for version, payload in reading.payloads.items():
        try:
            logins[version] = parse(payload, secret_id, shape)
        except SecretConnError as error:
            problems |= {stage: error for stage, labelled in reading.stages.items() if labelled == version}
    return Parsed(reading, logins, problems)


def news_of(parsed: Parsed, before: Answer | None, flight: Flight, stages: tuple[str, ...], policy: Policy) -> News:
    """Return what is new. What came out of a cache is no newer than what was held before."""
    reading = parsed.reading
    cached = reading.cached and flight.reason in PLAIN
    tick = flight.tick if not cached else before.tick if before is not None else BEFORE_ALL
    at = max(before.requested_at, flight.begun - reading.oldest) if cached and before is not None else flight.begun
    whole = (reading.whole or stages == policy.stages) and not cached
    known = parsed.logins.keys() | (before.logins.keys() if before is not None else set())
    problems = {**_left_out(reading, stages, known), **parsed.problems}
    return News(tick, at, reading.stages, parsed.logins, problems, stages, whole)


def _left_out(reading: Reading, stages: tuple[str, ...], known: Set[str]) -> dict[str, Exception]:
    """Versions that were asked for and came neither with content nor with a failure, so that none is asked for ever."""
    return {
        stage: LookupError(f"the source left out the content of {stage}")
        for stage in stages
        if stage in reading.stages and reading.stages[stage] not in known
    }
