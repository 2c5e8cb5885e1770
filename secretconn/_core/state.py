"""Ledger: what is held of one secret (the newest answer) and of each endpoint, and the order in which things happened.

It takes a lock only to replace a frozen value by another; nothing waits inside, and readers take no lock at all.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping

from secretconn._core.rules import Answer, EndpointState, Policy
from secretconn.credentials import Credentials

__all__ = ["Endpoint", "EndpointKey", "Ledger"]

EndpointKey = tuple[str | None, str | None, str | None]
"""Host, port and database that the caller gave; None for what comes from the secret."""

MAX_ENDPOINTS = 1024
"""An application with a database per tenant connects to thousands; those with nothing to remember are dropped."""


class Endpoint:
    """One place that logins are sent to. ``state`` is None while there is nothing to remember."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: EndpointState | None = None


class Ledger:
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

    def endpoint(self, key: EndpointKey) -> Endpoint:
        """The endpoint for what the caller gave, made at first use."""
        found = self._endpoints.get(key)
        if found is not None:
            return found
        with self.lock:
            if len(self._endpoints) >= MAX_ENDPOINTS:
                self._endpoints = {key: place for key, place in self._endpoints.items() if place.state is not None}
            if len(self._endpoints) >= MAX_ENDPOINTS:
                self._endpoints = {}
            return self._endpoints.setdefault(key, Endpoint())

    def update(self, endpoint: Endpoint, change: Callable[[EndpointState | None], EndpointState | None]) -> None:
        """Replace an endpoint's state by what ``change`` makes of it."""
        with self.lock:
            endpoint.state = change(endpoint.state)

    def land(
        self, tick: int, requested_at: float, stages: Mapping[str, str], read: Mapping[str, Credentials], policy: Policy
    ) -> Answer | None:
        """Take in what a source answered. None, and nothing changes, where it leaves no login for the current stage."""
        with self.lock:
            logins = {**(self.answer.logins if self.answer is not None else {}), **read}
            current = logins.get(stages.get(policy.current, ""))
            if current is None:
                return None
            labelled = set(stages.values())
            self.answer = Answer(
                tick=tick,
                requested_at=requested_at,
                stages=dict(stages),
                logins={version: login for version, login in logins.items() if version in labelled},
                current=current,
            )
            return self.answer

    def forget(self) -> None:
        """Hold nothing, as at first. The order of things goes on."""
        with self.lock:
            self.answer, self.own.state, self._endpoints = None, None, {}

    def after_fork(self) -> None:
        """A forked child keeps what is held and gets a new lock."""
        self.lock = threading.RLock()
