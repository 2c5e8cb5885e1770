"""Shared: a secret given by name has one RotatingCredentials per process and per way of reaching it."""

from __future__ import annotations

import os
import threading
from typing import Any

from secretconn._core.rotating import RotatingCredentials

__all__ = ["shared"]

_lock = threading.Lock()
_by_reach: dict[tuple[Any, ...], RotatingCredentials] = {}


def shared(
    secret_id: str,
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    client: Any = None,
    session: Any = None,
    ttl: float | None = None,
) -> RotatingCredentials:
    """The RotatingCredentials that connect(), aconnect() and wrap() use for a secret given by name.

    Args:
        secret_id: Name or ARN.
        region, profile, endpoint_url, client, session, ttl: As in RotatingCredentials; another value is another object.

    Raises:
        ConfigurationError: the arguments contradict each other.
    """
    key = (secret_id, region, profile, endpoint_url, client, session, ttl)
    found = _by_reach.get(key)
    if found is not None:
        return found
    made = RotatingCredentials(
        secret_id, region=region, profile=profile, endpoint_url=endpoint_url, client=client, session=session, ttl=ttl
    )
    with _lock:
        return _by_reach.setdefault(key, made)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603  (another thread of the parent may have held it)
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
