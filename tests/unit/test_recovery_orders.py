"""Orders of events in which connects used to fail, ask too often or send a login known to be refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials
from secretconn._core import rules
from secretconn._core.connector import Connector
from secretconn._core.effects import Await
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials
from secretconn.engines.base import NOTHING_GIVEN
from secretconn.sources.secrets_manager import SecretsManagerSource
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import (
    DRIVER,
    Answered,
    Barred,
    Bed,
    Hidden,
    Refused,
    Server,
    StageSource,
    Time,
    drive,
    login,
)

Connect = Callable[..., Any]
ALL = (CURRENT, PENDING, PREVIOUS)


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "sync":
        return lambda bed, **arguments: bed.connect(**arguments)
    return lambda bed, **arguments: asyncio.run(bed.aconnect(**arguments))


@pytest.fixture(params=[True, False], ids=["by stage", "whole"])
def source(request: pytest.FixtureRequest) -> MemorySource:
    """A source that answers one stage at a time, and one that always tells all labels."""
    return MemorySource(login("p1"), by_stage=request.param)


def passwords(bed: Bed) -> list[str]:
    return [password for _, password in bed.server.sent]


def warm(*arguments: Any, **settings: Any) -> Bed:
    bed = Bed(*arguments, **settings)
    bed.connect()
    bed.server.sent.clear()
    bed.source.api_calls = 0
    return bed


# -- two behind (A1) --------------------------------------------------------------------------------------------------


def test_a_process_that_slept_through_a_rotation_and_wakes_in_the_next_window(connect: Connect, source: Any) -> None:
    bed = warm(source)
    bed.source.rotate("v2", login("p2"))
    bed.source.put("v3", login("p3"), PENDING)
    bed.server.accepted = {("app", "p3")}
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p2", "p3"]


def test_so_do_all_its_threads() -> None:
    source = StageSource(login("p1"))
    rotating = RotatingCredentials("s", source=source)
    rotating.current()
    source.rotate("v2", login("p2"))
    source.put("v3", login("p3"), PENDING)
    crowd, opened = threading.Barrier(32), list[str]()

    def connect(*, password: str, **_rest: Any) -> str:
        if password == "p1":
            crowd.wait(10)
        if password != "p3":
            raise Refused
        return "connection"

    wrapped = secretconn.wrap(connect, rotating, driver=DRIVER)
    calls = source.api_calls
    threads = [threading.Thread(target=lambda: opened.append(wrapped())) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert opened == ["connection"] * 32
    assert source.api_calls - calls <= 3


def test_each_labelled_version_is_sent_at_most_once(connect: Connect, source: Any) -> None:
    bed = warm(source)
    bed.source.rotate("v2", login("p2"))
    bed.source.rotate("v3", login("p3"))
    bed.source.put("v4", login("p4"), PENDING)
    bed.server.accepted = set()
    with pytest.raises(Refused):
        connect(bed)
    assert sorted(passwords(bed)) == ["p1", "p2", "p3", "p4"]
    assert passwords(bed)[-1] == "p2"  # AWSPREVIOUS last


# -- one secret, two databases ----------------------------------------------------------------------------------------


def test_a_pending_login_that_another_database_accepted_long_ago_uses_up_nothing(connect: Connect, source: Any) -> None:
    bed = Bed(source)
    for host in ("a", "b"):
        connect(bed, host=host)
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = {("app", "p2")}
    connect(bed, host="a")
    bed.source.rotate("v2", login("p2"))
    bed.source.rotate("v3", login("p3"))
    bed.server.accepted = {("app", "p3")}
    bed.server.sent.clear()
    assert connect(bed, host="b") == "connection as app"
    assert passwords(bed) == ["p1", "p2", "p3"]


def test_a_held_login_that_is_refused_is_no_round_so_the_inquiry_follows(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    bed.rotating.refresh()  # holds AWSPENDING
    bed.source.rotate("v3", login("p3"))
    bed.server.accepted = {("app", "p3")}
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p2", "p3"]


def test_probation_does_not_outlast_a_newer_answer(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = {("app", "p2")}
    connect(bed)
    bed.source.rotate("v2", login("p2"))
    bed.source.rotate("v3", login("p3"))
    bed.server.accepted = {("app", "p3")}
    bed.rotating.refresh()
    bed.server.sent.clear()
    connect(bed)
    assert passwords(bed) == ["p3"]


# -- a login that is known to be refused (A2) -------------------------------------------------------------------------


def flows(bed: Bed) -> Any:
    connector = Connector(bed.rotating, print, DRIVER)
    while True:
        yield connector.flow(NOTHING_GIVEN)


def test_only_logins_under_way_at_the_first_refusal_are_refused() -> None:
    """Arrivals 20 ms apart, a call of 150 ms: those that begin after the refusal wait for its answer."""
    bed = warm()
    bed.source.rotate("v2", login("p2"))
    bed.time.waiting = []
    arrivals = flows(bed)
    first, under_way = next(arrivals), next(arrivals)
    assert [next(flow).version_id for flow in (first, under_way)] == ["v1", "v1"]
    waits = first.send(Refused())
    assert isinstance(waits, Await)
    later = [next(arrivals) for _ in range(7)]
    for flow in later:
        bed.time.now += 0.02
        assert next(flow).flight is waits.flight  # nothing is sent
    assert under_way.send(Refused()).flight is waits.flight
    bed.time.land()
    for flow in (first, under_way, *later):
        found = flow.send(waits.flight.outcome)
        assert isinstance(found, Credentials)
        assert found.version_id == "v2"
    assert bed.rotating.stats().rejected == 2
    assert bed.source.api_calls == 1


def test_one_that_begins_later_asks_itself_before_it_sends_anything() -> None:
    """Nobody else is asking: the first one's process was killed, or it gave up waiting."""
    bed = warm()
    bed.source.rotate("v2", login("p2"))
    bed.time.waiting = []
    first, second = (next(flows(bed)) for _ in range(2))
    next(first)
    first.send(Refused())
    first.close()
    bed.time.waiting = None
    bed.core.reader._flight = None
    assert drive(second, bed.time, lambda login: bed.server.sent.append(("", login.version_id))) is None
    assert bed.server.sent == [("", "v2")]


def test_in_a_cool_down_it_is_sent_for_the_database_may_have_been_mended(connect: Connect) -> None:
    bed = warm()
    bed.server.accepted = set()
    with pytest.raises(Refused):
        connect(bed)
    calls = bed.source.api_calls
    bed.server.accepted = {("app", "p1")}
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p1"]
    assert bed.source.api_calls == calls


# -- a user that may not come in (A3) ---------------------------------------------------------------------------------


def test_barred_and_the_secret_names_another_user(connect: Connect, source: Any) -> None:
    bed = warm(source)
    bed.server.kind = Barred
    bed.source.rotate("v2", login("p2", user="app_clone"))
    bed.server.accepted = {("app_clone", "p2")}
    assert connect(bed) == "connection as app_clone"
    assert bed.server.sent == [("app", "p1"), ("app_clone", "p2")]


def test_barred_and_the_secret_has_only_another_password(connect: Connect, source: Any) -> None:
    bed = warm(source)
    bed.server.kind, bed.server.accepted = Barred, set()
    bed.source.rotate("v2", login("p2"))
    for _ in range(10):
        with pytest.raises(Barred) as caught:
            connect(bed)
    assert "refused whatever the password" in bed.server.errors[0].__notes__[0]
    assert len(bed.server.sent) == 10  # one login for each connect
    assert caught.value is bed.server.errors[-1]


# -- a stage that could not be read (A4) ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "InternalServiceError"])
def test_a_pending_version_that_cannot_be_read_at_first_is_asked_for_again(connect: Connect, code: str) -> None:
    bed = warm()
    bed.source.put("v0", login("p0"), PREVIOUS)
    bed.source.put("v2", login("p2"), PENDING)
    bed.source.unreadable[PENDING] = Answered(code)
    reads = bed.source.reads

    def heals() -> None:
        if bed.source.reads >= reads + 4:
            bed.source.unreadable.clear()

    bed.source.on_read = heals
    bed.server.accepted = {("app", "p2")}
    assert connect(bed) == "connection as app"
    assert passwords(bed) == ["p1", "p2"]
    assert 0 < sum(bed.time.slept) <= 1.0


def test_one_that_stays_unreadable_holds_nobody_up_for_long_and_is_named(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v0", login("p0"), PREVIOUS)
    bed.source.put("v2", login("p2"), PENDING)
    bed.source.unreadable[PENDING] = Answered("AccessDeniedException")
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert passwords(bed) == ["p1", "p0"]
    assert 0.8 <= sum(bed.time.slept) <= 1.2
    assert "AWSPENDING could not be read (Answered: AccessDeniedException)" in caught.value.__notes__[0]
    assert "quote" not in caught.value.__notes__[0]


def test_a_denied_pending_version_fails_a_connect_in_the_window(connect: Connect) -> None:
    """docs/rules.md, "What can still fail". finishSecret ends it."""
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    bed.source.unreadable[PENDING] = Answered("AccessDeniedException")
    bed.server.accepted = {("app", "p2")}
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert "AWSPENDING could not be read (Answered: AccessDeniedException)" in caught.value.__notes__[0]
    bed.source.stages = {CURRENT: "v2", PREVIOUS: "v1"}
    bed.time.now += 2.0  # the cool-down of a fresh rotation
    assert connect(bed) == "connection as app"


def test_with_no_rotation_under_way_an_unreadable_stage_costs_no_time(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v0", login("p0"), PREVIOUS)
    bed.source.unreadable[PREVIOUS] = Answered("AccessDeniedException")
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert bed.time.slept == []
    assert "AWSPREVIOUS could not be read" in caught.value.__notes__[0]


# -- what it costs (A7, A8) -------------------------------------------------------------------------------------------


def test_a_finished_rotation_is_one_call_and_the_window_two(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = {("app", "p2")}
    connect(bed)
    assert (bed.source.asked[-2:], bed.source.api_calls) == ([(CURRENT,), (PENDING,)], 2)
    bed.source.rotate("v2", login("p2"))
    bed.time.now += 30.0
    connect(bed)  # and one more for the probation
    connect(bed)
    assert bed.source.api_calls == 3
    bed.source.rotate("v3", login("p3"))
    bed.server.accepted = {("app", "p3")}
    connect(bed)
    assert bed.source.api_calls == 4


class BusyServer(Server):
    """Takes longer than a probation to let somebody in."""

    def __init__(self, time: Time, *accepted: tuple[str, str]) -> None:
        super().__init__(*accepted)
        self._time = time

    def connect(self, *args: Any, **arguments: Any) -> str:
        connection = super().connect(*args, **arguments)
        self._time.now += 15.0
        return connection


def test_an_answer_that_came_during_the_connect_is_not_an_old_one(connect: Connect) -> None:
    bed = warm()
    bed.source.rotate("v2", login("p2"))
    bed.server = BusyServer(bed.time, ("app", "p2"))
    connect(bed)
    assert (bed.source.asked[-1], bed.source.api_calls) == ((CURRENT,), 1)


class Client:
    """Secrets Manager, for a role that may not describe."""

    def __init__(self) -> None:
        self.values = {CURRENT: ("v1", "p1")}
        self.called: list[str] = []

    def describe_secret(self, **_arguments: str) -> Any:
        self.called.append("describe")
        raise Answered("AccessDeniedException")

    def get_secret_value(self, **arguments: str) -> Any:
        stage = arguments["VersionStage"]
        self.called.append(stage)
        if stage not in self.values:
            raise Answered("ResourceNotFoundException")
        version, password = self.values[stage]
        stages = [stage for stage, (named, _) in self.values.items() if named == version]
        content = f'{{"username": "app", "password": "{password}", "host": "db"}}'
        return {"VersionId": version.ljust(32, "-"), "VersionStages": stages, "SecretString": content}


def test_a_role_that_may_only_get_values_recovers_in_the_window_and_after_it(connect: Connect) -> None:
    client = Client()
    bed = Bed(SecretsManagerSource("s", client=client))
    connect(bed)
    client.values[PENDING] = ("v2", "p2")
    bed.server.accepted = {("app", "p2")}
    assert connect(bed) == "connection as app"
    assert client.called == [CURRENT, CURRENT, PENDING]
    client.values |= {PENDING: ("v3", "p3"), CURRENT: ("v3", "p3"), PREVIOUS: ("v2", "p2")}
    bed.server.accepted = {("app", "p3")}
    assert connect(bed) == "connection as app"
    assert client.called == [CURRENT, CURRENT, PENDING, CURRENT]


def test_and_a_wrong_secret_ends_for_it_too(connect: Connect) -> None:
    bed = Bed(SecretsManagerSource("s", client=Client()))
    connect(bed)
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert "no other login" in caught.value.__notes__[0]


def test_throttled_is_not_refused(connect: Connect) -> None:
    bed = warm()
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    bed.source.error = Answered("ThrottlingException")
    begun = bed.time.now
    bed.source.on_read = lambda: setattr(bed.source, "error", None) if bed.time.now > begun + 3.0 else None
    assert connect(bed) == "connection as app"
    assert 3.0 < bed.time.now - begun < 6.0
    assert bed.source.reads < 40


@pytest.mark.parametrize(
    ("code", "seconds"), [("ThrottlingException", 15.0), ("InternalServiceError", 5.0), ("AccessDeniedException", 0.0)]
)
def test_throttled_for_good_ends_with_the_driver_s_error(connect: Connect, code: str, seconds: float) -> None:
    bed = warm()
    bed.server.accepted, bed.source.error = set(), Answered(code)
    begun = bed.time.now
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert seconds - 0.001 <= bed.time.now - begun <= seconds + 2.0
    assert f"the source gave no answer (Answered: {code})" in caught.value.__notes__[0]


@pytest.mark.parametrize("suspect", [False, True])
def test_without_fallback_stages_the_inquiry_ends(connect: Connect, source: Any, suspect: bool) -> None:
    """One stage is all there is to ask for, so its answer is the whole one."""
    bed = warm(source, fallback_stages=())
    bed.server.accepted = set()
    if suspect:
        bed.server.kind = Hidden
    with pytest.raises(bed.server.kind):
        connect(bed)
    assert bed.source.api_calls <= 2


# -- the cool-down ----------------------------------------------------------------------------------------------------


def keep_connecting(bed: Bed, connect: Connect, seconds: float) -> list[bool]:
    """Connect ten times a second; whether each was opened."""
    opened = []
    for _ in range(round(seconds * 10)):
        try:
            connect(bed)
        except Refused:
            opened.append(False)
        else:
            opened.append(True)
        bed.time.now += 0.1
    return opened


def test_a_rotation_that_was_given_up_keeps_nobody_asking(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)  # and setSecret never comes
    bed.server.accepted = set()
    keep_connecting(bed, connect, 15.0)
    calls = bed.source.api_calls
    keep_connecting(bed, connect, 60.0)
    assert calls <= 15 + 5
    assert bed.source.api_calls - calls <= 60 / 3 + 60 / 24 + 1


def test_a_secret_that_was_corrected_is_noticed_within_four_seconds(connect: Connect) -> None:
    bed = warm()
    bed.server.accepted = {("app", "p2")}
    assert not any(keep_connecting(bed, connect, 16.0))
    bed.source.rotate("v2", login("p2"))
    after = keep_connecting(bed, connect, 10.0)
    assert after.count(False) <= 40
    assert all(after[40:])


def test_where_reading_is_free_it_is_noticed_at_once(connect: Connect) -> None:
    source = StageSource(login("p1"))
    source.free = True  # type: ignore[attr-defined]
    bed = warm(source)
    bed.server.accepted = {("app", "p2")}
    keep_connecting(bed, connect, 16.0)
    bed.source.rotate("v2", login("p2"))
    assert all(keep_connecting(bed, connect, 1.0))


def test_a_thousand_refusing_endpoints_share_five_inquiries_a_second() -> None:
    bed = warm()
    bed.server.accepted = set()
    begun, reads = bed.time.now, len(bed.source.asked)
    for _ in range(2):
        for number in range(1000):
            with pytest.raises(Refused):
                bed.connect(host=f"host{number}")
    inquiries = sum(stages == (CURRENT,) for stages in bed.source.asked[reads:])
    assert 0 < inquiries <= 5 * (bed.time.now - begun) + 5
    assert max(bed.time.slept) <= 1.0  # nobody is held up for longer


# -- more endpoints than are kept -------------------------------------------------------------------------------------


def test_a_tenant_that_was_forgotten_is_no_failed_connect(connect: Connect) -> None:
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    bed.rotating.refresh()
    bed.server.accepted = {("app", "p2")}
    for number in range(1100):
        assert connect(bed, database=f"tenant{number}")
    bed.time.now += 11.0
    bed.source.rotate("v2", login("p2"))
    connect(bed, database="one of those that were forgotten")  # refused once; the old answer has helped once more
    assert bed.rotating.current().version_id == "v2"  # so a background read was due
    bed.source.rotate("v3", login("p3"))
    bed.server.accepted = {("app", "p3")}
    for number in range(1100):
        assert connect(bed, database=f"tenant{number}")


def to_login(flow: Any, error: Exception | None = None) -> str:
    """Step a connect's flow to its next login; the version that it sends."""
    step = next(flow) if error is None else flow.send(error)
    while not isinstance(step, Credentials):
        step = flow.send(step.flight.outcome if isinstance(step, Await) else None)
    return step.version_id


def test_a_retry_begins_when_it_begins() -> None:
    """A refusal of its login between its first login and its second is older than the second."""
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    first, other = (next(flows(bed)) for _ in range(2))
    assert (to_login(first), to_login(other)) == ("v1", "v1")
    assert to_login(other, Refused()) == "v2"
    with pytest.raises(StopIteration):  # refused: setSecret comes only now
        to_login(other, Refused())
    bed.time.now += 2.0
    assert to_login(first, Refused()) == "v2"
    assert not [step for step in first if isinstance(step, Credentials)]  # accepted: nothing more is sent
    state = bed.core.state.own.state
    assert state is not None
    assert state.accepted is not None
    assert state.accepted.version_id == "v2"


def test_a_start_does_not_overwrite_a_rejection_that_comes_in_between() -> None:
    """start() decides on the state that it saw; what happened meanwhile stays."""
    bed = warm()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = {("app", "p2")}
    bed.connect()
    bed.time.now += 60.0
    bed.rotating.refresh()  # still pending: ten more seconds are due
    state, real = bed.core.state, bed.core.state.update

    def refused_first(endpoint: Any, change: Any) -> None:
        state.update = real  # type: ignore[method-assign]
        real(endpoint, lambda now: rules.rejected(now, state.answer.logins["v2"], state.tick()))  # type: ignore[union-attr]
        real(endpoint, change)

    state.update = refused_first  # type: ignore[method-assign]
    flow = next(flows(bed))
    next(flow)
    assert bed.core.state.own.state is not None
    assert "v2" in bed.core.state.own.state.refused
    assert bed.core.state.own.state.accepted is None


# -- another thread's answer lands in between ------------------------------------------------------------------------


class Interrupting(Time):
    """Does something else at one reading of the clock: the first one, from ``after`` on, that holds no lock."""

    def __init__(self) -> None:
        super().__init__()
        self.after, self.other, self.lock = 0, lambda: None, threading.RLock()

    def clock(self) -> float:
        self.after -= 1
        if self.after < 0 and not self.lock._is_owned():  # type: ignore[attr-defined]  # what others wait for
            other, self.other = self.other, lambda: None
            other()
        return self.now


@pytest.mark.parametrize("after", range(12))
def test_an_answer_that_another_thread_brings_is_never_asked_for_again(after: int) -> None:
    """Whenever it lands: also between the look at what is held and the question that follows from it."""
    time = Interrupting()
    bed = warm(StageSource(login("p1")), time=time)
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    time.lock, time.after, time.other = bed.core.state.lock, after, bed.connect
    assert bed.connect() == "connection as app"
    assert bed.source.api_calls == 1
