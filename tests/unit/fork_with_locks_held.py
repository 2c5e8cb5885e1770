"""Run by test_fork.py: another thread holds every lock of secretconn's, this one forks, and the child uses everything.

The locks are found by walking from the modules and objects of secretconn, so no name of one stands here. A child that
waits for a lock of its parent is killed by its alarm, and the exit status tells.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import sys
import tempfile
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import secretconn
from tests.unit.fakes import DRIVER, Server, login

SECONDS = 20
LOCKS = (type(threading.Lock()), type(threading.RLock()))
PLAIN = (dict, list, tuple, set, frozenset, deque, types.CellType, types.MethodType, functools.partial)
WEAK = (weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary)


def ours(thing: object) -> bool:
    """Whether to look inside: a module, class, function or object of secretconn's, or what such things hold."""
    if isinstance(thing, types.ModuleType):
        return thing.__name__.split(".")[0] == "secretconn"
    if isinstance(thing, (*PLAIN, *WEAK, weakref.ReferenceType)):
        return True
    home = thing.__module__ if isinstance(thing, (type, types.FunctionType)) else type(thing).__module__
    return isinstance(home, str) and home.split(".")[0] == "secretconn"


def inside(thing: object) -> Iterable[object]:
    if isinstance(thing, weakref.ReferenceType):
        return (thing(),)
    if isinstance(thing, WEAK):
        return (vars(thing),)
    if isinstance(thing, types.FunctionType):
        return (thing.__closure__ or (), thing.__defaults__ or ())
    return gc.get_referents(thing)


def locks(*roots: object) -> list[Any]:
    """Every lock that can be reached."""
    waiting = [*roots, *(module for name, module in sys.modules.items() if name.split(".")[0] == "secretconn")]
    seen: dict[int, object] = {}
    found = []
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, LOCKS):
            found.append(thing)
        elif ours(thing):
            waiting += inside(thing)
    return found


def held(*roots: object) -> int:
    """Have a thread take the locks and keep them; how many there are."""
    found, taken = locks(*roots), threading.Event()

    def hold() -> None:
        for lock in found:
            assert lock.acquire(timeout=SECONDS)
        taken.set()
        threading.Event().wait()

    threading.Thread(target=hold, daemon=True).start()
    assert taken.wait(SECONDS)
    return len(found)


def core() -> Iterator[object]:
    """The objects; then, in the child, all that may be done with them."""
    folder = Path(tempfile.mkdtemp())
    for name in ("orders", "other"):
        (folder / name).write_text(json.dumps({**login("p1"), "engine": "postgres"}))
    rotating = secretconn.shared(f"file://{folder}/orders")
    told: list[secretconn.Event] = []
    stop = rotating.subscribe(told.append)
    connect = secretconn.wrap(Server(("app", "p1"), ("app", "p2")).connect, rotating, driver=DRIVER)
    connect()
    before = rotating.current()
    yield rotating
    assert rotating.current() is before
    assert rotating.stats().fetches == 0
    connect()
    (folder / "orders").write_text(json.dumps(login("p2")))
    rotating.invalidate()
    assert rotating.refresh().password == "p2"
    assert any(isinstance(event, secretconn.Rotated) for event in told)
    connect()
    assert rotating.stats().connects == 2
    assert secretconn.shared(f"file://{folder}/orders") is rotating
    assert secretconn.shared(f"file://{folder}/other").current().password == "p1"
    rotating.subscribe(print)()
    stop()
    repr(rotating)


def otel() -> Iterator[object]:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from secretconn import otel
    from secretconn.testing.memory import MemorySource

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    rotating = secretconn.RotatingCredentials("s", source=MemorySource(login("p1")))
    end = otel.instrument(rotating, meter_provider=provider)
    yield otel._telemetry(provider, None)
    rotating.refresh()
    later = secretconn.RotatingCredentials("t", source=MemorySource(login("p1")))
    end_later = otel.instrument(later, meter_provider=provider)
    later.current()
    data = reader.get_metrics_data()
    assert data is not None
    told = {point.attributes["secretconn.secret"] for metric in data.resource_metrics[0].scope_metrics[0].metrics
            for point in metric.data.data_points}  # fmt: skip
    assert told == {"s", "t"}
    end_later()
    end()


def django() -> Iterator[object]:
    from secretconn.django.live_settings import LiveSettings, live
    from secretconn.django.options import secret_of
    from secretconn.testing.memory import MemorySource

    secret = secret_of({"credentials": secretconn.RotatingCredentials("s", source=MemorySource(login("p1")))})
    given = {"USER": "", "PASSWORD": "", "OPTIONS": {}}
    databases: dict[str, Any] = {"default": given}
    yield secret
    made = live(given, "default", secret, databases)
    assert isinstance(made, LiveSettings)
    assert databases["default"] is made
    assert made["USER"] == "app"


class Session:
    """As boto3's: makes clients, each of which knows one login."""

    made = 0

    def client(self, *_args: Any, **_settings: Any) -> Session:
        self.made += 1
        return self

    def get_secret_value(self, **_arguments: str) -> Any:
        return {"VersionId": "1" * 32, "VersionStages": ["AWSCURRENT"], "SecretString": json.dumps(login("p1"))}

    def describe_secret(self, **_arguments: str) -> Any:
        return {"VersionIdsToStages": {"1" * 32: ["AWSCURRENT"]}}

    def close(self) -> None:
        pass


def clients() -> Iterator[object]:
    session: Any = Session()
    rotating = secretconn.RotatingCredentials("s", session=session)
    rotating.current()
    yield rotating
    rotating.refresh()
    assert secretconn.RotatingCredentials("t", session=session).current().password == "p1"
    assert session.made == 2


SCENES: dict[str, Callable[[], Iterator[object]]] = {
    "clients": clients,
    "core": core,
    "django": django,
    "otel": otel,
}


def main(scene: str) -> int:
    """The child's exit status: 0, or that of its failure, or the alarm's number."""
    acts = SCENES[scene]()
    count = held(next(acts))
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        next(acts, None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(count)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    os._exit(main(sys.argv[1]))  # the holder never lets go
