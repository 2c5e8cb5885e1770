"""The rules of rotation one by one, as pure functions; rule numbers are those of docs/rules.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn._core import rules
from secretconn._core.answer import Answer, Policy
from secretconn._core.rules import EndpointState
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials

POLICY = Policy()


def version(name: str, password: str | None = None, user: str = "app") -> Credentials:
    return Credentials(secret_id="s", version_id=name, username=user, password=password or name, host="db")


V1, V2, V3 = version("v1"), version("v2"), version("v3")


def answer(tick: int = 10, at: float = 0.0, unread: tuple[str, ...] = (), **stages: Credentials) -> Answer:
    named = {f"AWS{stage.upper()}": login for stage, login in stages.items()}
    logins = {login.version_id: login for login in named.values() if login.version_id not in unread}
    return Answer(tick, at, {stage: login.version_id for stage, login in named.items()}, logins, named[CURRENT])


def refused(*names: str, tick: int = 5, **more: Any) -> EndpointState:
    return EndpointState(refused=dict.fromkeys(names, tick), **more)


# -- rule 4a: where to start -----------------------------------------------------------------------------------------


def test_4a_starts_with_the_current_login() -> None:
    assert rules.start(None, answer(current=V1), 0.0, POLICY) == rules.Start(V1, None)
    state = refused("v9")
    assert rules.start(state, answer(current=V1), 0.0, POLICY) == rules.Start(V1, state)


def test_4a_starts_with_what_the_endpoint_last_accepted() -> None:
    state = EndpointState(accepted=V2, decide_at=10.0)
    assert rules.start(state, answer(current=V1, pending=V2), 9.9, POLICY) == rules.Start(V2, state)


# -- rule 4e: probation ----------------------------------------------------------------------------------------------


def test_4e_when_probation_is_over_a_background_refresh_is_due_and_nobody_waits_for_it() -> None:
    state = EndpointState(accepted=V2, decide_at=10.0)
    found = rules.start(state, answer(at=9.9, current=V1, pending=V2), 10.0, POLICY)
    assert found == rules.Start(V2, state, refresh_due=True)


def test_4e_it_is_current_now_the_exception_is_forgotten() -> None:
    state = EndpointState(accepted=V2, decide_at=10.0)
    found = rules.start(state, answer(at=3.0, current=V2, pending=V2, previous=V1), 4.0, POLICY)
    assert found == rules.Start(V2, None)


def test_4e_still_pending_ten_more_seconds() -> None:
    state = EndpointState(accepted=V2, decide_at=10.0)
    found = rules.start(state, answer(at=10.0, current=V1, pending=V2), 11.0, POLICY)
    assert found == rules.Start(V2, replace(state, decide_at=21.0))


@pytest.mark.parametrize("stages", [{"current": V2, "previous": V1}, {"current": V3, "previous": V2}])
def test_4e_neither_starts_with_the_current_login_again(stages: dict[str, Credentials]) -> None:
    state = EndpointState(accepted=V1, decide_at=10.0)
    found = rules.start(state, answer(at=10.0, **stages), 11.0, POLICY)
    assert found == rules.Start(stages["current"], None)


def test_4e_forgetting_the_exception_keeps_what_was_refused() -> None:
    state = refused("v9", accepted=V2, decide_at=10.0)
    assert rules.start(state, answer(current=V2), 0.0, POLICY).state == refused("v9")


def test_4e_a_rejection_ends_probation_at_once() -> None:
    state = rules.rejected(EndpointState(accepted=V2, decide_at=10.0), V2, 7)
    assert state == refused("v2", accepted=None, decide_at=10.0, tick=7)
    other = rules.rejected(EndpointState(accepted=V2, decide_at=10.0), V1, 7)
    assert other.accepted is V2


@pytest.mark.parametrize("stage", ["pending", "previous"])
def test_4e_accepted_under_another_stage_is_an_exception_on_probation(stage: str) -> None:
    held = answer(current=V1, **{stage: V2})
    state = rules.accepted(refused("v1", tick=5), V2, 6, held, 100.0, POLICY)
    assert state == EndpointState(accepted=V2, decide_at=110.0)


def test_accepted_as_current_leaves_nothing_to_remember() -> None:
    state = refused("v1", accepted=V3, decide_at=9.0, quiet_until=50.0, fruitless=3, fruitless_tick=4)
    assert rules.accepted(state, V2, 6, answer(current=V2, previous=V1), 0.0, POLICY) is None
    assert rules.accepted(None, V2, 6, answer(current=V2), 0.0, POLICY) is None
    assert rules.accepted(state, version("gone"), 6, answer(current=V2), 0.0, POLICY) is None


def test_an_acceptance_that_began_before_a_refusal_is_news_of_yesterday() -> None:
    late = refused("v2", tick=8)
    held = answer(current=V1, pending=V2)
    assert rules.accepted(late, V2, 6, held, 0.0, POLICY) == late
    assert rules.accepted(late, V2, 9, held, 0.0, POLICY) == EndpointState(accepted=V2, decide_at=10.0)
    assert rules.cleared(late, 6) == late
    assert rules.cleared(late, 9) is None


def test_cleared_ends_the_cool_down_and_keeps_the_exception() -> None:
    state = refused("v1", accepted=V2, decide_at=9.0, quiet_until=50.0, fruitless=3, fruitless_tick=4)
    assert rules.cleared(state, 6) == EndpointState(accepted=V2, decide_at=9.0)
    assert rules.cleared(None, 6) is None


# -- rule 4b: without a call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "sent", "state", "expected"),
    [
        (answer(current=V1), V1, None, None),
        (answer(current=V1, pending=V2), V1, None, V2),
        (answer(current=V2, pending=V2, previous=V1), V1, None, V2),
        (answer(current=V1, previous=V3), V1, None, None),  # older, never without a call
        (answer(current=V1, pending=V2), V2, None, None),
        (answer(current=V2, previous=V1), version("gone"), None, V2),
        (answer(current=V3), version("gone"), None, V3),
        (answer(current=V1, pending=V2), V1, refused("v2"), None),
        (answer(current=V1, pending=V2, unread=("v2",)), V1, None, None),
        (answer(current=V2, pending=V3, previous=V1), V1, None, V2),  # the current one of two
        (answer(current=V2, pending=V3, previous=V1), V1, refused("v2"), V3),
        (answer(current=V2, pending=V3, previous=V1), V1, EndpointState(accepted=V3), V3),
    ],
    ids=lambda value: None,
)
def test_4b(held: Answer, sent: Credentials, state: EndpointState | None, expected: Credentials | None) -> None:
    assert rules.newer(state, held, (sent,), POLICY.stages, POLICY) is expected


def test_4b_without_fallback_stages_only_the_current_one() -> None:
    policy = Policy(fallback_stages=())
    assert rules.newer(None, answer(current=V1, pending=V2), (V1,), policy.stages, policy) is None
    assert rules.newer(None, answer(current=V2, previous=V1), (V1,), policy.stages, policy) is V2


def test_4b_a_version_with_the_same_login_is_no_other_login() -> None:
    same = version("v2", password="v1")
    held = answer(current=V1, pending=same)
    assert rules.newer(None, held, (V1,), POLICY.stages, POLICY) is None
    assert rules.any_other(None, held, (V1,), POLICY.stages) is None


# -- rule 4c: an answer requested after the rejection ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "sent", "state", "expected"),
    [
        (answer(current=V1), (V1,), None, None),
        (answer(current=V1, pending=V2, previous=V3), (V1,), None, V2),
        (answer(current=V1, previous=V3), (V1,), None, V3),
        (answer(current=V2, pending=V3, previous=V1), (V1,), None, V2),
        (answer(current=V1, pending=V2, previous=V3), (V1,), refused("v1", "v2"), V3),
        (answer(current=V1, pending=V2, previous=V3), (V1,), refused("v1", "v2", "v3"), V2),
        (answer(current=V1, pending=V2, previous=V3), (V1, V2), None, V3),
        (answer(current=V1, pending=V2, previous=V3), (V3,), None, V1),
    ],
    ids=lambda value: None,
)
def test_4c(
    held: Answer, sent: tuple[Credentials, ...], state: EndpointState | None, expected: Credentials | None
) -> None:
    assert rules.any_other(state, held, sent, POLICY.stages) is expected


# -- rule 4d: the cool-down ------------------------------------------------------------------------------------------


def test_4d_doubles_once_per_fruitless_refresh_up_to_thirty_seconds() -> None:
    state: EndpointState | None = None
    seconds = []
    for tick in range(8):
        state = rules.cool_down(state, tick, 100.0, 0.5, rotation_visible=False)
        assert rules.cool_down(state, tick, 100.0, 0.5, rotation_visible=False) is state  # the crowd that shares it
        seconds.append(round(state.quiet_until - 100.0, 6))
    assert seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_4d_stays_at_one_second_while_a_rotation_is_visible() -> None:
    state: EndpointState | None = None
    for tick in range(6):
        state = rules.cool_down(state, tick, 0.0, 0.5, rotation_visible=True)
        assert state.quiet_until == pytest.approx(1.0)


def test_4d_is_jittered_by_a_fifth() -> None:
    low, high = (rules.cool_down(None, 1, 0.0, jitter, rotation_visible=False).quiet_until for jitter in (0.0, 1.0))
    assert (low, high) == (pytest.approx(0.8), pytest.approx(1.2))


def test_4d_quiet() -> None:
    state = rules.cool_down(None, 1, 10.0, 0.5, rotation_visible=False)
    assert rules.is_quiet(state, 10.9)
    assert not rules.is_quiet(state, 11.0)
    assert not rules.is_quiet(None, 0.0)


@pytest.mark.parametrize(
    ("held", "visible"),
    [
        (answer(current=V1), False),
        (answer(current=V1, pending=V1), False),  # AWS's own functions leave it there
        (answer(current=V1, pending=V2), True),
    ],
    ids=lambda value: None,
)
def test_a_rotation_is_visible_while_pending_is_on_another_version(held: Answer, visible: bool) -> None:
    assert held.rotation_visible(POLICY) is visible


def test_ranks() -> None:
    labelled = [(PENDING, CURRENT), (CURRENT,), (PREVIOUS,), ("OTHER",), ()]
    assert [POLICY.rank(labels) for labels in labelled] == [3, 2, 1, 0, 0]


logins = st.builds(version, st.sampled_from(["v1", "v2", "v3", "v4"]), st.sampled_from(["a", "b", "c"]))
states = st.none() | st.builds(
    EndpointState,
    accepted=st.none() | logins,
    decide_at=st.floats(0, 20),
    refused=st.dictionaries(st.sampled_from(["v1", "v2", "v3", "v4"]), st.integers(0, 9)),
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    by_id = {
        name: draw(st.builds(version, st.just(name), st.sampled_from(["a", "b", "c"]))) for name in ("v1", "v2", "v3")
    }
    stages = {CURRENT: draw(st.sampled_from(sorted(by_id)))}
    for stage in (PENDING, PREVIOUS):
        if draw(st.booleans()):
            stages[stage] = draw(st.sampled_from(sorted(by_id)))
    read = {name: by_id[name] for name in stages.values() if name == stages[CURRENT] or draw(st.booleans())}
    return Answer(draw(st.integers(0, 9)), draw(st.floats(0, 20)), stages, read, by_id[stages[CURRENT]])


@given(states, answers(), st.lists(logins, min_size=1, max_size=3), st.floats(0, 40))
def test_whatever_is_offered_is_held_staged_and_was_not_sent(
    state: EndpointState | None, held: Answer, sent: list[Credentials], now: float
) -> None:
    tried = tuple(sent)
    for found in (
        rules.newer(state, held, tried, POLICY.stages, POLICY),
        rules.any_other(state, held, tried, POLICY.stages),
    ):
        if found is not None:
            assert held.logins[found.version_id] is found
            assert found.version_id in held.stages.values()
            assert not any(found.same_login(other) for other in tried)
    begun = rules.start(state, held, now, POLICY)
    assert begun.credentials is held.current or (state is not None and begun.credentials is state.accepted)


@given(states, answers(), st.lists(logins, min_size=1, max_size=3))
def test_an_answer_new_enough_offers_a_login_whenever_it_has_another(
    state: EndpointState | None, held: Answer, sent: list[Credentials]
) -> None:
    others = [login for login in held.logins.values() if not any(login.same_login(other) for other in sent)]
    assert (rules.any_other(state, held, tuple(sent), POLICY.stages) is not None) is bool(others)
