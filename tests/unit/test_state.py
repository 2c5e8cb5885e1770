"""What is held: which addresses are one endpoint, and which endpoint is forgotten where there are too many."""

from __future__ import annotations

import threading

import pytest

from secretconn._core.answer import Answer, Label, News, Policy
from secretconn._core.rules import FRESH
from secretconn._core.state import MAX_ENDPOINTS, Endpoint, SecretState
from secretconn.credentials import CURRENT, Credentials
from secretconn.engines.base import NOTHING_GIVEN, Given


def named(version: str = "v1", host: str | None = "db.example", port: int | None = None) -> Credentials:
    return Credentials("s", version, "app", "p1", host=host, port=port, database="shop")


OWN = named()


def given(**parts: str | None) -> Given:
    return Given(frozenset(parts), **parts)


def endpoint(state: SecretState, own: Credentials = OWN, **parts: str | None) -> Endpoint:
    return state.endpoint(given(**parts), own, 5432)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"host": "db.example"},
        {"host": "DB.Example."},
        {"host": "db.example", "port": "5432"},
        {"port": "5432", "database": "shop"},
    ],
    ids=str,
)
def test_what_the_secret_says_anyway_is_its_own_endpoint(parts: dict[str, str]) -> None:
    state = SecretState()
    assert endpoint(state, **parts) is state.own


def test_so_is_it_where_the_secret_s_host_ends_with_a_dot() -> None:
    state = SecretState()
    for host in ("db.example", "db.example.", "DB.Example"):
        assert endpoint(state, named(host="DB.example."), host=host) is state.own
    assert endpoint(state, named(host="DB.exampleX"), host="db.example") is not state.own


def test_one_address_in_four_spellings_is_one_endpoint() -> None:
    state = SecretState()
    found = {
        id(endpoint(state, **parts))
        for parts in (
            {"host": "other"},
            {"host": "OTHER"},
            {"host": "other.", "port": "5432"},
            {"host": "Other", "database": "shop"},
        )
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    "parts",
    [{"host": "other"}, {"host": "db.exampleX"}, {"port": "6432"}, {"database": "Shop"}, {"host": None}],
    ids=str,
)
def test_another_host_port_or_database_is_another_endpoint(parts: dict[str, str | None]) -> None:
    state = SecretState()
    assert endpoint(state, **parts) is not state.own
    assert endpoint(state, **parts) is endpoint(state, **parts)


@pytest.mark.parametrize("name", ["host", "port", "database"])
def test_what_is_given_as_no_text_is_an_endpoint_of_its_own(name: str) -> None:
    """A socket object, say."""
    state = SecretState()
    place = state.endpoint(Given(frozenset({name})), OWN, 5432)
    assert place is not state.own
    assert place is state.endpoint(Given(frozenset({name})), OWN, 5432)


def test_a_secret_without_a_host_knows_what_the_caller_says() -> None:
    state, bare = SecretState(), named(host=None, port=6432)
    assert endpoint(state, bare, host="db", port="6432") is endpoint(state, bare, host="db")
    assert endpoint(state, bare, host="db", port="5432") is not endpoint(state, bare, host="db")
    assert state.endpoint(NOTHING_GIVEN, bare, 5432) is state.own


def hosts(state: SecretState) -> set[str | None]:
    return {host for host, _, _ in state._endpoints}


def test_the_oldest_endpoints_are_forgotten_one_by_one() -> None:
    """Fault 18: all were dropped at once."""
    state = SecretState()
    for number in range(1100):
        state.update(endpoint(state, host=f"h{number}"), lambda _: FRESH)
    assert hosts(state) == {f"h{number}" for number in range(1100 - MAX_ENDPOINTS, 1100)}


def test_those_with_nothing_to_remember_go_first() -> None:
    state = SecretState()
    state.update(endpoint(state, host="cooling"), lambda _: FRESH)
    for number in range(3000):
        endpoint(state, host=f"h{number}")
    assert "cooling" in hosts(state)
    assert len(hosts(state)) == MAX_ENDPOINTS


def test_one_that_is_known_forgets_no_other() -> None:
    state = SecretState()
    for number in range(MAX_ENDPOINTS):
        endpoint(state, host=f"h{number}")
    before = hosts(state)
    for number in range(MAX_ENDPOINTS):
        endpoint(state, host=f"h{number}")
    assert hosts(state) == before


def test_ticks_differ_between_threads() -> None:
    state, ticks = SecretState(), list[int]()
    threads = [threading.Thread(target=lambda: ticks.extend(state.tick() for _ in range(5000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ticks)) == 20_000


def news(tick: int, version: str) -> News:
    return News(tick, 0.0, {CURRENT: version}, {version: named(version)}, {}, (CURRENT,), whole=True)


def test_what_leaves_no_login_changes_nothing() -> None:
    state = SecretState()
    answer = state.add(news(1, "v1"), Policy())
    assert isinstance(answer, Answer)
    assert state.add(news(2, "v2")._replace(logins={}), Policy()) is None
    assert state.answer is answer


def test_forgetting_keeps_the_order_of_things() -> None:
    state = SecretState()
    state.add(news(state.tick(), "v1"), Policy())
    state.update(state.own, lambda _: FRESH)
    state.update(endpoint(state, host="other"), lambda _: FRESH)
    before = state.tick()
    state.forget()
    assert (state.answer, state.own.state, hosts(state)) == (None, None, set())
    assert state.tick() > before
    assert state.add(news(state.tick(), "v2"), Policy()).labels == {CURRENT: Label("v2", before + 2)}  # type: ignore[union-attr]


def test_replacing_takes_the_lock_and_may_do_so_again_inside() -> None:
    """As a signal handler does, in the middle of anything."""
    state = SecretState()

    def change(_: object) -> None:
        state.update(state.own, lambda now: now)
        state.endpoint(given(host="other"), OWN, 5432)

    done = threading.Thread(target=lambda: state.update(state.own, change), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()
