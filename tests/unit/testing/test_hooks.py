"""forget and stand_in: what an earlier test left is gone, and what the application made at its import still works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import secretconn
from secretconn import ConfigurationError, Event, Fetched, RotatingCredentials, SecretUnavailable, Stats
from secretconn._core.rotating import core_of
from secretconn.testing import MemorySource, forget, stand_in
from tests.unit.fakes import Bed, Refused, Time

LOGIN = {"engine": "postgres", "host": "db", "username": "app", "password": "one"}


def test_the_next_read_asks_the_source_again() -> None:
    source = MemorySource(LOGIN)
    credentials = RotatingCredentials("prod/orders", source=source)
    credentials.current()
    source.change(password="two")
    assert credentials.current().password == "one"
    forget()
    assert credentials.stats() == Stats()
    assert credentials.current().password == "two"
    assert source.reads == 2


def test_what_endpoints_accepted_and_connectors_are_forgotten() -> None:
    bed = Bed()
    bed.source.put("v1", LOGIN, "AWSCURRENT")
    bed.server.accepted = {("app", "two")}
    bed.source.put("v2", {**LOGIN, "password": "two"}, "AWSPENDING")
    bed.connect()
    state = bed.core.state
    assert state.own.state is not None
    bed.rotating._connectors["a driver"] = object()
    forget()
    assert state.own.state is None
    assert state.answer is None
    assert not bed.rotating._connectors


def test_a_failure_and_the_wait_after_it_are_forgotten() -> None:
    source, time = MemorySource(LOGIN), Time()
    source.error = OSError("away")
    credentials = RotatingCredentials("prod/orders", source=source, runtime=time.runtime())
    with pytest.raises(SecretUnavailable):
        credentials.current()
    source.error = None
    forget()
    assert credentials.current().password == "one"
    assert time.slept == []


def test_subscribers_stay() -> None:
    credentials = RotatingCredentials("prod/orders", source=MemorySource(LOGIN))
    told: list[Event] = []
    end = credentials.subscribe(told.append)
    credentials.current()
    forget()
    credentials.current()
    assert [type(event) for event in told] == [Fetched, Fetched]
    end()
    forget()
    credentials.current()
    assert len(told) == 2


def test_a_read_under_way_does_not_land_in_what_was_emptied() -> None:
    source, time = MemorySource(LOGIN), Time()
    credentials = RotatingCredentials("prod/orders", source=source, runtime=time.runtime(), timeout=0.01)
    credentials.current()
    time.waiting = []
    credentials.invalidate()
    credentials.current()  # starts a refresh, which this Time keeps back
    source.on_read = lambda: pytest.fail("read before it was let go")
    forget()
    assert core_of(credentials).state.answer is None
    source.on_read = None
    time.land()


def test_the_source_is_chosen_anew_by_the_environment_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, password in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "orders").write_text(json.dumps({**LOGIN, "password": password}))
    monkeypatch.setenv("SECRETCONN_SOURCE", f"file://{tmp_path}/a")
    credentials = RotatingCredentials("orders")
    assert credentials.current().password == "one"
    monkeypatch.setenv("SECRETCONN_SOURCE", f"file://{tmp_path}/b")
    forget()
    assert credentials.current().password == "two"


def test_an_environment_that_cannot_be_is_told_to_the_next_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = RotatingCredentials("prod/orders")
    monkeypatch.setenv("SECRETCONN_SOURCE", "the moon")
    forget()
    with pytest.raises(ConfigurationError, match="SECRETCONN_SOURCE='the moon'"):
        credentials.current()
    monkeypatch.setenv("SECRETCONN_SOURCE", f"file://{tmp_path}")
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "orders").write_text(json.dumps(LOGIN))
    forget()
    assert credentials.current().password == "one"


def test_a_stand_in_serves_whoever_names_the_secret() -> None:
    before = RotatingCredentials("prod/orders", region="eu-central-1")
    with stand_in("prod/orders", MemorySource(LOGIN)):
        assert before.current().password == "one"
        assert secretconn.shared("prod/orders").current().password == "one"
        assert secretconn.shared("prod/orders", region="eu-central-1", ttl=5).current().password == "one"
        with pytest.raises(ConfigurationError, match="a stand-in for secret 'prod/orders' already"):  # noqa: SIM117
            with stand_in("prod/orders", MemorySource(LOGIN)):
                pass
    assert core_of(before).state.answer is None
    with stand_in("prod/orders", MemorySource({**LOGIN, "password": "other"})):
        assert before.current().password == "other"
        assert secretconn.shared("prod/orders").current().password == "other"


def test_an_own_source_is_left_alone() -> None:
    credentials = RotatingCredentials("prod/orders", source=MemorySource(LOGIN))
    with stand_in("prod/orders", MemorySource({**LOGIN, "password": "other"})):
        assert credentials.current().password == "one"


def test_the_fake_server_really_refuses() -> None:
    """The bed of the second test would be worth nothing if it took every login."""
    bed = Bed()
    bed.source.put("v1", LOGIN, "AWSCURRENT")
    bed.server.accepted = set()
    with pytest.raises(Refused):
        bed.connect()
