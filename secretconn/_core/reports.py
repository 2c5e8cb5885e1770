"""Reports: what a read that ended is told as: log lines, events for subscribers, each waiting caller's exception."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from secretconn import events
from secretconn._core.answer import Answer
from secretconn._core.flight import Flight
from secretconn.errors import ConfigurationError, SecretError, SecretUnavailable
from secretconn.sources.base import Source, name_of, place_of, trait
from secretconn.sources.calls import cause_of

__all__ = ["Reports", "error_of"]

log = logging.getLogger("secretconn.refresh")


class Reports:
    """Tells of the reads of one secret."""

    def __init__(self, secret_id: str) -> None:
        self._secret_id = secret_id
        self._unread: set[str] = set()

    def landed(
        self, flight: Flight, before: Answer | None, answer: Answer, now: float, api_calls: int, source: Source
    ) -> tuple[events.Event, ...]:
        """Return the events of a read that brought an answer: Fetched, or Refreshed and perhaps Rotated."""
        name, version, seconds = self._secret_id, answer.current.version_id, now - flight.begun
        place = place_of(source)
        if before is None:
            return (
                events.Fetched(secret_id=name, version_id=version, seconds=seconds, api_calls=api_calls, place=place),
            )
        refreshed = events.Refreshed(
            secret_id=name, version_id=version, reason=flight.reason, seconds=seconds, api_calls=api_calls, place=place
        )
        if trait(source, "tokens") or before.current.version_id == version:
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


def error_of(error: BaseException, secret_id: str, source: Source | None = None) -> Exception:
    """Return one caller's own exception for a failed read that many waited for."""
    own: Exception
    if isinstance(error, SecretUnavailable) and hasattr(source, "where"):
        own, cause = SecretUnavailable(f"{error}{_check(secret_id)}", secret_id=error.secret_id), error.__cause__
    elif isinstance(error, SecretError):
        own, cause = error.again(), error.__cause__
    elif isinstance(error, ConfigurationError):
        own, cause = type(error)(*error.args), error.__cause__
    else:
        own, cause = _unavailable(error, secret_id, source), error
    own.__cause__ = cause
    return own


def _unavailable(error: BaseException, secret_id: str, source: Source | None) -> SecretUnavailable:
    words, named = cause_of(error), name_of(error)
    why = named if words is None else f"{words} ({named})"
    asked, more = "", ""
    if (where := getattr(source, "where", None)) is not None:  # a source of ours
        asked, more = f" from {where}", _check(secret_id)
    return SecretUnavailable(f"secret {secret_id!r} could not be read{asked}: {why}{more}", secret_id=secret_id)


def _check(secret_id: str) -> str:
    import shlex  # for those alone who are in trouble

    return f". To see what is wrong, run: secretconn check {shlex.quote(secret_id)}"
