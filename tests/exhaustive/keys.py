"""Keys: a state of the explored world as a hash, equal for states from which the same can follow.

Ticks count by their order alone and times by their distance from now, so a world that goes round comes back to itself.
A suspended flow is its place in the code and its local variables.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from secretconn._core.answer import Answer, Label, Policy
from secretconn._core.effects import Await, Budget, Wait
from secretconn._core.flight import Flight, Unanswered
from secretconn._core.observers import Counters, Observers
from secretconn._core.reader import Reader
from secretconn._core.recovery import Core, _Inquiry
from secretconn._core.rules import EndpointState, Refusal, Tried
from secretconn._core.settings import Settings
from secretconn._core.state import Endpoint, SecretState
from secretconn._core.trail import Trail
from secretconn.credentials import Credentials
from secretconn.runtime import Runtime

__all__ = ["EPOCH", "Key", "Tick"]

EPOCH = 1e6
"""Where the virtual clock begins: a larger float is a moment, a smaller one a duration."""

LONG = 30.0
"""Seconds after which a moment is as good as any earlier one."""


class Tick(int):
    """A tick that can be told from other numbers."""

    __slots__ = ()


PLUMBING = (
    Core, Reader, SecretState, Observers, Counters, Settings, Policy, Runtime, Trail,
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType, functools.partial,
)  # fmt: skip
DEAD = {"opening": {"answer", "error", "sent_at", "found", "verdict"}}
"""Locals that a flow has set and does not look at after the next login; they would only tell equal states apart."""


class Key:
    """Collects the parts of a state."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._parts: list[Any] = []
        self._ticks: list[int] = []
        self._seen: dict[int, int] = {}

    def hash(self) -> int:
        """Return the hash of all that was put in."""
        parts = self._parts
        ranks = {tick: rank for rank, tick in enumerate(sorted({parts[at] for at in self._ticks}))}
        for at in self._ticks:
            parts[at] = ranks[parts[at]]
        return hash(tuple(parts))

    def put(self, value: Any) -> None:
        """Add a value; TypeError for one of a kind that is not known here."""
        kind = type(value)
        put = PUT.get(kind)
        if put is None:
            put = PUT[kind] = _putter(value)
        put(self, value)

    def atom(self, value: Any) -> None:
        self._parts.append(value)

    def tick(self, value: int) -> None:
        self._ticks.append(len(self._parts))
        self._parts.append(value)

    def number(self, value: float) -> None:
        if value > EPOCH / 2:
            value = max(-LONG, min(LONG, round(value - self.now, 1)))
        self._parts.append(round(value, 1))

    def mapping(self, value: dict[Any, Any]) -> None:
        self._parts.append(len(value))
        for name in sorted(value):
            self._parts.append(name)
            self.put(value[name])

    def sequence(self, value: Any) -> None:
        self._parts.append(len(value))
        for one in value:
            self.put(one)

    def unordered(self, value: Any) -> None:
        self._parts.append(tuple(sorted(value)))

    def fields(self, value: Any) -> None:
        """A frozen value; one that was met before is the same again."""
        met = self._seen.get(id(value))
        if met is not None:
            self._parts.append(met)
            return
        self._seen[id(value)] = -len(self._seen) - 2
        for name in FIELDS[type(value)]:
            self.put(getattr(value, name))

    def flow(self, flow: Any) -> None:
        """A suspended generator, with those that it waits for."""
        while flow is not None:
            frame = flow.gi_frame
            if frame is None:
                self._parts.append("over")
                return
            self._parts += (flow.__name__, frame.f_lasti)
            dead = DEAD.get(flow.__name__, ())
            for name, value in frame.f_locals.items():
                if name not in dead:
                    self.put(value)
            flow = flow.gi_yieldfrom


def _names(kind: type) -> tuple[str, ...]:
    if issubclass(kind, tuple):
        return kind._fields  # type: ignore[attr-defined,no-any-return]
    return tuple(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]


FIELDS: dict[type, tuple[str, ...]] = {
    **{kind: _names(kind) for kind in (Answer, EndpointState, Tried, Unanswered, Await, Wait)},
    Flight: ("reason", "tick", "landed", "over", "outcome"),
    _Inquiry: (
        "_tried", "_since", "_refused_at", "_round", "_rounds", "_asked", "_again_until", "_budget",
    ),
    Budget: ("left", "begun"),
}  # fmt: skip
FIELDS[EndpointState] = tuple(name for name in FIELDS[EndpointState] if name not in {"fruitless", "quiet_until"})


def _endpoint_state(key: Key, state: EndpointState) -> None:
    key.fields(state)
    key.atom((state.fruitless > 0, state.quiet_until > key.now))  # a rest ends each cool-down, however long


def _skip(key: Key, value: Any) -> None:
    pass


PUT: dict[type, Callable[[Key, Any], None]] = {
    Tick: Key.tick,
    float: Key.number,
    dict: Key.mapping,
    tuple: Key.sequence,
    list: Key.sequence,
    deque: Key.sequence,
    Label: Key.sequence,
    Refusal: Key.sequence,
    set: Key.unordered,
    frozenset: Key.unordered,
    types.GeneratorType: Key.flow,
    Credentials: lambda key, login: key.atom(login.version_id),
    EndpointState: _endpoint_state,
    Endpoint: _skip,
    **dict.fromkeys((str, int, bool, type(None)), Key.atom),
    **dict.fromkeys(PLUMBING, _skip),
}


def _putter(value: Any) -> Callable[[Key, Any], None]:
    if type(value) in FIELDS:
        return Key.fields
    if isinstance(value, BaseException):
        return lambda key, error: key.atom(type(error).__name__)
    if isinstance(value, enum.Enum):
        return Key.atom
    raise TypeError(f"a state holds a {type(value)}, which tests/exhaustive/keys.py does not know")
