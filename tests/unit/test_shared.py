"""shared(): one object for each secret and way of reaching it, bounded where a client is made for each call."""

from __future__ import annotations

import gc
import itertools
import logging
import threading
import weakref
from typing import Any

import pytest

import secretconn
from secretconn import ConfigurationError
from secretconn._core.rotating import each
from secretconn.pools import on_rotation
from secretconn.testing import MemorySource, stand_in
from tests.unit.fakes import login

NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """A secret that no other test has named: what shared() made stays for the life of the process."""
    return f"shared/{next(NUMBERS)}"


def test_one_name_is_one_object_and_another_way_another(name: str) -> None:
    one = secretconn.shared(name, region="eu-west-1")
    assert secretconn.shared(name, region="eu-west-1") is one
    assert secretconn.shared(name, region="eu-west-2") is not one
    assert secretconn.shared(f"{name}/b", region="eu-west-1") is not one
    assert secretconn.shared(name, region="eu-west-1", ttl=60.0) is not one


def test_one_that_is_there_is_not_made_again(name: str) -> None:
    made: list[Any] = []
    leave = each(made.append)
    there = len(made)
    for _ in range(2):
        secretconn.shared(name, region="eu-west-1")
        secretconn.shared(name)
    leave()
    assert len(made) == there + 1


def test_the_name_alone_finds_the_only_object_there_is(name: str) -> None:
    """Fault 17: on_rotation() and stats() watched another one, silently."""
    wrapped = secretconn.shared(name, region="eu-west-1", ttl=60.0)
    assert secretconn.shared(name) is wrapped
    secretconn.shared(name, region="eu-west-2")
    assert secretconn.shared(name) is wrapped  # it stays the one that the name has found


def test_a_name_that_could_mean_two_is_a_third(name: str) -> None:
    two = {secretconn.shared(name, region="eu-west-1"), secretconn.shared(name, region="eu-west-2")}
    assert secretconn.shared(name) not in two


def test_on_rotation_by_name_watches_the_object_that_connects_use(name: str) -> None:
    source, told = MemorySource(login("p1")), list[str]()
    with stand_in(name, source):
        used = secretconn.shared(name, region="eu-west-1")
        used.current()
        stop = on_rotation(name, lambda: told.append("rotated"))
        source.rotate("v2", login("p2"))
        used.refresh()
        stop()
    assert told == ["rotated"]


def test_two_ways_are_warned_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    secretconn.shared(name, region="eu-west-1")
    secretconn.shared(name, region="eu-west-1")
    assert caplog.records == []
    secretconn.shared(name, region="eu-west-2")
    secretconn.shared(name, region="eu-west-2")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("secretconn.refresh", logging.WARNING)
    assert record.getMessage() == (
        f"secretconn: secret {name!r} is read in 2 ways in this process; each has its own cache, counters and "
        "subscribers. Make one RotatingCredentials and pass that instead of the name"
    )


def test_a_client_for_each_call_is_kept_for_sixteen_of_them(name: str) -> None:
    """Fault 10: each was kept for ever."""

    class Client:
        pass

    made = (Client() for _ in range(60))
    clients = [weakref.ref(client) for client in made if secretconn.shared(name, client=client)]
    gc.collect()
    assert sum(client() is not None for client in clients) == 16
    kept = [client() for client in clients if client() is not None]
    assert kept == [client() for client in clients[-16:]]


def test_a_session_for_each_call_too_and_those_without_stay(name: str) -> None:
    plain = secretconn.shared(name, region="eu-west-1")
    sessions = [object() for _ in range(20)]
    made = [secretconn.shared(name, session=session) for session in sessions]
    assert secretconn.shared(name, region="eu-west-1") is plain
    assert secretconn.shared(name, session=sessions[-1]) is made[-1]
    assert secretconn.shared(name, session=sessions[0]) is not made[0]


def test_what_contradicts_itself_is_not_kept(name: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            secretconn.shared(name, client=object(), region="eu-west-1")


def test_threads_that_come_at_once_get_one_object(name: str) -> None:
    together, found = threading.Barrier(16), list[Any]()

    def get() -> None:
        together.wait(10)
        found.append(secretconn.shared(name, region="eu-west-1"))

    threads = [threading.Thread(target=get) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 16
    assert len(set(map(id, found))) == 1


def test_made_inside_a_watcher_of_what_is_being_made(name: str) -> None:
    """As a finaliser or a signal handler does: the lock is not held, or may be taken again."""
    inner: list[Any] = []

    def watch(made: Any) -> None:
        if made.secret_id == name and not inner:
            inner.append(None)
            inner[0] = secretconn.shared(name, region="eu-west-1")

    end = each(watch)
    try:
        outer = secretconn.shared(name, region="eu-west-1")
    finally:
        end()
    assert inner == [outer]
