"""Observers: the counters and subscribers of one secret, and the roll of all RotatingCredentials of this process.

Nothing here blocks: signal handlers, finalisers and subscribers may call all of it at any moment.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from typing import Generic, TypeVar

from secretconn.events import Event, Stats, Subscriber
from secretconn.runtime import at_fork

__all__ = ["Counters", "Observers", "Roll", "Subscription"]

log = logging.getLogger("secretconn.events")

_telling: contextvars.ContextVar[frozenset[Subscription]] = contextvars.ContextVar("telling", default=frozenset())
"""The subscriptions that are being told of something in this context."""


class Counters:
    """The counters of Stats. ``add`` takes no lock and loses nothing between threads.

    ``next()`` on itertools.count is one step for the interpreter, and its repr shows the value without changing it.
    """

    def __init__(self) -> None:
        self._counts = {field.name: itertools.count() for field in fields(Stats)}
        self._counts["misses"] = self._counts.pop("hits")
        self.read: Callable[[], int] = self._counts["reads"].__next__
        self.connected: Callable[[], int] = self._counts["connects"].__next__

    def add(self, **amounts: int) -> None:
        """Add to some counters."""
        for name, amount in amounts.items():
            for _ in range(amount):
                next(self._counts[name])

    def stats(self) -> Stats:
        """Return the counters so far."""
        counts = {name: int(repr(count)[len("count(") : -1]) for name, count in self._counts.items()}
        misses = counts.pop("misses")
        return Stats(hits=max(counts["reads"] - misses, 0), **counts)


class Subscription:
    """One subscriber of one secret, None once that has ended."""

    __slots__ = ("__weakref__", "subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber: Subscriber | None = subscriber

    def end(self) -> None:
        """Unsubscribe. Anything may do so at any moment."""
        self.subscriber = None


class Observers:
    """Tells the subscribers what happened, in order, one event at a time.

    The thread in which something happens tells it, unless another one is telling just now: that one goes on with it, in
    the context (a trace, say) of where it happened. So a subscriber that takes its time delays its own caller at most.
    What a subscriber causes itself is not told to it again: one that connects at each Rejected would never end.

    Args:
        spawn: Starts some work in the background; raises RuntimeError where it cannot.
    """

    def __init__(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self.counters = Counters()
        self._spawn = spawn
        self._subscriptions: tuple[Subscription, ...] = ()
        self._lock = threading.RLock()
        self._queue: deque[tuple[Event, contextvars.Context]] = deque()
        self._role = threading.Lock()  # never waited for: whoever has it tells
        self._teller: int | None = None

    def subscribe(self, subscriber: Subscriber) -> Subscription:
        """Add a subscriber, and forget those that have ended."""
        added = Subscription(subscriber)
        with self._lock:
            self._subscriptions = (*(one for one in self._subscriptions if one.subscriber is not None), added)
        return added

    def telling(self) -> bool:
        """True inside a subscriber of this secret; not in the tasks that it has started, which may live long."""
        return self._teller == threading.get_ident()

    def tell(self, *events: Event, between: Callable[[], object] | None = None) -> None:
        """Tell of some events. ``between`` is done once they are in line and before any subscriber is called."""
        last = None
        for event in events:
            log.debug("secretconn: %r", event)
            if self._subscriptions:
                last = (event, contextvars.copy_context())
                self._queue.append(last)
        mine = self._role.acquire(blocking=False) if last is not None else False
        if between is not None:
            between()
        if mine:
            self._tell_until(last)
        self._tell_rest()

    def reset(self) -> None:
        """Count from zero, for the same subscribers."""
        self.counters = Counters()

    def after_fork(self) -> None:
        """In a forked child: new locks, counters at zero, nothing in line, the same subscribers."""
        self._lock, self._role = threading.RLock(), threading.Lock()
        self._queue.clear()
        self._teller = None
        self.reset()

    def _tell_until(self, last: object) -> None:
        """With the role: tell what is in line, up to this caller's own last event."""
        self._teller = threading.get_ident()
        try:
            while self._queue:
                event, context = told = self._queue.popleft()
                context.run(self._tell_one, event)
                if told is last:
                    break
        finally:
            self._teller = None
            self._role.release()

    def _tell_rest(self) -> None:
        """What came in line meanwhile has another caller, and this one need not wait for its subscribers."""
        if self._queue and not self._role.locked():
            try:
                self._spawn(self._tell_all)
            except RuntimeError:
                self._tell_all()

    def _tell_all(self) -> None:
        while self._queue and self._role.acquire(blocking=False):
            self._tell_until(None)

    def _tell_one(self, event: Event) -> None:
        caused_by = _telling.get()
        for subscription in self._subscriptions:
            subscriber = subscription.subscriber
            if subscriber is None or subscription in caused_by:
                continue
            token = _telling.set(caused_by | {subscription})
            try:
                subscriber(event)
            except KeyboardInterrupt:
                raise
            except BaseException:  # whatever a subscriber does wrong, connections go on
                log.exception("secretconn: a subscriber failed on %s", type(event).__name__)
            finally:
                _telling.reset(token)


Member = TypeVar("Member")


class Roll(Generic[Member]):
    """The living objects of one kind in this process, and who wants to be told of new ones.

    Args:
        after_fork: Called with each of them in a forked child.
    """

    def __init__(self, after_fork: Callable[[Member], None]) -> None:
        self._renew = after_fork
        self._lock = threading.RLock()
        self._living: weakref.WeakSet[Member] = weakref.WeakSet()
        self._watchers: tuple[Callable[[Member], object], ...] = ()
        at_fork(self._after_fork)

    def add(self, made: Member) -> None:
        """Add one and tell the watchers. One that raises is logged and harms nothing."""
        with self._lock:
            self._living.add(made)
            watchers = self._watchers
        for watcher in watchers:
            try:
                watcher(made)
            except Exception:
                log.exception("secretconn: a watcher failed on %r", made)

    def living(self) -> list[Member]:
        """Return those there are."""
        with self._lock:
            return list(self._living)

    def watch(self, watcher: Callable[[Member], object]) -> Callable[[], None]:
        """Call ``watcher`` once with each, those there are and each later one. Return a function that ends that."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)
            living = list(self._living)
        for member in living:
            watcher(member)
        return lambda: self._leave(watcher)

    def _leave(self, watcher: Callable[[Member], object]) -> None:
        with self._lock:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        for member in list(self._living):
            self._renew(member)
