"""Rules 4 to 6 as connect() follows them: what is sent, what is asked, what is raised. Sync and async alike."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.events import Refreshed, Rejected
from tests.unit.fakes import DRIVER, Answered, Bed, Broken, Hidden, Refused, StageSource, login

Connect = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Connects a Bed either way, so that each rule is shown for both loops."""
    if request.param == "sync":
        return lambda bed, **arguments: bed.connect(**arguments)
    return lambda bed, **arguments: asyncio.run(bed.aconnect(**arguments))


def passwords(bed: Bed) -> list[str]:
    return [password for _, password in bed.server.sent]


def warm(connect: Connect, **settings: Any) -> Bed:
    bed = Bed(**settings)
    connect(bed)
    bed.server.sent.clear()
    bed.source.api_calls = 0
    return bed


def test_a_whole_rotation_costs_one_failed_login_and_one_call(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    assert connect(bed) == "connection as app"
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p2", "p2"]
    assert bed.source.api_calls == 1


def test_alternating_users_changes_the_user(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2", user="app_clone"))
    bed.server.accepted = {("app_clone", "p2")}
    assert connect(bed) == "connection as app_clone"


def test_the_window_is_bridged_and_not_paid_for_again(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    for _ in range(3):
        connect(bed)
    assert passwords(bed) == ["p1", "p2", "p2", "p2"]
    assert bed.source.api_calls == 2


def test_without_fallback_stages_the_window_is_what_it_is_elsewhere(connect: Connect) -> None:
    bed = warm(connect, fallback_stages=())
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    with pytest.raises(Refused):
        connect(bed)


def test_probation_ends_by_a_background_refresh(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    connect(bed)
    bed.source.rotate("v2", login("p2"))
    calls = bed.source.api_calls
    bed.time.now += 9.9
    connect(bed)
    assert bed.source.api_calls == calls
    bed.time.now += 0.2
    connect(bed)
    assert bed.source.api_calls == calls + 1
    assert [event.reason for event in bed.events if isinstance(event, Refreshed)][-1] == "probation"
    bed.time.now += 100
    connect(bed)
    assert bed.source.api_calls == calls + 1
    assert bed.rotating.current().version_id == "v2"
    assert bed.core.state.own.state is None


def test_a_lagging_replica_is_served_by_the_previous_version(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2"))
    bed.rotating.refresh()
    assert connect(bed) == "connection as app"
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p2", "p1", "p1"]


def test_each_endpoint_keeps_its_own_exception(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2"))
    bed.rotating.refresh()
    connect(bed, host="lagging")
    bed.server.accepted = {("app", "p2")}
    bed.server.sent.clear()
    connect(bed, host="writer")
    connect(bed)
    assert passwords(bed) == ["p2", "p2"]


def test_nothing_newer_means_no_second_login_and_one_call_for_each_question(connect: Connect) -> None:
    bed = warm(connect)
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert passwords(bed) == ["p1"]
    assert bed.source.asked[-3:] == [("AWSCURRENT",), ("AWSPENDING",), ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")]
    assert bed.source.api_calls == 3
    assert caught.value is bed.server.errors[-1]
    tried = "secretconn: secret 's': version v1 (AWSCURRENT) rejected after 0.000 s"
    assert caught.value.__notes__ == [f"{tried}; the source has no other login."]
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert caught.value.__notes__ == [f"{tried}; the source was asked just now and had no other login."]


def test_the_same_login_under_two_versions_is_sent_once(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p1"))
    bed.server.accepted = set()
    with pytest.raises(Refused):
        connect(bed)
    assert passwords(bed) == ["p1"]


def test_refused_as_well_the_second_exception_escapes(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert passwords(bed) == ["p1", "p2"]
    assert caught.value is bed.server.errors[1]
    assert caught.value.__context__ is None
    assert "v1" in caught.value.__notes__[0]
    assert "v2" in caught.value.__notes__[0]


def test_cool_down_keeps_a_wrong_secret_cheap(connect: Connect) -> None:
    bed = warm(connect)
    bed.server.accepted = set()
    for _ in range(300):  # thirty seconds, ten connects each
        with pytest.raises(Refused):
            connect(bed)
        bed.time.now += 0.1
    assert len(bed.server.sent) == 300
    assert bed.source.api_calls <= 3 + 5 + 30 / 3  # the first inquiry, one after each cool-down, the looks meanwhile


def test_in_the_cool_down_a_held_newer_version_is_still_taken(connect: Connect) -> None:
    bed = warm(connect)
    bed.server.accepted = set()
    with pytest.raises(Refused):
        connect(bed, host="bad")
    bed.source.rotate("v2", login("p2"))
    bed.time.waiting = []
    with pytest.raises(Refused):
        connect(bed, host="bad")  # quiet: no call, so v2 is not known yet
    bed.time.land()
    bed.source.put("v3", login("p3"), "AWSPENDING")
    bed.rotating.refresh()
    bed.server.accepted = {("app", "p3")}
    calls = bed.source.api_calls
    assert connect(bed, host="bad") == "connection as app"
    assert bed.source.api_calls == calls


def test_a_connect_with_an_old_answer_waits_for_nobody_and_renews_it(connect: Connect) -> None:
    bed = warm(connect, ttl=100.0)
    bed.time.now = bed.core.reader.fresh_until
    bed.time.waiting = []
    assert connect(bed) == "connection as app"
    assert bed.rotating.stats().stale_reads == 1
    bed.time.land()
    assert bed.events[-1].reason == "ttl"


def test_a_connect_whose_first_read_fails_in_passing_waits_for_the_next_one(connect: Connect) -> None:
    bed = Bed()
    bed.source.error = Answered("InternalServiceError")
    bed.source.on_read = lambda: setattr(bed.source, "error", None)
    assert connect(bed) == "connection as app"
    assert bed.time.slept == pytest.approx([0.075])


def test_in_the_cool_down_a_version_that_was_refused_is_not_taken(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = set()
    for _ in range(3):
        with pytest.raises(Refused):
            connect(bed)
    assert passwords(bed) == ["p1", "p2", "p1", "p1"]


def test_an_old_answer_that_has_helped_is_renewed_behind(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.rotating.refresh()
    for seconds, renewed in ((10.0, []), (10.1, ["probation"])):
        bed.events.clear()
        bed.core.state.own.state = None
        bed.server.accepted = {("app", "p2")}
        bed.time.now = bed.core.state.answer.requested_at + seconds  # type: ignore[union-attr]
        assert connect(bed) == "connection as app"
        assert [event.reason for event in bed.events if isinstance(event, Refreshed)] == renewed


def test_the_cool_down_stays_short_while_a_rotation_is_new() -> None:
    bed = Bed()
    bed.connect()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = set()
    for _ in range(3):
        with pytest.raises(Refused):
            bed.connect()
        state = bed.core.state.own.state
        assert state is not None
        assert (state.fruitless, round(state.quiet_until - bed.time.now, 6)) == (1, 1.0)
        bed.time.now += 1.5


def test_in_a_cool_down_the_source_is_looked_at_every_three_seconds() -> None:
    bed = Bed()
    bed.connect()
    bed.server.accepted = set()
    looks = []
    for _ in range(200):
        with contextlib.suppress(Refused):
            bed.connect()
        looks += [bed.time.now for event in bed.events if getattr(event, "reason", "") == "cool-down"]
        bed.events.clear()
        bed.time.now += 0.1
    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(looks)]
    assert len(looks) >= 3
    assert min(gaps) >= 3.0


def test_one_bad_host_never_blinds_a_good_one(connect: Connect) -> None:
    bed = warm(connect)
    bed.server.accepted = set()
    for _ in range(3):
        with pytest.raises(Refused):
            connect(bed, host="bad")
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    assert connect(bed, host="good") == "connection as app"


def test_an_accepted_login_ends_the_cool_down(connect: Connect) -> None:
    bed = warm(connect)
    accepted, bed.server.accepted = bed.server.accepted, set()
    with pytest.raises(Refused):
        connect(bed)
    bed.server.accepted = accepted
    connect(bed)
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    assert connect(bed) == "connection as app"


@pytest.mark.parametrize("kind", [Broken, Hidden])
def test_other_failures_pass_untouched_and_suspects_are_noted(connect: Connect, kind: type[Exception]) -> None:
    bed = warm(connect)
    bed.server.accepted, bed.server.kind = set(), kind
    with pytest.raises(kind) as caught:
        connect(bed)
    assert caught.value is bed.server.errors[0]
    assert bed.source.api_calls == (0 if kind is Broken else 3)
    assert hasattr(caught.value, "__notes__") is (kind is Hidden)
    assert bed.rotating.stats().suspected == (0 if kind is Broken else 1)


def test_rule_6_a_suspect_follows_a_rotation(connect: Connect) -> None:
    bed = warm(connect)
    bed.server.kind = Hidden
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    assert connect(bed) == "connection as app"


def test_rule_6_a_suspect_never_goes_back_to_the_previous_version(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2"))
    bed.rotating.refresh()
    bed.server.kind = Hidden
    with pytest.raises(Hidden):
        connect(bed)
    assert passwords(bed) == ["p2"]


def test_another_failure_after_a_rejection_escapes_with_what_was_tried(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", login("p2"))
    bed.source.put("v3", login("p3"), PENDING)
    bed.source.on_read = lambda: setattr(bed.server, "kind", Broken)
    bed.server.accepted = set()
    with pytest.raises(Broken) as caught:
        connect(bed)
    assert passwords(bed) == ["p1", "p2"]  # nor is it asked for AWSPENDING
    assert bed.source.api_calls == 1
    assert caught.value.__notes__[0].endswith("failed for another reason after 0.000 s; it failed otherwise.")


def test_when_the_source_fails_the_drivers_exception_escapes(connect: Connect) -> None:
    bed = warm(connect)
    bed.server.accepted = set()
    bed.source.error = OSError("down")
    for _ in range(5):
        with pytest.raises(Refused) as caught:
            connect(bed)
    assert "gave no answer (OSError)" in bed.server.errors[0].__notes__[0]
    assert caught.value is bed.server.errors[-1]
    assert bed.source.api_calls == 1


@pytest.mark.parametrize(("retries", "sent"), [(0, ["p1"]), (1, ["p1", "p3", "p2"]), (2, ["p1", "p3", "p2"])])
def test_rule_5_retries(connect: Connect, retries: int, sent: list[str]) -> None:
    bed = warm(connect, retries=retries)
    bed.source.rotate("v2", login("p2"))
    bed.source.rotate("v3", login("p3"))
    bed.server.accepted = set()
    with pytest.raises(Refused):
        connect(bed)
    assert passwords(bed) == sent


def test_rule_5_without_retries_the_next_connect_profits(connect: Connect) -> None:
    bed = warm(connect, retries=0)
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert caught.value.__notes__[0].endswith("; retries=0.")
    assert connect(bed) == "connection as app"
    state = bed.core.state.own.state
    assert state is None or not state.refused


def test_rule_5_without_retries_the_window_fails_one_connect(connect: Connect) -> None:
    bed = warm(connect, retries=0)
    bed.source.put("v2", login("p2"), "AWSPENDING")  # setSecret is done, finishSecret is not
    bed.server.accepted = {("app", "p2")}
    with pytest.raises(Refused):
        connect(bed)
    for _ in range(3):
        assert connect(bed) == "connection as app"
    bed.source.rotate("v2", login("p2"))
    bed.time.now += 60.0
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1"] + ["p2"] * 4


def test_rule_5_without_retries_a_login_that_lost_its_stage_meanwhile_is_not_begun_with(connect: Connect) -> None:
    bed = warm(connect, retries=0)
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    with pytest.raises(Refused):
        connect(bed)
    del bed.source.stages["AWSPENDING"]  # the rotation was given up, and the password set back
    bed.server.accepted = {("app", "p1")}
    bed.rotating.refresh()
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p1"]


@pytest.mark.parametrize(
    ("stage", "pending", "sent"), [(CURRENT, False, 5), (CURRENT, True, 5), (PREVIOUS, False, 2), (PREVIOUS, True, 5)]
)
def test_rule_5_a_source_with_a_new_login_at_each_read_ends_as_well(
    connect: Connect, stage: str, pending: bool, sent: int
) -> None:
    """Such as one that makes a user for whoever asks. One more round while a rotation is under way."""
    bed, left = warm(connect), iter(range(20))
    if pending:
        bed.source.put("v2", login("p2"), PENDING)

    def another() -> None:
        for number in itertools.islice(left, 1):
            bed.source.put(f"w{number}", login(f"x{number}"), stage)

    bed.source.on_read, bed.server.accepted = another, set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert len(bed.server.sent) == sent
    assert caught.value.__notes__[0].endswith("; no retry is left.")


def test_rule_5_without_retries_a_login_that_is_refused_next_is_left_at_once(connect: Connect) -> None:
    bed = warm(connect, retries=0)
    bed.source.put("v2", login("p2"), "AWSPENDING")  # createSecret alone: the database knows nothing of it
    bed.server.accepted = set()
    for _ in range(2):
        with pytest.raises(Refused):
            connect(bed)
    bed.server.accepted = {("app", "p1")}
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p2", "p1"]


def test_rule_5_patience_polls_the_source_and_never_the_database(connect: Connect) -> None:
    bed = warm(connect, patience=30.0)
    bed.server.accepted = {("app", "p2")}

    def later() -> None:
        if bed.source.reads == 5:
            bed.source.rotate("v2", login("p2"))

    bed.source.on_read = later
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p2"]
    assert bed.time.slept == sorted(bed.time.slept)
    assert sum(bed.time.slept) < 30


def test_rule_5_patience_ends(connect: Connect) -> None:
    bed = warm(connect, patience=3.0)
    bed.server.accepted = set()
    with pytest.raises(Refused):
        connect(bed)
    assert bed.time.slept == pytest.approx([0.25, 0.5, 1.0, 1.25])
    assert passwords(bed) == ["p1"]
    assert [event.reason for event in bed.events if isinstance(event, Refreshed)][-1] == "patience"
    assert bed.source.api_calls == 3 + len(bed.time.slept)


def test_rule_5_patience_outlasts_a_failing_source(connect: Connect) -> None:
    bed = warm(connect, patience=30.0)
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    bed.source.error = OSError("down")
    bed.source.on_read = lambda: setattr(bed.source, "error", None) if bed.source.reads == 4 else None
    assert connect(bed) == "connection as app"


def test_rule_5_patience_is_for_after_a_login_and_jittered(connect: Connect) -> None:
    bed = warm(connect, patience=3.0, random=0.0)
    bed.server.accepted = set()
    refused: list[float] = []
    bed.rotating.subscribe(lambda event: refused.append(bed.time.now) if isinstance(event, Rejected) else None)
    for _ in range(2):  # the second one begins in the cool-down, with a login that is known to be refused
        bed.time.slept.clear()
        bed.server.sent.clear()
        begun = bed.time.now
        with pytest.raises(Refused):
            connect(bed)
        assert refused[-1] == begun
        assert bed.time.slept == pytest.approx([0.1875, 0.375, 0.75, 1.5, 0.1875])
        assert passwords(bed) == ["p1"]


def test_rule_5_and_says_why_in_the_end(connect: Connect) -> None:
    bed = warm(connect, patience=3.0)
    bed.server.accepted, bed.source.error = set(), OSError("down")
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert caught.value.__notes__[0].endswith("; the source gave no answer (OSError).")


def test_rule_5_no_patience_for_a_suspect(connect: Connect) -> None:
    bed = warm(connect, patience=30.0)
    bed.server.accepted, bed.server.kind = set(), Hidden
    with pytest.raises(Hidden):
        connect(bed)
    assert bed.time.slept == []


def test_rule_8_the_whole_secret_is_read_anew(connect: Connect) -> None:
    bed = warm(connect)
    bed.source.rotate("v2", {**login("p2"), "host": "new-db", "port": 7, "dbname": "new"})
    bed.server.accepted = {("app", "p2")}
    connect(bed)
    assert bed.server.arguments[-1] == {"host": "new-db", "port": 7, "database": "new"}


@pytest.mark.parametrize("crowd", [2, 32])
def test_4c_a_crowd_rejected_at_once_causes_one_refresh(crowd: int) -> None:
    source = StageSource(login("p1"))
    rotating = RotatingCredentials("s", source=source)
    rotating.current()
    all_sent = threading.Barrier(crowd)

    def connect(*, user: str, password: str, **_rest: Any) -> str:
        if password == "p1":
            all_sent.wait(10)
            raise Refused
        return "connection"

    wrapped = secretconn.wrap(connect, rotating, driver=DRIVER)
    source.rotate("v2", login("p2"))
    calls, found = source.api_calls, list[str]()
    threads = [threading.Thread(target=lambda: found.append(wrapped())) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == ["connection"] * crowd
    assert source.api_calls - calls == 1


async def test_4c_a_crowd_of_tasks_too() -> None:
    source = StageSource(login("p1"))
    rotating = RotatingCredentials("s", source=source)
    await rotating.acurrent()
    sent, all_sent = 0, asyncio.Event()

    async def connect(*, user: str, password: str, **_rest: Any) -> str:
        nonlocal sent
        if password != "p1":
            return "connection"
        sent += 1
        if sent == 32:
            all_sent.set()
        await all_sent.wait()
        raise Refused

    wrapped = secretconn.wrap(connect, rotating, driver=DRIVER)
    source.rotate("v2", login("p2"))
    calls = source.api_calls
    assert await asyncio.gather(*(wrapped() for _ in range(32))) == ["connection"] * 32
    assert source.api_calls - calls == 1


def test_4c_an_answer_requested_before_the_rejection_never_says_that_there_is_none() -> None:
    bed = Bed()
    bed.connect()
    bed.source.on_read = lambda: bed.source.stages.update({"AWSPENDING": "v2"})  # labelled while the read is under way
    bed.source.put("v2", login("p2"))
    bed.rotating.refresh()  # saw no AWSPENDING
    bed.server.accepted = {("app", "p2")}
    assert bed.connect() == "connection as app"
