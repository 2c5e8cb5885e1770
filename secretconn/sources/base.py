"""Source: the protocol of a place that versions of a secret are read from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from secretconn.credentials import Payload

__all__ = [
    "CachingSource",
    "NoValue",
    "Reading",
    "Source",
    "code_of",
    "hint_of",
    "is_passing",
    "is_throttled",
    "name_of",
    "part_of",
    "place_of",
    "status_of",
    "trait",
]

THROTTLED_CODES = frozenset(
    {
        # Source: botocore's retries/standard.py, which repeats these and those below.
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
    }
)
TOO_MANY = 429
PASSING_CODES = frozenset({"RequestTimeout", "RequestTimeoutException", "InternalServiceError", "ServiceUnavailable"})
PASSING_STATUS = frozenset({500, 502, 503, 504})
PASSING_TYPES = frozenset(
    {"ConnectTimeoutError", "ReadTimeoutError", "EndpointConnectionError", "ConnectionClosedError"}
)
"""botocore's errors of the connection, by name: a process that reads no AWS never imports them."""


class NoValue(LookupError):
    """No version of the secret has the wanted stage, or the one that has it holds no value yet."""


class Reading(NamedTuple):
    """What a source read.

    Attributes:
        stages: Stage to version id: every label of each version that is named. With ``whole`` all labels there are.
        payloads: Version id to payload, for those of the wanted stages whose version was not held.
        failures: Stage to the error for which its version could not be read (no permission, no value yet).
        cached: True where this came out of a cache between here and Secrets Manager, so that it may be older than the
            request. It may offer a login; it never says that there is no other.
        whole: False where ``stages`` tells of the wanted stages alone, so that another one may be anywhere.
        oldest: With ``cached``, the seconds it may be old at most; infinite where that is not known.
        good_for: Seconds after which no connect begins with it any more, and waits for another reading; infinite where
            it is good until something newer is read. It is read again before, within the second half of that time.
    """

    stages: Mapping[str, str]
    payloads: Mapping[str, Payload]
    failures: Mapping[str, Exception] = MappingProxyType({})
    cached: bool = False
    whole: bool = True
    oldest: float = math.inf
    good_for: float = math.inf


class Source(Protocol):
    """Gives the versions of one secret by stage.

    One RotatingCredentials calls its source from one thread at a time, and never from an event loop's thread. A read
    that takes longer than the timeout is abandoned, and another one may then begin beside it. Optional attributes:
    ``place``, the text by which events name where it asked last; ``where``, the same for a sentence, in sources that
    ``secretconn check`` knows; ``free``, True where reading costs nothing; ``by_stage``, True where only asking for a
    stage tells where it is, so that re-reads ask for AWSPENDING too; ``tokens``, True where each reading brings the
    same login anew, for servers that take it in clear inside TLS, and another version is no rotation; ``at_once``, True
    while ``read`` waits for nothing, so that its caller's thread does it, an event loop's too; ``hint``, the end of the
    note on a refusal; and ``prepare()``, called in the thread of a caller who waits for the first read, to import what
    reading needs.

    Attributes:
        api_calls: Calls made so far, failed ones too; 0 where reading costs nothing.
    """

    @property
    def api_calls(self) -> int: ...

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """Ask for the versions under these stages, leaving out the content of versions that are held already.

        Args:
            stages: Wanted stages: the current one first, or one other stage alone.
            held: Version ids whose content the caller has; a version's content never changes.

        Raises:
            Exception: any error of the SDK or the transport, when it is not known which version has which stage. A
                version that cannot be read is no error: it is in ``failures``.
        """
        ...

    def after_fork(self, in_use: bool) -> None:
        """Called in a forked child: let go of sockets and locks.

        Args:
            in_use: True where another thread of the parent was inside ``read`` at the fork, so that locks may be held.
        """
        ...


@runtime_checkable
class CachingSource(Source, Protocol):
    """A source with a cache of its own between here and Secrets Manager."""

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """As ``read``, past that cache where that can be done: what the cache holds has just been rejected."""
        ...


def place_of(source: Source) -> str | None:
    """Where a source asked last, or None where it does not say."""
    place = getattr(source, "place", None)
    return place if isinstance(place, str) else None


def trait(source: Source, name: str) -> bool:
    """One of a source's optional attributes that are true or false."""
    return bool(getattr(source, name, False))


def hint_of(source: Source) -> str:
    """The end of the note on a login that the server refused; empty for most sources."""
    return str(getattr(source, "hint", ""))


def code_of(error: BaseException) -> str | None:
    """The code of an error of the SDK that Secrets Manager answered; None for all others."""
    code = part_of(error, "Error").get("Code")
    return str(code) if code else None


def status_of(error: BaseException) -> int:
    """The HTTP status of such an error, or 0."""
    status = part_of(error, "ResponseMetadata").get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def part_of(error: BaseException, name: str) -> dict[str, Any]:
    """One part of the answer that botocore keeps with an error; empty where there was none."""
    response = getattr(error, "response", None)
    part = response.get(name) if isinstance(response, dict) else None
    return part if isinstance(part, dict) else {}


def name_of(error: BaseException) -> str:
    """The error's type, and its code where it is the SDK's. Not its text: a text may quote what was read."""
    code, kind = code_of(error), type(error).__name__
    return f"{kind}: {code}" if code and code != kind else kind


def is_throttled(error: BaseException) -> bool:
    """True if the service refused the read for now, and for nothing but the number of reads."""
    return code_of(error) in THROTTLED_CODES or status_of(error) == TOO_MANY


def is_passing(error: BaseException) -> bool:
    """True if the same read may well succeed in a moment: throttled, a fault of the service, a broken connection."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if not isinstance(getattr(error, "response", None), dict):
        return any(kind.__name__ in PASSING_TYPES for kind in type(error).__mro__)
    return is_throttled(error) or code_of(error) in PASSING_CODES or status_of(error) in PASSING_STATUS
