"""The rules of rotation one by one, as pure functions; rule numbers are those of docs/rules.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn._core import rules
from secretconn._core.answer import Answer, Label, News, Policy, merged
from secretconn._core.rules import FRESH_ROTATION, EndpointState, Refusal, Tried
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials

POLICY = Policy()


def version(name: str, password: str | None = None, user: str = "app") -> Credentials:
    return Credentials(secret_id="s", version_id=name, username=user, password=password or name, host="db")


V1, V2, V3 = version("v1"), version("v2"), version("v3")


def answer(tick: int = 10, at: float = 0.0, unread: tuple[str, ...] = (), **stages: Credentials) -> Answer:
    """A whole answer, each label as old as the answer."""
    named = {f"AWS{stage.upper()}": login for stage, login in stages.items()}
    logins = {login.version_id: login for login in named.values() if login.version_id not in unread}
    labels = {stage: Label(login.version_id, tick) for stage, login in named.items()}
    pending = labels.get(PENDING)
    rotating = pending is not None and pending.version != labels[CURRENT].version
    return Answer(tick, at, labels, logins, named[CURRENT], whole=tick, rotation_at=at if rotating else None)


def news(tick: int, *asked: str, whole: bool = False, at: float = 0.0, **stages: Credentials) -> News:
    """What a read brought: the stages named are told, and every login is read."""
    named = {f"AWS{stage.upper()}": login for stage, login in stages.items()}
    logins = {login.version_id: login for login in named.values()}
    return News(tick, at, {s: login.version_id for s, login in named.items()}, logins, {}, asked or tuple(named), whole)


def refused(*names: str, tick: int = 5, **more: Any) -> EndpointState:
    return EndpointState(refused=dict.fromkeys(names, Refusal(tick, tick)), **more)


def tried(*sent: Credentials, barred: tuple[str, ...] = (), stages: tuple[str, ...] = POLICY.stages) -> Tried:
    return Tried(sent, frozenset(barred), stages)


def staged(answer: Answer) -> dict[str, str]:
    return {stage: label.version for stage, label in answer.labels.items()}


# -- what is known of the secret --------------------------------------------------------------------------------------


def test_a_whole_answer_replaces_every_label() -> None:
    held = answer(tick=1, current=V1, pending=V2, previous=V3)
    found = merged(held, news(2, whole=True, current=V2, previous=V1), POLICY)
    assert found is not None
    assert staged(found) == {CURRENT: "v2", PREVIOUS: "v1"}
    assert (found.current, found.tick, found.whole) == (V2, 2, 2)


def test_one_stage_s_answer_keeps_what_it_says_nothing_of() -> None:
    held = answer(tick=1, current=V1, previous=V3)
    found = merged(held, news(2, PENDING, pending=V2), POLICY)
    assert found is not None
    assert staged(found) == {CURRENT: "v1", PENDING: "v2", PREVIOUS: "v3"}
    assert (found.current, found.whole) == (V1, 1)
    assert found.knows(PENDING, 1)
    assert not found.knows(CURRENT, 1)


def test_a_stage_that_was_asked_for_and_is_nowhere_is_known_to_be_nowhere() -> None:
    held = answer(tick=1, current=V1, pending=V2)
    found = merged(held, news(2, PENDING), POLICY)
    assert found is not None
    assert staged(found) == {CURRENT: "v1"}
    assert found.knows(PENDING, 1)


def test_a_stage_that_could_not_be_read_keeps_its_label_and_its_problem() -> None:
    problem = OSError("throttled")
    held = answer(tick=1, current=V1, pending=V2, unread=("v2",))
    asked = News(2, 0.0, {}, {}, {PENDING: problem}, (PENDING,), whole=False)
    found = merged(held, asked, POLICY)
    assert found is not None
    assert found.problems == {PENDING: problem}
    assert staged(found)[PENDING] == "v2"
    read = merged(found, news(3, PENDING, pending=V2), POLICY)
    assert read is not None
    assert read.problems == {}
    assert read.login(PENDING) is V2


def test_when_the_current_label_moved_older_words_on_other_stages_are_void() -> None:
    held = answer(tick=1, current=V1, pending=V2, previous=V3)
    found = merged(held, news(2, CURRENT, current=V2), POLICY)
    assert found is not None
    assert staged(found) == {CURRENT: "v2"}


def test_an_older_read_that_lands_later_changes_no_newer_label() -> None:
    held = answer(tick=5, at=9.0, current=V2, previous=V1)
    found = merged(held, news(3, whole=True, at=4.0, current=V1, pending=V2), POLICY)
    assert found is not None
    assert found.current is V2
    assert staged(found)[CURRENT] == "v2"
    assert (found.tick, found.requested_at, found.whole) == (5, 9.0, 5)


@pytest.mark.parametrize("whole", [True, False])
def test_an_older_read_that_lands_later_brings_back_no_label_that_is_gone(whole: bool) -> None:
    held = merged(answer(tick=1, current=V1), news(5, PENDING, whole=whole, current=V1), POLICY)
    assert held is not None
    found = merged(held, news(3, PENDING, pending=V2), POLICY)
    assert found is not None
    assert staged(found) == {CURRENT: "v1"}
    assert found.knows(PENDING, 4)


def test_without_a_login_for_the_current_stage_nothing_is_taken() -> None:
    assert merged(None, news(1, PENDING, pending=V2), POLICY) is None
    held = answer(tick=1, current=V1)
    unread = News(2, 0.0, {CURRENT: "v2"}, {}, {}, (CURRENT,), whole=True)
    assert merged(held, unread, POLICY) is None


def test_logins_of_versions_without_a_stage_are_let_go_but_for_the_last_current_one() -> None:
    held = answer(tick=1, current=V1, previous=V3)
    found = merged(held, news(2, whole=True, current=V2), POLICY)
    assert found is not None
    assert sorted(found.logins) == ["v1", "v2"]


def test_a_rotation_is_as_old_as_its_pending_version() -> None:
    first = merged(answer(tick=1, current=V1), news(2, PENDING, at=3.0, pending=V2), POLICY)
    assert first is not None
    assert first.rotation_at == 3.0
    same = merged(first, news(3, PENDING, at=50.0, pending=V2), POLICY)
    assert same is not None
    assert same.rotation_at == 3.0
    next_one = merged(same, news(4, PENDING, at=60.0, pending=V3), POLICY)
    assert next_one is not None
    assert next_one.rotation_at == 60.0
    finished = merged(next_one, news(5, whole=True, at=70.0, current=V3, pending=V3), POLICY)
    assert finished is not None
    assert finished.rotation_at is None  # AWS's own functions leave the label on the current version


# -- rule 4a: where to start -----------------------------------------------------------------------------------------


def test_4a_starts_with_the_current_login() -> None:
    assert rules.start(None, answer(current=V1), 0.0, POLICY) == rules.Start(V1, None)
    state = refused("v9")
    assert rules.start(state, answer(current=V1), 0.0, POLICY) == rules.Start(V1, state)


def test_4a_starts_with_what_the_endpoint_last_accepted() -> None:
    state = EndpointState(accepted=V2, stage=PENDING, decide_at=10.0)
    assert rules.start(state, answer(current=V1, pending=V2), 9.9, POLICY) == rules.Start(V2, state)


# -- rule 4e: probation ----------------------------------------------------------------------------------------------

ON_PROBATION = EndpointState(accepted=V2, stage=PENDING, accepted_tick=4, decide_at=10.0)


def test_4e_when_probation_is_over_a_background_read_is_due_and_nobody_waits_for_it() -> None:
    found = rules.start(ON_PROBATION, answer(at=9.9, current=V1, pending=V2), 10.0, POLICY)
    assert found == rules.Start(V2, ON_PROBATION, read_due=True)


def test_4e_it_is_current_now_the_exception_is_forgotten() -> None:
    found = rules.start(ON_PROBATION, answer(at=3.0, current=V2, pending=V2, previous=V1), 4.0, POLICY)
    assert found == rules.Start(V2, None)


def test_4e_still_pending_ten_more_seconds() -> None:
    found = rules.start(ON_PROBATION, answer(at=10.0, current=V1, pending=V2), 11.0, POLICY)
    assert found == rules.Start(V2, replace(ON_PROBATION, decide_at=21.0))


@pytest.mark.parametrize("stages", [{"current": V2, "previous": V1}, {"current": V3, "previous": V2}])
def test_4e_neither_starts_with_the_current_login_again(stages: dict[str, Credentials]) -> None:
    state = EndpointState(accepted=V1, stage=PREVIOUS, accepted_tick=4, decide_at=10.0)
    found = rules.start(state, answer(at=10.0, **stages), 11.0, POLICY)
    assert found == rules.Start(stages["current"], None)


@pytest.mark.parametrize(
    "stages",
    [{"current": V3, "previous": V2}, {"current": V3}],
    ids=["previous", "no stage"],
)
def test_4e_a_newer_answer_ends_the_probation_of_a_login_that_has_lost_its_stage(
    stages: dict[str, Credentials],
) -> None:
    """Fault 3: two rotations later, still within ten seconds."""
    assert rules.start(ON_PROBATION, answer(tick=5, at=2.0, **stages), 3.0, POLICY) == rules.Start(V3, None)


def test_4e_an_answer_from_before_the_login_was_accepted_ends_nothing() -> None:
    old = answer(tick=4, at=2.0, current=V1)
    assert rules.start(ON_PROBATION, old, 3.0, POLICY) == rules.Start(V2, ON_PROBATION, read_due=True)


def test_4e_forgetting_the_exception_keeps_what_was_refused() -> None:
    state = refused("v9", accepted=V2, stage=PENDING, decide_at=10.0)
    assert rules.start(state, answer(current=V2), 0.0, POLICY).state == refused("v9")


def test_4e_a_rejection_ends_probation_at_once() -> None:
    assert rules.rejected(ON_PROBATION, V2, 7) == refused("v2", tick=7)
    other = rules.rejected(ON_PROBATION, V1, 7)
    assert (other.accepted, other.stage, other.decide_at) == (V2, PENDING, 10.0)


def test_a_refusal_keeps_its_first_and_its_last_tick() -> None:
    state = rules.rejected(rules.rejected(None, V1, 3), V1, 8)
    assert state.refused == {"v1": Refusal(3, 8)}


@pytest.mark.parametrize("stage", ["pending", "previous"])
def test_4e_accepted_under_another_stage_is_an_exception_on_probation(stage: str) -> None:
    held = answer(current=V1, **{stage: V2})
    state = rules.accepted(refused("v1", tick=5), V2, 6, held, 100.0, POLICY)
    assert state == EndpointState(accepted=V2, stage=f"AWS{stage.upper()}", accepted_tick=6, decide_at=110.0)


def test_accepted_as_current_leaves_nothing_to_remember() -> None:
    state = refused("v1", accepted=V3, decide_at=9.0, quiet_until=50.0, fruitless=3, fruitless_tick=4)
    assert rules.accepted(state, V2, 6, answer(current=V2, previous=V1), 0.0, POLICY) is None
    assert rules.accepted(None, V2, 6, answer(current=V2), 0.0, POLICY) is None
    assert rules.accepted(state, version("gone"), 6, answer(current=V2), 0.0, POLICY) is None


def test_an_acceptance_that_began_before_a_refusal_is_news_of_yesterday() -> None:
    late = refused("v2", tick=8)
    held = answer(current=V1, pending=V2)
    assert rules.accepted(late, V2, 6, held, 0.0, POLICY) == late
    assert rules.accepted(late, V2, 9, held, 0.0, POLICY) == EndpointState(
        accepted=V2, stage=PENDING, accepted_tick=9, decide_at=10.0
    )
    assert rules.cleared(late, 6) == late
    assert rules.cleared(late, 9) is None


def test_cleared_ends_the_cool_down_and_keeps_the_exception() -> None:
    state = replace(refused("v1", quiet_until=50.0, fruitless=3, fruitless_tick=4), accepted=V2, decide_at=9.0)
    assert rules.cleared(state, 6) == EndpointState(accepted=V2, decide_at=9.0)
    assert rules.cleared(None, 6) is None


def test_a_login_left_to_the_next_connect_is_the_one_it_begins_with() -> None:
    held = answer(current=V1, pending=V2)
    state = rules.try_next(refused("v1", "v2"), V2, held, 7, 3.0)
    assert (state.accepted, state.stage, state.accepted_tick, state.decide_at) == (V2, PENDING, 7, 13.0)
    assert state.refused == refused("v1").refused
    assert rules.start(state, held, 4.0, POLICY).credentials is V2


def test_4f_only_what_this_endpoint_refused_is_known_to_be_refused() -> None:
    assert rules.is_refused(refused("v1"), V1)
    assert not rules.is_refused(refused("v2"), V1)
    assert not rules.is_refused(None, V1)


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
    assert rules.newer(state, held, tried(sent), POLICY) is expected


def test_4b_without_fallback_stages_only_the_current_one() -> None:
    policy = Policy(fallback_stages=())
    assert rules.newer(None, answer(current=V1, pending=V2), tried(V1, stages=policy.stages), policy) is None
    assert rules.newer(None, answer(current=V2, previous=V1), tried(V1, stages=policy.stages), policy) is V2


def test_4b_a_version_with_the_same_login_is_no_other_login() -> None:
    same = version("v2", password="v1")
    held = answer(current=V1, pending=same)
    assert rules.newer(None, held, tried(V1), POLICY) is None
    assert rules.any_other(None, held, tried(V1)) is None


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
    assert rules.any_other(state, held, tried(*sent)) is expected


def test_4c_a_version_is_offered_once_though_it_has_two_stages() -> None:
    other = version("v2", password="v1")  # AWSPENDING and AWSCURRENT alike, and the same login
    assert rules.any_other(None, answer(current=other, pending=other), tried(V1)) is None


# -- rule 4g: a user that may not come in -----------------------------------------------------------------------------

CLONE, CLONE_2 = version("v2", user="app_clone"), version("v3", user="app_clone")


def test_4g_of_a_barred_user_no_other_password_is_sent() -> None:
    held = answer(current=V2, pending=V3)
    assert rules.newer(None, held, tried(V1, barred=("app",)), POLICY) is None
    assert rules.any_other(None, held, tried(V1, barred=("app",))) is None


def test_4g_another_user_may_be_tried() -> None:
    held = answer(current=CLONE, previous=V1)
    assert rules.newer(None, held, tried(V1, barred=("app",)), POLICY) is CLONE
    assert rules.any_other(None, held, tried(V1, barred=("app",))) is CLONE
    assert rules.any_other(None, answer(current=V1, pending=CLONE_2), tried(V1, CLONE, barred=("app_clone",))) is None


# -- rule 4c: what to ask next ----------------------------------------------------------------------------------------


def test_4c_the_current_stage_is_asked_for_first_then_the_pending_one_then_everything() -> None:
    held = answer(tick=1, current=V1)
    asked = []
    for tick in range(6, 10):
        stages = rules.question(None, held, tried(V1), 5, 5, POLICY)
        if stages is None:
            break
        asked.append(stages)
        found = merged(held, news(tick, *stages, whole=len(stages) > 1, current=V1), POLICY)
        assert found is not None
        held = found
    assert asked == [(CURRENT,), (PENDING,), POLICY.stages]


def test_4c_after_a_fruitless_inquiry_everything_is_asked_for_at_once() -> None:
    held = answer(tick=1, current=V1)
    state = refused("v1", fruitless=1, fruitless_tick=1)
    assert rules.question(state, held, tried(V1), 5, 5, POLICY) == POLICY.stages


def test_4c_a_suspect_is_no_reason_to_ask_for_the_previous_version() -> None:
    held = answer(tick=1, current=V1)
    stages = (CURRENT, PENDING)
    state = refused("v1", fruitless=1, fruitless_tick=1)
    assert rules.question(state, held, tried(V1, stages=stages), 5, 5, POLICY) == stages


def test_4c_a_whole_answer_from_after_the_refusal_leaves_nothing_to_ask() -> None:
    assert rules.question(None, answer(tick=6, current=V1), tried(V1), 5, 5, POLICY) is None


def test_4c_a_label_whose_version_nobody_read_is_asked_for() -> None:
    held = answer(tick=6, current=V2, previous=V1, unread=("v1",))
    assert rules.question(None, held, tried(V2), 5, 5, POLICY) == (PREVIOUS,)
    unreadable = held._replace(problems={PREVIOUS: OSError()})
    assert rules.question(None, unreadable, tried(V2), 5, 5, POLICY) is None


def test_4c_unreadable_counts_while_a_rotation_goes_on_and_not_for_the_previous_version() -> None:
    held = answer(current=V1, pending=V2, unread=("v2",))._replace(problems={PENDING: OSError()})
    assert rules.unreadable(held, tried(V1), POLICY) == PENDING
    assert rules.unreadable(held._replace(rotation_at=None), tried(V1), POLICY) is None
    previous = answer(current=V1, pending=V3, previous=V2, unread=("v2",))._replace(problems={PREVIOUS: OSError()})
    assert rules.unreadable(previous, tried(V1), POLICY) is None


# -- rule 4d: the cool-down ------------------------------------------------------------------------------------------


def test_4d_doubles_once_per_fruitless_inquiry_up_to_thirty_seconds() -> None:
    state: EndpointState | None = None
    seconds = []
    for tick in range(8):
        state = rules.cool_down(state, tick, 100.0, 0.5, None)
        assert rules.cool_down(state, tick, 100.0, 0.5, None) is state  # the crowd that shares it
        seconds.append(round(state.quiet_until - 100.0, 6))
    assert seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_4d_stays_at_one_second_while_a_rotation_is_news() -> None:
    state: EndpointState | None = None
    for tick in range(6):
        state = rules.cool_down(state, tick, 100.0 + tick * 0.9, 0.5, rotation_at=100.0)
        assert state.quiet_until == pytest.approx(101.0 + tick * 0.9)


def test_4d_a_rotation_that_was_given_up_is_no_news_after_five_seconds() -> None:
    """Fault 14: its label stays for good."""
    state: EndpointState | None = None
    seconds = []
    for tick in range(4):
        now = 100.0 + FRESH_ROTATION + tick
        state = rules.cool_down(state, tick, now, 0.5, rotation_at=100.0)
        seconds.append(round(state.quiet_until - now, 6))
    assert seconds == [1.0, 2.0, 4.0, 8.0]


def test_4d_is_jittered_by_a_fifth() -> None:
    low, high = (rules.cool_down(None, 1, 0.0, jitter, None).quiet_until for jitter in (0.0, 1.0))
    assert (low, high) == (pytest.approx(0.8), pytest.approx(1.2))


def test_4d_quiet() -> None:
    state = rules.cool_down(None, 1, 10.0, 0.5, None)
    assert rules.is_quiet(state, 10.9)
    assert not rules.is_quiet(state, 11.0)
    assert not rules.is_quiet(None, 0.0)


def test_4d_the_longest_cool_down_is_no_clock_that_jumped() -> None:
    assert rules.is_quiet(EndpointState(quiet_until=36.0), 0.0)  # 30 s and a fifth
    assert not rules.is_quiet(EndpointState(quiet_until=36.1), 0.0)


def test_4d_a_clock_that_jumps_back_leaves_nobody_quiet_for_good() -> None:
    state = rules.cool_down(None, 1, 1000.0, 0.5, None)
    assert not rules.is_quiet(state, 10.0)


@pytest.mark.parametrize(
    ("held", "at"),
    [
        (news(1, whole=True, at=7.0, current=V1), None),
        (news(1, whole=True, at=7.0, current=V1, pending=V1), None),  # AWS's own functions leave it there
        (news(1, whole=True, at=7.0, current=V1, pending=V2), 7.0),
    ],
    ids=lambda value: None,
)
def test_a_rotation_is_visible_while_pending_is_on_another_version(held: News, at: float | None) -> None:
    found = merged(None, held, POLICY)
    assert found is not None
    assert found.rotation_at == at


def test_ranks() -> None:
    labelled = [(PENDING, CURRENT), (CURRENT,), (PREVIOUS,), ("OTHER",), ()]
    assert [POLICY.rank(labels) for labels in labelled] == [3, 2, 1, 0, 0]


logins = st.builds(version, st.sampled_from(["v1", "v2", "v3", "v4"]), st.sampled_from(["a", "b", "c"]))
states = st.none() | st.builds(
    EndpointState,
    accepted=st.none() | logins,
    decide_at=st.floats(0, 20),
    refused=st.dictionaries(
        st.sampled_from(["v1", "v2", "v3", "v4"]), st.builds(Refusal, st.integers(0, 4), st.integers(5, 9))
    ),
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
    labels = {stage: Label(name, draw(st.integers(0, 9))) for stage, name in stages.items()}
    return Answer(draw(st.integers(0, 9)), draw(st.floats(0, 20)), labels, read, by_id[stages[CURRENT]])


@given(states, answers(), st.lists(logins, min_size=1, max_size=3), st.floats(0, 40))
def test_whatever_is_offered_is_held_staged_and_was_not_sent(
    state: EndpointState | None, held: Answer, sent: list[Credentials], now: float
) -> None:
    for found in (rules.newer(state, held, tried(*sent), POLICY), rules.any_other(state, held, tried(*sent))):
        if found is not None:
            assert held.logins[found.version_id] is found
            assert found.version_id in staged(held).values()
            assert not any(found.same_login(other) for other in sent)
    begun = rules.start(state, held, now, POLICY)
    assert begun.credentials is held.current or (state is not None and begun.credentials is state.accepted)


@given(states, answers(), st.lists(logins, min_size=1, max_size=3), st.integers(-1, 20))
def test_an_answer_new_enough_offers_a_login_whenever_it_has_another(
    state: EndpointState | None, held: Answer, sent: list[Credentials], whole: int
) -> None:
    held = held._replace(whole=whole)
    others = [login for login in held.logins.values() if not any(login.same_login(other) for other in sent)]
    refused = state.refused if state is not None else {}
    since = [refused[one.version_id].last for one in others if one.version_id in refused]
    since = [tick for tick in since if tick > whole]
    assert (rules.any_other(state, held, tried(*sent)) is not None) is (len(since) < len(others))
    assert rules.last_refusal_since(state, held, tried(*sent)) == max(since, default=-1)


@given(st.lists(st.tuples(st.sampled_from([CURRENT, PENDING, PREVIOUS]), st.booleans()), min_size=1, max_size=6))
def test_whatever_order_reads_land_in_each_stage_is_told_by_the_newest(reads: list[tuple[str, bool]]) -> None:
    """Reads that saw the same secret may land in any order, and the labels are the same."""
    secret = {"current": V1, "pending": V2, "previous": V3}
    all_news = [news(0, whole=True, **secret)]
    for tick, (stage, whole) in enumerate(reads, 1):
        named = stage.removeprefix("AWS").lower()
        all_news.append(news(tick, whole=True, **secret) if whole else news(tick, stage, **{named: secret[named]}))
    for order in (all_news, all_news[:1] + all_news[:0:-1]):
        held: Answer | None = None
        for one in order:
            held = merged(held, one, POLICY)
        assert held is not None
        assert staged(held) == {CURRENT: "v1", PENDING: "v2", PREVIOUS: "v3"}
        assert held.tick == len(reads)
