"""Shared: a secret given by name has one RotatingCredentials per process and per way of reaching it."""

from __future__ import annotations

import logging
import threading
from typing import Any

from secretconn._core.rotating import RotatingCredentials
from secretconn.runtime import at_fork
from secretconn.sources.sessions import AnySession, Client

__all__ = ["shared"]

log = logging.getLogger("secretconn.refresh")

MAX_WITH_CLIENT = 16
"""A client or session made for each call would otherwise be kept for ever, with the megabytes that it holds."""


def shared(
    secret_id: str,
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    client: Client | None = None,
    session: AnySession | None = None,
    ttl: float | None = None,
) -> RotatingCredentials:
    """Return the RotatingCredentials that connect(), aconnect() and wrap() use for a secret given by name.

    Without any argument but the name: the one that this process has for the secret, however it is reached, if there is
    just one.

    Args:
        secret_id: Name or ARN.
        region, profile, endpoint_url, client, session, ttl: As in RotatingCredentials; another value is another object.
            With ``client`` or ``session`` only the 16 that were made last are kept.

    Raises:
        ConfigurationError: the arguments contradict each other.
    """
    return _registry.find((secret_id, region, profile, endpoint_url, client, session, ttl))


Key = tuple[Any, ...]
REACH = ("region", "profile", "endpoint_url", "client", "session", "ttl")
"""The parts of a key after the secret's id."""


class _Registry:
    """The objects made so far, by secret and way of reaching it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._kept: dict[Key, RotatingCredentials] = {}
        self._by_name: dict[Key, RotatingCredentials] = {}
        at_fork(self._after_fork)

    def find(self, key: Key) -> RotatingCredentials:
        known = self._kept.get(key) or self._by_name.get(key)
        if known is not None:
            return known
        with self._lock:
            same_secret = [kept for other, kept in self._kept.items() if other[0] == key[0]]
            if len(same_secret) == 1 and not _says_more(key):
                return self._by_name.setdefault(key, same_secret[0])
        made = RotatingCredentials(key[0], **dict(zip(REACH, key[1:], strict=True)))
        with self._lock:
            kept = self._kept.setdefault(key, made)
            self._drop_oldest()
        if same_secret and kept is made:
            log.warning(
                "secretconn: secret %r is read in %d ways in this process; each has its own cache, counters and "
                "subscribers. Make one RotatingCredentials and pass that instead of the name",
                made.secret_id,
                len(same_secret) + 1,
            )
        return kept

    def _drop_oldest(self) -> None:
        """Of those with a client or session keep the ones made last."""
        for key in [key for key in self._kept if _has_client(key)][:-MAX_WITH_CLIENT]:
            del self._kept[key]

    def _after_fork(self) -> None:
        self._lock = threading.RLock()


def _says_more(key: Key) -> bool:
    return any(part is not None for part in key[1:])


def _has_client(key: Key) -> bool:
    return key[4] is not None or key[5] is not None


_registry = _Registry()
