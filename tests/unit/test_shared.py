"""shared(): one object for each secret and way of reaching it, bounded where a client is made for each call."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import secretconn
from secretconn import ConfigurationError
from secretconn._core import shared as module
from secretconn.pools import on_rotation
from secretconn.testing import MemorySource, stand_in
from tests.unit.fakes import login


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A registry of this test's own: the process's one keeps what other tests have named."""
    own = module._Registry()
    monkeypatch.setattr(module, "_registry", own)
    yield own
    module_hooks().remove(own._after_fork)


def module_hooks() -> list[Any]:
    from secretconn._core import observers

    return observers._at_fork


def test_one_name_is_one_object_and_another_way_another() -> None:
    one = secretconn.shared("a", region="eu-west-1")
    assert secretconn.shared("a", region="eu-west-1") is one
    assert secretconn.shared("a", region="eu-west-2") is not one
    assert secretconn.shared("b", region="eu-west-1") is not one
    assert secretconn.shared("a", region="eu-west-1", ttl=60.0) is not one


def test_the_name_alone_finds_the_only_object_there_is() -> None:
    """Fault 17: on_rotation() and stats() watched another one, silently."""
    wrapped = secretconn.shared("a", region="eu-west-1", ttl=60.0)
    assert secretconn.shared("a") is wrapped
    secretconn.shared("a", region="eu-west-2")
    assert secretconn.shared("a") is wrapped  # it stays the one that the name has found


def test_a_name_that_could_mean_two_is_a_third(caplog: pytest.LogCaptureFixture) -> None:
    two = {secretconn.shared("a", region="eu-west-1"), secretconn.shared("a", region="eu-west-2")}
    assert secretconn.shared("a") not in two


def test_on_rotation_by_name_watches_the_object_that_connects_use() -> None:
    source, told = MemorySource(login("p1")), list[str]()
    with stand_in("a", source):
        used = secretconn.shared("a", region="eu-west-1")
        used.current()
        stop = on_rotation("a", lambda: told.append("rotated"))
        source.rotate("v2", login("p2"))
        used.refresh()
        stop()
    assert told == ["rotated"]


def test_two_ways_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    secretconn.shared("a", region="eu-west-1")
    secretconn.shared("a", region="eu-west-1")
    assert caplog.records == []
    secretconn.shared("a", region="eu-west-2")
    secretconn.shared("a", region="eu-west-2")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("secretconn.refresh", logging.WARNING)
    assert "secret 'a' is read in 2 ways in this process" in record.getMessage()


def test_a_client_for_each_call_is_kept_for_sixteen_of_them() -> None:
    """Fault 10: each was kept for ever."""

    class Client:
        pass

    clients = [weakref.ref(client) for client in (Client() for _ in range(60)) if secretconn.shared("a", client=client)]
    gc.collect()
    assert sum(client() is not None for client in clients) == 16
    kept = [client() for client in clients if client() is not None]
    assert kept == [client() for client in clients[-16:]]


def test_a_session_for_each_call_too_and_those_without_stay() -> None:
    plain = secretconn.shared("a", region="eu-west-1")
    sessions = [object() for _ in range(20)]
    made = [secretconn.shared("a", session=session) for session in sessions]
    assert secretconn.shared("a", region="eu-west-1") is plain
    assert secretconn.shared("a", session=sessions[-1]) is made[-1]
    assert secretconn.shared("a", session=sessions[0]) is not made[0]


def test_what_contradicts_itself_is_not_kept() -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            secretconn.shared("a", client=object(), region="eu-west-1")


def test_threads_that_come_at_once_get_one_object() -> None:
    together, found = threading.Barrier(16), list[Any]()

    def get() -> None:
        together.wait(10)
        found.append(secretconn.shared("a", region="eu-west-1"))

    threads = [threading.Thread(target=get) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 16
    assert len(set(map(id, found))) == 1


def test_made_inside_a_watcher_of_what_is_being_made() -> None:
    """As a finaliser or a signal handler does: the lock is not held, or may be taken again."""
    inner: list[Any] = []

    def watch(made: Any) -> None:
        if made.secret_id == "a" and not inner:
            inner.append(None)
            inner[0] = secretconn.shared("a", region="eu-west-1")

    end = module.RotatingCredentials.__init__.__globals__["each"](watch)
    try:
        outer = secretconn.shared("a", region="eu-west-1")
    finally:
        end()
    assert inner == [outer]
