"""States: all there is of a process and its world as a snapshot to go back to, and as a hash to know it again by."""

from __future__ import annotations

from typing import Any

from secretconn._core.reading import Inquiries
from tests.exhaustive.keys import Key, Tick
from tests.exhaustive.process import Process

__all__ = ["key", "restore", "snapshot"]

OWN = ("now", "begun", "failures", "asked_at", "refused", "costs", "looked", "torn")

UNCHANGING = {
    "_secret_id", "source", "_shape", "_settings", "_runtime", "_state", "_observers", "_reports", "_generation",
    "_inquiries", "_counted",
}  # fmt: skip

OF_CONNECT = ("endpoint", "steps", "offered", "quiet", "hidden", "effects", "sent")


def snapshot(process: Process) -> tuple[Any, ...]:
    """Return all there is, where the process is idle: then it is frozen values alone."""
    reader = [(name, _copied(value)) for name, value in _reader_held(process)]
    states = {name: endpoint.state for name, endpoint in process.endpoints.items()}
    own = [(name, _copied(getattr(process, name))) for name in OWN]
    return (process.world.at, process.world.late, process.core.state.answer, states, reader, own)


def restore(process: Process, snapshot: tuple[Any, ...]) -> None:
    """Go back."""
    process.world.at, process.world.late, process.core.state.answer, states, reader, own = snapshot
    for name, state in states.items():
        process.endpoints[name].state = state
    for name, value in reader:
        setattr(process.core.reader, name, _copied(value))
    process.core.reader._inquiries = Inquiries()  # how many begin in a second is not what is explored here
    for name, value in own:
        setattr(process, name, _copied(value))
    process.connects, process.work, process.seen = [], None, []


def key(process: Process) -> int:
    """Return the state as a hash."""
    key = Key(process.now)
    key.put((process.world.at, process.world.late, process.failures, *vars(process.costs).values()))
    key.put((process.torn, min(process.world.at - process.looked, 2)))
    key.put(process.core.state.answer)
    for name, endpoint in process.endpoints.items():
        key.put(endpoint.state)
        key.put(process.refused[name])
    for _, value in _reader_held(process):
        key.put(value)
    key.put(process.work is not None)
    key.put(process.seen)
    key.tick(Tick(process.asked_at))
    for connect in process.connects:
        key.put(tuple(getattr(connect, name) for name in OF_CONNECT))
        key.put(sorted(connect.outcomes))
        key.tick(Tick(connect.sent_at))
        key.put(connect.pending)
        key.put(connect.flow)
    key.put(process.reason if process.work is not None else "")
    return key.hash()


def _reader_held(process: Process) -> list[tuple[str, Any]]:
    """What the reader remembers."""
    return [(name, value) for name, value in vars(process.core.reader).items() if name not in UNCHANGING]


def _copied(value: Any) -> Any:
    """A copy of what is changed in place."""
    if type(value) is dict:
        return {name: dict(inner) for name, inner in value.items()}
    return set(value) if type(value) is set else value
