"""Ctrl-C at any point of a connect() leaves nothing locked: the next connect() works, in this thread and in another.

A trace function raises KeyboardInterrupt at the first line (or byte code) that runs inside the library, then at the
second in a new run, and so on until a run ends without being hit. Reads of the source run in threads of their own,
which Python never interrupts.

Two places are left out, where a trace function can raise and a signal cannot, because the interpreter looks for signals
after a call and at a jump back: between the end of a ``with`` body and the call of its exit, and at NOT_TAKEN, which in
Python 3.14 stands outside the table that says what to do on an exception.
"""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import secretconn
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import DRIVER, Refused, Server, Time, login

HOME = str(Path(secretconn.__file__).parent)
NOT_OURS = (str(Path(HOME) / "testing"), str(Path(HOME) / "cli"))
WATCHDOG = 20.0
"""Seconds after which a thread that does not come back counts as locked out."""


@cache
def without_signals(code: CodeType) -> frozenset[int]:
    """Offsets of NOT_TAKEN, and of what calls a ``with`` statement's exit: None, None, None, CALL, and SWAPs before."""
    found: list[dis.Instruction] = list(dis.get_instructions(code))
    offsets = {one.offset for one in found if one.opname == "NOT_TAKEN"}
    for at in range(len(found) - 2):
        if all(one.opname == "LOAD_CONST" and one.argval is None for one in found[at : at + 3]):
            begin = at
            while begin and found[begin - 1].opname in ("SWAP", "NOP"):
                begin -= 1
            end = next(after for after in range(at, len(found)) if found[after].opname == "CALL")
            offsets |= {one.offset for one in found[begin : end + 1]}
    return frozenset(offsets)


class Interrupter:
    """Raises KeyboardInterrupt at the ``at``-th event inside the library; counts events until then."""

    def __init__(self, at: int, event: str) -> None:
        self.left, self._event = at, event
        self.where = ""

    def run(self, work: Callable[[], object]) -> bool:
        """Whether the work was interrupted."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(HOME) or name.startswith(NOT_OURS):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        if event == self._event and frame.f_lasti not in without_signals(frame.f_code):
            self.left -= 1
            if self.left == 0:
                self.where = f"{Path(name).name}:{frame.f_lineno}"
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._trace


class Scene:
    """One application with its own secret and server; ``connect`` is the application's."""

    def __init__(self, **settings: Any) -> None:
        time = Time()
        self.time = time
        self.source = MemorySource(login("p1"))
        self.server = Server(("app", "p1"))
        runtime = secretconn.Runtime(clock=lambda: time.now, sleep=time.sleep, random=lambda: 0.5)
        self.rotating = secretconn.RotatingCredentials("s", source=self.source, runtime=runtime, **settings)
        self.connect = secretconn.wrap(self.server.connect, self.rotating, driver=DRIVER)

    def rotate(self) -> None:
        self.source.rotate("v2", login("p2"))
        self.server.accepted = {("app", "p2")}

    def works_everywhere(self, after: str = "") -> None:
        """connect() in another thread first, for a lock that this thread holds would let this thread in again."""
        opened: list[object] = []
        thread = threading.Thread(target=lambda: opened.append(self.connect()), daemon=True)
        thread.start()
        thread.join(WATCHDOG)
        assert not thread.is_alive(), f"locked out: {after}"
        assert opened, after
        assert self.connect()
        assert self.rotating.stats().reads > 0


def cold() -> Scene:
    return Scene()


def rotated() -> Scene:
    scene = Scene()
    scene.connect()
    scene.rotate()
    return scene


def stale() -> Scene:
    scene = Scene(ttl=10.0)
    scene.connect()
    scene.time.now += 100.0
    return scene


def patient() -> Scene:
    """The new version comes while connect() polls for it."""
    scene = Scene(patience=60.0)
    scene.connect()
    scene.server.accepted = {("app", "p2")}
    reads = scene.source.reads

    def come() -> None:
        if scene.source.reads == reads + 3:
            scene.rotate()

    scene.source.on_read = come
    return scene


def pending() -> Scene:
    """The window: the login under AWSPENDING is the only one that works; then the probation that follows."""
    scene = Scene()
    scene.connect()
    scene.source.put("v2", login("p2"), "AWSPENDING")
    scene.server.accepted = {("app", "p2")}
    scene.connect()
    scene.time.now += 60.0
    return scene


def in_a_thread(interrupter: Interrupter, work: Callable[[], object]) -> bool:
    """In a thread of its own: a trace function that raises where an ``except`` block ends leaves its thread believing
    that the exception is still being handled. No other test should inherit that.
    """
    interrupted: list[bool] = []
    thread = threading.Thread(target=lambda: interrupted.append(interrupter.run(work)), daemon=True)
    thread.start()
    thread.join(WATCHDOG)
    assert interrupted, "it neither ended nor was interrupted"
    return interrupted[0]


# Ctrl-C while a flow that nobody holds any more ends: Python prints it and goes on.
@pytest.mark.filterwarnings("ignore:Exception ignored .*<generator object:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("event", ["line", "opcode"])
@pytest.mark.parametrize("scenario", [cold, rotated, stale, patient, pending])
def test_nothing_stays_locked(scenario: Callable[[], Scene], event: str) -> None:
    places = set()
    step = 1 if event == "line" else 7
    for at in range(1, 100_000, step):
        scene, interrupter = scenario(), Interrupter(at, event)
        if not in_a_thread(interrupter, scene.connect):
            break
        places.add(interrupter.where)
        scene.works_everywhere(interrupter.where)
    else:
        pytest.fail("the flow never ended")
    assert len(places) > 15


def test_a_login_that_is_interrupted_is_not_held_against_anybody() -> None:
    """The driver itself is interrupted in the middle of a login."""
    scene = rotated()
    accepted, scene.server.accepted = scene.server.accepted, set()
    scene.server.kind = KeyboardInterrupt  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        scene.connect()
    scene.server.accepted, scene.server.kind = accepted, Refused
    scene.works_everywhere()
    assert scene.rotating.stats().rejected == 1
