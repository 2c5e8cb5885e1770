"""Reports: what a read that ended is told as: events for subscribers, and each waiting caller's own exception."""

from __future__ import annotations

from secretconn import events
from secretconn._core.answer import Answer
from secretconn.errors import ConfigurationError, SecretError, SecretUnavailable
from secretconn.sources.base import Source, name_of
from secretconn.sources.calls import cause_of

__all__ = ["error_of", "failed", "landed"]


def landed(
    before: Answer | None,
    answer: Answer,
    *,
    secret_id: str,
    reason: str,
    seconds: float,
    api_calls: int,
    place: str | None,
) -> tuple[events.Event, ...]:
    """Return the events of a read that brought an answer: Fetched, or Refreshed and perhaps Rotated."""
    version = answer.current.version_id
    if before is None:
        return (
            events.Fetched(secret_id=secret_id, version_id=version, seconds=seconds, api_calls=api_calls, place=place),
        )
    refreshed = events.Refreshed(
        secret_id=secret_id, version_id=version, reason=reason, seconds=seconds, api_calls=api_calls, place=place
    )
    if before.current.version_id == version:
        return (refreshed,)
    rotated = events.Rotated(
        secret_id=secret_id,
        version_id=version,
        previous_version_id=before.current.version_id,
        username_changed=before.current.username != answer.current.username,
    )
    return refreshed, rotated


def failed(
    answer: Answer | None,
    error: BaseException,
    *,
    secret_id: str,
    reason: str,
    seconds: float,
    retry_in: float,
    place: str | None,
    now: float,
) -> tuple[events.Event, ...]:
    """Return the events of a read that failed: RefreshFailed, and StaleServed where an earlier answer is held."""
    told = events.RefreshFailed(
        secret_id=secret_id, reason=reason, error=name_of(error), seconds=seconds, retry_in=retry_in, place=place
    )
    if answer is None:
        return (told,)
    version, age = answer.current.version_id, now - answer.requested_at
    return told, events.StaleServed(secret_id=secret_id, version_id=version, age=age)


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
