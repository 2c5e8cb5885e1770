"""Reports: what a read that ended is told as: events for subscribers, and each waiting caller's own exception."""

from __future__ import annotations

from secretconn import events
from secretconn._core.answer import Answer
from secretconn.errors import ConfigurationError, SecretError, SecretUnavailable
from secretconn.sources.base import name_of

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
