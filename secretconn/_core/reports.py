"""Reports: what a read that ended is told as: log lines, events for subscribers, each waiting caller's exception."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from secretconn import events
from secretconn._core.answer import Answer
from secretconn._core.flight import Flight
from secretconn.errors import ConfigurationError, SecretError, SecretUnavailable
from secretconn.sources.base import name_of

__all__ = ["Reports", "error_of"]

log = logging.getLogger("secretconn.refresh")


class Reports:
    """Tells of the reads of one secret."""

    def __init__(self, secret_id: str) -> None:
        self._secret_id = secret_id
        self._unread: set[str] = set()

    def landed(
        self, flight: Flight, before: Answer | None, answer: Answer, now: float, api_calls: int, place: str | None
    ) -> tuple[events.Event, ...]:
        """Return the events of a read that brought an answer: Fetched, or Refreshed and perhaps Rotated."""
        name, version, seconds = self._secret_id, answer.current.version_id, now - flight.begun
        if before is None:
            return (
                events.Fetched(secret_id=name, version_id=version, seconds=seconds, api_calls=api_calls, place=place),
            )
        refreshed = events.Refreshed(
            secret_id=name, version_id=version, reason=flight.reason, seconds=seconds, api_calls=api_calls, place=place
        )
        if before.current.version_id == version:
            return (refreshed,)
        log.info("secretconn: secret %r was rotated: version %s is current now", name, version)
        rotated = events.Rotated(
            secret_id=name,
            version_id=version,
            previous_version_id=before.current.version_id,
            username_changed=before.current.username != answer.current.username,
        )
        return refreshed, rotated

    def failed(
        self, flight: Flight, answer: Answer | None, named: str, streak: int, now: float, wait: float, place: str | None
    ) -> tuple[events.Event, ...]:
        """Return the events of a read that failed: RefreshFailed, and StaleServed where an earlier answer is held."""
        name = self._secret_id
        if streak == 1:
            ending = "no connection can be opened until it can" if answer is None else "the held login stays in use"
            log.warning("secretconn: secret %r cannot be read (%s); %s", name, named, ending)
        seconds = now - flight.begun
        told = events.RefreshFailed(
            secret_id=name, reason=flight.reason, error=named, seconds=seconds, retry_in=wait, place=place
        )
        if answer is None:
            return (told,)
        version, age = answer.current.version_id, now - answer.requested_at
        return told, events.StaleServed(secret_id=name, version_id=version, age=age)

    def readable_again(self, failures: int) -> None:
        """A streak of failed reads is over."""
        log.info("secretconn: secret %r is readable again, after %d failed reads", self._secret_id, failures)

    def unreadable(self, problems: Mapping[str, Exception], asked: tuple[str, ...]) -> None:
        """Log a further stage that cannot be read, once for each streak; what can be read is used."""
        for stage in problems.keys() - self._unread:
            named = name_of(problems[stage])
            log.info("secretconn: secret %r: %s cannot be read (%s), and is left out", self._secret_id, stage, named)
        self._unread = (self._unread - set(asked)) | problems.keys()


def error_of(error: BaseException, secret_id: str) -> Exception:
    """Return one caller's own exception for a failed read that many waited for."""
    own: Exception
    if isinstance(error, SecretError):
        own, cause = error.again(), error.__cause__
    elif isinstance(error, ConfigurationError):
        own, cause = type(error)(*error.args), error.__cause__
    else:
        own, cause = _unavailable(error, secret_id), error
    own.__cause__ = cause
    return own


def _unavailable(error: BaseException, secret_id: str) -> SecretUnavailable:
    return SecretUnavailable(
        f"secret {secret_id!r} could not be read: {name_of(error)}. Check that it exists, that the role may "
        f"call DescribeSecret and GetSecretValue on it (and Decrypt on its key), and that Secrets Manager can be "
        f"reached from here",
        secret_id=secret_id,
    )
