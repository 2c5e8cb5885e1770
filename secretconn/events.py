"""Events and stats: what happened to a secret and its logins, for subscribers, metrics and status pages.

An event never holds a password, nor any content of a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Event",
    "Fetched",
    "Recovered",
    "RefreshFailed",
    "Refreshed",
    "Rejected",
    "Rotated",
    "StaleServed",
    "Stats",
    "Subscriber",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        secret_id: The secret, as the caller named it.
    """

    secret_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Event):
    """The first answer of the source arrived.

    Attributes:
        version_id: The current version.
        seconds: How long the source took.
        api_calls: How many calls it took.
        place: Where the source asked last (a region, an address, a path), or None where it does not say.
    """

    version_id: str
    seconds: float
    api_calls: int
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed(Event):
    """A later answer arrived, whether or not it brought anything new.

    Attributes:
        version_id: The current version.
        reason: "ttl", "rejected", "probation", "cool-down", "patience" or "asked".
        seconds: How long the source took.
        api_calls: How many calls it took.
        place: Where the source asked last (a region, an address, a path), or None where it does not say.
    """

    version_id: str
    reason: str
    seconds: float
    api_calls: int
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFailed(Event):
    """The source gave no answer.

    Attributes:
        reason: As in Refreshed, or "first" where no earlier answer is held.
        error: The error's type and, for errors of the SDK, its code. Never its text, which may quote anything.
        seconds: How long it took.
        retry_in: Seconds until the next try in the background.
        place: Where the source asked last (a region, an address, a path), or None where it does not say.
    """

    reason: str
    error: str
    seconds: float
    retry_in: float
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleServed(Event):
    """A refresh failed and the earlier answer stays in use.

    Attributes:
        version_id: The version that stays in use.
        age: Seconds since that answer was requested.
    """

    version_id: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated(Event):
    """The current version changed.

    Attributes:
        version_id: The current version now.
        previous_version_id: The current version before.
        username_changed: Whether the user is another one (alternating-users rotation).
    """

    version_id: str
    previous_version_id: str
    username_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(Event):
    """A server refused a login, or may have done so.

    Attributes:
        version_id: The version whose login it was.
        stages: That version's stages, as far as is known.
        suspect: True where the driver hides the reason.
        seconds: How long the login took to fail.
        barred: True where the server refused the user, whatever the password.
    """

    version_id: str
    stages: tuple[str, ...]
    suspect: bool
    seconds: float
    barred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """After a rejection another login was accepted in the same connect().

    Attributes:
        version_id: The version whose login was accepted.
        stages: That version's stages.
        attempts: Logins tried in all.
        seconds: From the first rejection to the open connection.
    """

    version_id: str
    stages: tuple[str, ...]
    attempts: int
    seconds: float


Subscriber: TypeAlias = Callable[[Event], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counters since the object was made (in a forked child: since the fork).

    Attributes:
        reads: How often a login was asked for.
        hits: Reads that were answered at once, without waiting for the source.
        fetches: Answers of the source, the first one and all refreshes.
        api_calls: Calls the source made.
        refresh_failures: Fetches that brought no answer.
        stale_reads: Reads that were answered by a login past its TTL.
        connects: Connections opened.
        rejected: Logins that a server refused.
        suspected: Failed logins whose reason the driver hides.
        recovered: Connections opened after at least one rejection in the same connect().
        rotations: Times the current version was seen to change; several rotations between two reads are seen as one.
    """

    reads: int = 0
    hits: int = 0
    fetches: int = 0
    api_calls: int = 0
    refresh_failures: int = 0
    stale_reads: int = 0
    connects: int = 0
    rejected: int = 0
    suspected: int = 0
    recovered: int = 0
    rotations: int = 0

    @property
    def hit_rate(self) -> float:
        """Hits per read, from 0 to 1; 0 before the first read."""
        return self.hits / self.reads if self.reads else 0.0
