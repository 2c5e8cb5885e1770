"""Every RotatingCredentials of the process: who wants to know of them is told once of each, and harms none."""

from __future__ import annotations

import gc
import logging
import threading

import pytest

from secretconn import RotatingCredentials
from secretconn._core import rotating
from secretconn._core.rotating import each
from secretconn.events import Refreshed
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Bed, login


def made(name: str = "s") -> RotatingCredentials:
    return RotatingCredentials(name, source=MemorySource(login("p1")))


def test_those_there_are_and_each_later_one_are_told_once_until_it_ends() -> None:
    told: list[RotatingCredentials] = []
    others: list[RotatingCredentials] = []
    before = made()
    end, end_of_others = each(told.append), each(others.append)
    later = made()
    assert (told.count(before), told.count(later)) == (1, 1)
    end()
    last = made()
    assert told.count(last) == 0
    assert others.count(last) == 1
    end_of_others()


def test_a_watcher_that_fails_is_told_of_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[RotatingCredentials] = []
    watching = threading.Event()

    def fails(credentials: RotatingCredentials) -> None:
        if watching.is_set():
            raise OSError(credentials.secret_id)

    ends = [each(fails), each(told.append)]
    watching.set()
    one = made("orders")
    for end in ends:
        end()
    assert one in told
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("secretconn.events", logging.ERROR)
    assert record.getMessage() == "secretconn: a watcher failed on secret 'orders'"


def test_nobody_is_kept_alive_by_the_roll_or_by_what_ends_a_subscription() -> None:
    end = made("short-lived").subscribe(lambda event: None)
    gc.collect()
    assert "short-lived" not in [credentials.secret_id for credentials in rotating._roll.living]
    end()


def test_what_ends_a_subscription_ends_that_of_a_forked_child_too() -> None:
    bed = Bed()
    told: list[object] = []
    end = bed.rotating.subscribe(told.append)
    rotating._roll.after_fork()
    bed.rotating.current()
    assert told
    end()
    told.clear()
    bed.rotating.refresh()
    assert told == []
    assert any(isinstance(event, Refreshed) for event in bed.events)  # the other subscriber's


def test_the_roll_of_a_forked_child_waits_for_no_lock() -> None:
    lock = rotating._roll.lock
    with lock:
        rotating._roll.after_fork()
        made()
    assert rotating._roll.lock is not lock


def test_all_is_forgotten_but_settings_and_subscribers() -> None:
    bed = Bed(timeout=0.01)
    bed.connect()
    bed.rotating._connectors["kept"] = object()
    bed.time.waiting = []
    bed.rotating.invalidate()
    bed.rotating.current()  # a read under way, which is waited for, but not for ever
    bed.rotating._forget(MemorySource(login("p2", user="other")))
    bed.time.waiting = None
    stats = bed.rotating.stats()
    assert (stats.reads, stats.connects, stats.fetches) == (0, 0, 0)
    assert bed.rotating._connectors == {}
    assert bed.rotating.current().username == "other"
    assert bed.events[-1].version_id == "v1"
