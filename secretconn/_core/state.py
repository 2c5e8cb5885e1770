"""State: what is held of one secret (the newest answer) and of each endpoint, and the order in which things happened.

It takes a lock only to replace a frozen value by another; nothing waits inside, and readers take no lock at all. The
lock is reentrant: a signal handler or a finaliser may call anything, in the middle of anything.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from secretconn._core.answer import Answer, News, Policy, merged
from secretconn._core.rules import EndpointState
from secretconn.credentials import Credentials
from secretconn.engines.base import Given

__all__ = ["Endpoint", "SecretState"]

EndpointKey = tuple[str | None, str | None, str | None]
"""Host, port and database; None for what the secret says."""

MAX_ENDPOINTS = 1024
"""An application with a database per tenant connects to thousands; the oldest ones are forgotten, one by one."""


class Endpoint:
    """One place that logins are sent to. ``state`` is None while there is nothing to remember."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: EndpointState | None = None


class SecretState:
    """The answer and the endpoints of one secret.

    Attributes:
        answer: The newest answer, or None before the first.
        own: The endpoint that the secret itself names.
        lock: Taken to replace a frozen value by another, never while waiting for anything.
        tick: Gives the next number in the order of requests and rejections; two never share one, as clock times do.
    """

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.own = Endpoint()
        self.tick: Callable[[], int] = itertools.count().__next__
        self._endpoints: dict[EndpointKey, Endpoint] = {}
        self.lock = threading.RLock()

    def own_place(self, _own: Credentials) -> Endpoint:
        """Return the endpoint of a caller who gives no address."""
        return self.own

    def endpoint(self, given: Given, own: Credentials, default_port: int | None) -> Endpoint:
        """Return the endpoint for what the caller's arguments say, made at first use.

        However an address is written, it is one endpoint: the host without regard to case or a final dot, and each part
        that says what the secret says anyway as if it were left out.
        """
        key = _key(given, own, default_port)
        if key == (None, None, None):
            return self.own
        known = self._endpoints.get(key)
        if known is not None:
            return known
        with self.lock:
            if len(self._endpoints) >= MAX_ENDPOINTS and key not in self._endpoints:
                self._forget_one()
            return self._endpoints.setdefault(key, Endpoint())

    def update(self, endpoint: Endpoint, change: Callable[[EndpointState | None], EndpointState | None]) -> None:
        """Replace an endpoint's state by what ``change`` returns for it."""
        with self.lock:
            endpoint.state = change(endpoint.state)

    def add(self, news: News, policy: Policy) -> Answer | None:
        """Add what a read brought. None, and nothing changes, where it leaves no login for the current stage."""
        with self.lock:
            answer = merged(self.answer, news, policy)
            if answer is not None:
                self.answer = answer
            return answer

    def forget(self) -> None:
        """Hold nothing, as at first. The order of things goes on."""
        with self.lock:
            self.answer, self.own.state, self._endpoints = None, None, {}

    def after_fork(self) -> None:
        """Take a new lock in a forked child, which keeps what is held."""
        self.lock = threading.RLock()

    def _forget_one(self) -> None:
        """Forget the oldest endpoint with nothing to remember, or else the oldest one."""
        idle = (key for key, endpoint in self._endpoints.items() if endpoint.state is None)
        del self._endpoints[next(idle, next(iter(self._endpoints)))]


def _key(given: Given, own: Credentials, default_port: int | None) -> EndpointKey:
    host = _named(given, "host", given.host)
    if host is not None:
        host = host.rstrip(".").lower()
        own_host = own.said("host")
        if own_host is not None and host == own_host.rstrip(".").lower():
            host = None
    port, database = _named(given, "port", given.port), _named(given, "database", given.database)
    if port == str(own.said("port") or default_port):
        port = None
    return host, port, None if database == own.said("database") else database


def _named(given: Given, name: str, text: str | None) -> str | None:
    """The caller's word, "" where it has no text (a socket object), None where there is none."""
    return "" if text is None and name in given.names else text
