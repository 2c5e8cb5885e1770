"""Answer: what is known of one secret, and how the next read of the source adds to it. Pure functions.

What a read told is kept for each stage with the tick of its request: reads ask for one stage or for all, may be
answered in another order than they were asked in, and a label may move between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials

__all__ = ["Answer", "Label", "News", "Policy", "merged", "tick_of"]

_NO_PROBLEMS: Mapping[str, Exception] = MappingProxyType({})


class Policy(NamedTuple):
    """What the caller chose.

    Attributes:
        current: The stage that is normally used.
        fallback_stages: Stages that may be tried after a rejection: AWSPENDING, AWSPREVIOUS, both or none.
        retries: Rounds of further logins after a rejected one. A round sends each login that the newest answer offers.
        patience: Seconds to keep asking the source when it has no other login.
        read_patience: Seconds to repeat a read that fails in passing.
    """

    current: str = CURRENT
    fallback_stages: tuple[str, ...] = (PENDING, PREVIOUS)
    retries: int = 1
    patience: float = 0.0
    read_patience: float = 5.0

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages that may be used, in the order in which an answer is looked through."""
        return (self.current, *(stage for stage in (PENDING, PREVIOUS) if stage in self.fallback_stages))

    def rank(self, labels: Iterable[str]) -> int:
        """Return how new a version with these labels is: AWSPENDING 3, AWSCURRENT 2, AWSPREVIOUS 1, none 0."""
        ranks = {PENDING: 3, self.current: 2, PREVIOUS: 1}
        return max((ranks.get(label, 0) for label in labels), default=0)


class Label(NamedTuple):
    """The version a stage is on, and the tick of the request that said so."""

    version: str
    tick: int


class News(NamedTuple):
    """What one read of the source brought.

    Attributes:
        tick: Orders the begin of the request among all requests and rejections of the process.
        at: Monotonic seconds when the request began.
        stages: Stage to version id: every label of each version that is named.
        logins: Version id to its login.
        problems: Stage to the reason for which its version could not be read.
        asked: The stages that were asked for.
        whole: True if ``stages`` holds every label of the secret.
    """

    tick: int
    at: float
    stages: Mapping[str, str]
    logins: Mapping[str, Credentials]
    problems: Mapping[str, Exception]
    asked: tuple[str, ...]
    whole: bool


class Answer(NamedTuple):
    """What is known of the secret, each label with the tick of the request that told it.

    Attributes:
        tick: The newest request that is part of it.
        requested_at: Monotonic seconds when the request began that last told the current version.
        labels: Stage to the version it is on.
        logins: Version id to its login, for the versions read so far that may still be needed.
        current: The login under the normal stage.
        asked: Stage to the newest request for it, whatever came of it.
        whole: The newest request that told every label; only such an answer says that there is no other login.
        problems: Stage to the reason for which its version could not be read.
        rotation_at: Monotonic seconds when AWSPENDING was first seen on its present version, or None if it is on none
            but the current one.
    """

    tick: int
    requested_at: float
    labels: Mapping[str, Label]
    logins: Mapping[str, Credentials]
    current: Credentials
    asked: Mapping[str, int] = MappingProxyType({})
    whole: int = -1
    problems: Mapping[str, Exception] = _NO_PROBLEMS
    rotation_at: float | None = None

    def labels_of(self, version: str) -> tuple[str, ...]:
        """Return the stages of a version."""
        return tuple(stage for stage, label in self.labels.items() if label.version == version)

    def login(self, stage: str) -> Credentials | None:
        """Return the login under a stage, or None if there is none or it was not read."""
        label = self.labels.get(stage)
        return None if label is None else self.logins.get(label.version)

    def knows(self, stage: str, since: int) -> bool:
        """True if a request after this tick told where the stage is, or that it is nowhere."""
        label = self.labels.get(stage)
        return self.whole > since or self.asked.get(stage, -1) > since or (label is not None and label.tick > since)


def tick_of(answer: Answer | None) -> int:
    """Return the newest request that is part of what is known; -1 where nothing is."""
    return -1 if answer is None else answer.tick


def merged(before: Answer | None, news: News, policy: Policy) -> Answer | None:
    """Add what a read brought. None if no login for the current stage is left.

    Answers may arrive in another order than they were requested in: of each stage the newest request's word counts.
    """
    labels = _labels(before, news, policy)
    logins = {**(before.logins if before is not None else {}), **news.logins}
    label = labels.get(policy.current)
    current = None if label is None else logins.get(label.version)
    if label is None or current is None:
        return None
    kept = {label.version for label in labels.values()} | ({before.current.version_id} if before is not None else set())
    problems = before.problems if before is not None else _NO_PROBLEMS
    return Answer(
        tick=max(news.tick, before.tick) if before is not None else news.tick,
        requested_at=news.at if before is None or label.tick == news.tick else before.requested_at,
        labels=labels,
        logins={version: login for version, login in logins.items() if version in kept},
        current=current,
        asked=_asked(before, news),
        whole=max(news.tick if news.whole else -1, before.whole if before is not None else -1),
        problems={**{s: why for s, why in problems.items() if s not in news.asked}, **news.problems},
        rotation_at=_rotation_at(before, labels, news.at, policy),
    )


def _labels(before: Answer | None, news: News, policy: Policy) -> dict[str, Label]:
    told = {stage: Label(version, news.tick) for stage, version in news.stages.items()}
    if before is None:
        return told
    told = {s: label for s, label in told.items() if s in before.problems or not before.knows(s, news.tick)}
    moved = before.current.version_id != news.stages.get(policy.current, before.current.version_id)
    gone = {*news.asked} - news.problems.keys()
    labels: dict[str, Label] = {}
    for stage, label in before.labels.items():
        replaced = news.whole or moved or stage in gone or label.version in news.stages.values()
        if label.tick > news.tick or not replaced:
            labels[stage] = label
    return {**told, **labels}


def _asked(before: Answer | None, news: News) -> Mapping[str, int]:
    asked = before.asked if before is not None else {}
    return {**asked, **{stage: max(asked.get(stage, -1), news.tick) for stage in news.asked}}


def _rotation_at(before: Answer | None, labels: Mapping[str, Label], at: float, policy: Policy) -> float | None:
    pending, current = labels.get(PENDING), labels[policy.current]
    if pending is None or pending.version == current.version:
        return None
    known = before.labels.get(PENDING) if before is not None else None
    same = before is not None and known is not None and known.version == pending.version
    return before.rotation_at if same and before is not None and before.rotation_at is not None else at
