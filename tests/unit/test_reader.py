"""Who asks while an answer lands: nothing is asked twice, a failure is shared by all it concerns, none waits long."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials, Runtime, SecretFormatError, SecretUnavailable, Stats
from secretconn._core.answer import Answer, tick_of
from secretconn._core.connector import Connector
from secretconn._core.effects import Await, Budget
from secretconn._core.flight import Unanswered
from secretconn._core.reading import Inquiries
from secretconn._core.reports import error_of
from secretconn._core.rotating import core_of, forget
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.engines.base import NOTHING_GIVEN
from secretconn.events import Fetched, Refreshed, Rotated
from secretconn.testing.simulation import Clock
from tests.unit.fakes import DRIVER, Answered, Bed, Refused, StageSource, drive, login

ALL = (CURRENT, PENDING, PREVIOUS)


def asking(bed: Bed, since: int, stages: tuple[str, ...] = ALL, reason: str = "rejected") -> Any:
    """The flow of one who needs an answer from after ``since``."""
    return bed.core.reader.ask(stages, tick_of(bed.core.state.answer), since, reason, Budget(15.0, bed.core.runtime))


def ask(bed: Bed, since: int, **more: Any) -> Any:
    return drive(asking(bed, since, **more), bed.time)


# -- one read for all -------------------------------------------------------------------------------------------------


def test_an_answer_that_landed_since_the_look_is_not_asked_for_again() -> None:
    bed = Bed()
    bed.rotating.current()
    flow = asking(bed, bed.core.state.tick())
    bed.time.waiting = []
    waits = next(flow)
    assert isinstance(waits, Await)
    late = asking(bed, bed.core.state.tick())
    assert next(late).flight is waits.flight  # joins it
    bed.time.land()
    reads = bed.source.reads
    for waiting in (flow, late):
        with pytest.raises(StopIteration) as end:
            waiting.send(waits.flight.outcome)
        assert isinstance(end.value.value, Answer)
    assert bed.source.reads == reads


def test_an_answer_that_was_looked_at_already_is_asked_for_again() -> None:
    bed = Bed()
    bed.rotating.current()
    assert isinstance(ask(bed, bed.core.state.tick()), Answer)
    assert isinstance(ask(bed, bed.core.state.tick()), Answer)
    assert bed.source.reads == 3


def test_a_failed_read_that_began_after_the_rejection_concerns_it() -> None:
    bed = Bed()
    bed.rotating.current()
    rejected = bed.core.state.tick()
    bed.source.error = OSError("down")
    assert isinstance(ask(bed, rejected), Unanswered)
    reads = bed.source.reads
    assert isinstance(ask(bed, rejected), Unanswered)
    assert bed.source.reads == reads
    assert isinstance(ask(bed, bed.core.state.tick()), Unanswered)
    assert bed.source.reads == reads + 1


def test_a_failed_read_of_long_ago_says_nothing() -> None:
    """It was another endpoint's, and the source has healed since."""
    bed = Bed()
    bed.connect()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted, bed.source.error = {("app", "p2")}, OSError("down")
    for place in ({"host": "one"}, {}):
        with pytest.raises(Refused):
            bed.connect(**place)
    bed.source.error = None
    bed.time.now += 40.0
    assert bed.connect(host="one") == "connection as app"


@pytest.mark.parametrize("jump", [-100.0, -1e8])
def test_a_first_reader_waits_for_no_clock_that_jumped_back(jump: float) -> None:
    bed = Bed()
    bed.source.error = OSError("down")
    with pytest.raises(SecretUnavailable):
        bed.rotating.current()
    bed.source.error = None
    bed.time.now += jump
    assert bed.rotating.current().version_id == "v1"
    assert bed.time.slept == []


def test_one_flight_at_a_time() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.time.waiting = []
    now = bed.core.state.tick()
    flights = {id(next(asking(bed, now)).flight) for _ in range(5)}
    assert len(flights) == len(bed.time.waiting) == 1
    bed.time.land()


def test_rule_2_a_first_answer_that_landed_since_the_look_is_not_fetched_again() -> None:
    bed = Bed()
    bed.time.waiting = []
    flows = [bed.core.reader.first() for _ in range(3)]
    flights = {id(next(flow).flight) for flow in flows}
    assert len(flights) == 1
    bed.time.land()
    for flow in flows:
        with pytest.raises(StopIteration) as end:
            flow.send(None)  # none of them was told in time; the answer is there
        assert isinstance(end.value.value, Answer)
    assert bed.source.reads == 1


def test_a_ttl_read_that_began_after_a_rejection_does_not_say_that_there_is_no_other_login() -> None:
    """It reads the current version only; the window's login is found by the inquiry that follows."""
    bed = Bed(ttl=100.0)
    bed.connect()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = {("app", "p2")}
    reader, real = bed.core.reader, bed.server.connect

    def expires_meanwhile(**arguments: Any) -> str:
        try:
            return real(**arguments)
        except Refused:
            reader.behind("ttl")
            raise

    assert secretconn.wrap(expires_meanwhile, bed.rotating, driver=DRIVER)() == "connection as app"


def test_a_ttl_read_tells_of_the_current_version_alone() -> None:
    bed = Bed(ttl=100.0)
    bed.rotating.current()
    bed.source.read = bed.source.read_fresh  # one stage is one request, as the agent answers
    bed.source.put("v2", login("p2"), PENDING)
    rejected = bed.core.state.tick()
    bed.core.reader.behind("ttl")
    answer = bed.core.state.answer
    assert answer is not None
    assert answer.whole < rejected < answer.tick
    assert not answer.knows(PENDING, rejected)
    bed.core.reader.behind("probation")
    answer = bed.core.state.answer
    assert answer is not None
    assert answer.whole > rejected
    assert answer.login(PENDING) is not None


@pytest.mark.parametrize("kind", [StageSource, secretconn.testing.MemorySource])
def test_a_source_that_leaves_a_wanted_stage_out_is_not_asked_without_end(kind: type[Any]) -> None:
    bed = Bed(kind(login("p1")))
    bed.connect()
    bed.source.stages[PENDING] = "v9"  # a label, and no content and no failure for it
    bed.source.put("v9", login("p9"))
    reads, real = bed.source.reads, bed.source.read

    def leaves_out(stages: tuple[str, ...], held: Any) -> Any:
        reading = real(stages, held)
        reading.payloads.pop("v9", None)
        return reading

    bed.source.read = leaves_out
    bed.server.accepted = set()
    with pytest.raises(Refused):
        bed.connect()
    assert bed.source.reads <= reads + 12  # again for a second, as a rotation seems to be under way
    assert sum(bed.time.slept) <= 1.2


# -- a read past its deadline (A5) ------------------------------------------------------------------------------------


def held_back(bed: Bed) -> None:
    """From now on reads begin and do not land."""
    bed.time.waiting = []


def test_a_read_past_its_deadline_is_abandoned_and_the_next_one_is_healthy() -> None:
    bed = Bed(timeout=5.0)
    bed.connect()
    bed.time.now += 4000.0
    held_back(bed)
    bed.rotating.current()  # the TTL read that drips
    dripping = bed.time.waiting
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    bed.time.waiting = None
    begun = bed.time.now
    bed.time.now += 5.0
    assert bed.connect() == "connection as app"
    assert bed.time.now == begun + 5.0  # it waited for nobody
    assert dripping is not None
    reads = bed.source.reads
    for work in dripping:  # and at last it lands
        work()
    assert bed.source.reads == reads + 1
    assert bed.rotating.current().version_id == "v2"


def test_who_joined_it_waits_until_its_deadline_and_asks_anew() -> None:
    bed = Bed(timeout=5.0)
    bed.rotating.current()
    held_back(bed)
    since = bed.core.state.tick()
    late = next(asking(bed, since)).flight
    bed.time.now += 3.0
    flow = asking(bed, bed.core.state.tick())
    waits = next(flow)
    assert (waits.flight, waits.seconds) == (late, pytest.approx(2.0))
    bed.time.now += 2.0
    waits = flow.send(None)
    assert isinstance(waits, Await)
    assert waits.flight is not late
    assert len(bed.time.waiting or ()) == 2
    assert bed.rotating.stats().refresh_failures == 1  # counted once, whoever waited
    assert isinstance(late.outcome, Unanswered)
    assert isinstance(late.outcome.error, TimeoutError)
    flow.close()


def test_one_that_nobody_waits_for_is_told_of_too_and_threads_do_not_pile_up(caplog: pytest.LogCaptureFixture) -> None:
    bed = Bed(ttl=10.0, timeout=5.0)
    bed.rotating.current()
    held_back(bed)
    bed.time.now += 100.0
    for _ in range(60):  # a minute, while no read comes back
        bed.rotating.current()
        bed.time.now += 1.0
    assert bed.time.waiting is not None
    assert len(bed.time.waiting) <= 8
    assert bed.core.reader.failures == bed.rotating.stats().refresh_failures > 0
    assert [record.getMessage() for record in caplog.records] == [
        "secretconn: secret 's' cannot be read (TimeoutError); the held login stays in use"
    ]


def test_an_abandoned_read_that_lands_after_all_counts_as_of_the_moment_it_was_asked() -> None:
    bed = Bed(timeout=5.0)
    bed.rotating.current()
    held_back(bed)
    next(asking(bed, bed.core.state.tick()))
    (dripping,) = bed.time.waiting or ()
    bed.time.now += 6.0
    bed.time.waiting = None
    stages = dict(bed.source.stages)
    bed.source.rotate("v2", login("p2"))
    assert bed.rotating.refresh().version_id == "v2"
    bed.source.stages = stages  # what it saw
    told = len(bed.events)
    dripping()
    assert bed.rotating.current().version_id == "v2"
    assert not any(isinstance(event, Rotated) for event in bed.events[told:])


def test_an_abandoned_read_that_fails_after_all_counts_no_second_time() -> None:
    bed = Bed(timeout=5.0)
    bed.rotating.current()
    held_back(bed)
    assert isinstance(drive(asking(bed, bed.core.state.tick()), bed.time), Unanswered)
    works, bed.time.waiting = bed.time.waiting or [], None
    assert bed.rotating.refresh().version_id == "v1"
    failures = bed.rotating.stats().refresh_failures
    bed.source.error = OSError("cut off")
    for work in works:
        work()
    assert bed.rotating.stats().refresh_failures == failures
    assert bed.core.reader.failures == 0


def test_reads_that_overlap_count_each_call_once() -> None:
    bed = Bed(timeout=5.0)
    bed.rotating.current()
    calls = bed.source.api_calls
    held_back(bed)
    next(asking(bed, bed.core.state.tick()))
    (dripping,) = bed.time.waiting or ()
    bed.time.now += 6.0
    bed.time.waiting = None

    def healthy() -> None:
        bed.source.on_read = None
        bed.rotating.refresh()

    bed.source.on_read = healthy  # while the first one drips
    dripping()
    assert bed.source.reads == 3
    assert bed.rotating.stats().api_calls == bed.source.api_calls > calls + 1
    told = [event.api_calls for event in bed.events if isinstance(event, Fetched | Refreshed)]
    assert sum(told) == bed.source.api_calls


def test_a_read_of_what_was_forgotten_counts_no_calls_of_the_next_source() -> None:
    bed = Bed()
    held_back(bed)
    next(bed.core.reader.first())
    (dripping,) = bed.time.waiting or ()
    bed.time.waiting = None
    bed.source.on_read = lambda: bed.core.reader.forget(StageSource(login("p2")))
    dripping()
    assert bed.rotating.stats().api_calls == 0
    assert bed.rotating.current().version_id == "v1"
    assert bed.rotating.stats().api_calls == 1


def test_five_inquiries_may_begin_in_a_second() -> None:
    inquiries = Inquiries()
    assert [inquiries.full(10.0) for _ in range(6)] == [0.0] * 5 + [1.0]
    assert inquiries.full(10.75) == 0.25
    assert inquiries.full(10.9999) == 0.001
    assert [inquiries.full(11.0) for _ in range(2)] == [0.0, 0.0]
    assert inquiries.full(5.0) == 0.0  # the clock jumped back


# -- timeout is the longest wait --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flow",
    [
        lambda bed: bed.core.reader.first(),
        lambda bed: bed.rotating._refreshing(),
    ],
    ids=["first", "refresh"],
)
@pytest.mark.parametrize("under_way", [False, True])
def test_a_source_that_never_answers_is_waited_for_once(flow: Any, under_way: bool) -> None:
    bed = Bed(timeout=4.0)
    held_back(bed)
    if under_way:
        next(bed.core.reader.first())
        bed.time.now += 3.0
    begun = bed.time.now
    with pytest.raises(SecretUnavailable):
        drive(flow(bed), bed.time)
    assert bed.time.now - begun == pytest.approx(4.0)


def test_so_it_is_by_a_connect_after_a_rejection() -> None:
    bed = Bed(timeout=1.0)
    bed.connect()
    held_back(bed)
    begun, bed.server.accepted = bed.time.now, set()
    flow = Connector(bed.rotating, print, DRIVER).flow(NOTHING_GIVEN)
    with pytest.raises(Refused):
        drive(flow, bed.time, lambda login: bed.server.connect(user=login.username, password=login.password))
    assert bed.time.now - begun == pytest.approx(1.0)


@pytest.mark.parametrize("error", [OSError("no such file"), Answered("ThrottlingException")], ids=str)
def test_first_readers_of_a_source_that_fails_fast_do_not_starve_each_other(error: Exception) -> None:
    """Fault 13: fifty threads, once each, with a timeout of a second: 46.7 s."""
    clock = Clock()
    source = StageSource(login("p1"))
    source.error = error
    runtime = Runtime(
        clock=lambda: clock.now,
        random=clock.random.random,
        spawn=lambda work: clock.at(clock.now + 0.01, work),
    )
    rotating = RotatingCredentials("s", source=source, timeout=1.0, runtime=runtime)
    waited: list[float] = []

    def reader() -> Any:
        begun = clock.now
        try:
            yield from core_of(rotating).reader.first()
        except SecretUnavailable:
            waited.append(clock.now - begun)

    def resumed() -> Any:
        flow, sent = reader(), None
        while True:
            try:
                effect = flow.send(sent)
            except StopIteration:
                return
            yield effect
            sent = effect.flight.outcome if isinstance(effect, Await) else None

    for _ in range(50):
        clock.start(resumed())
    clock.run(100.0)
    assert len(waited) == 50
    assert max(waited) <= 1.0 + 0.011


def test_a_failure_that_landed_after_the_caller_came_ends_its_wait() -> None:
    bed = Bed()
    bed.source.error = OSError("no such file")
    held_back(bed)
    flows = [bed.core.reader.first() for _ in range(3)]
    flights = [next(flow).flight for flow in flows]
    bed.time.land()
    reads = bed.source.reads
    for flow in flows:
        with pytest.raises(SecretUnavailable):
            flow.send(flights[0].outcome)
    assert (bed.source.reads, bed.time.slept) == (reads, [])


def test_those_who_waited_for_one_failure_get_an_exception_each() -> None:
    """A raised exception belongs to one thread: two that raise one object mix their tracebacks and notes."""
    for cause in (OSError("gone"), SecretFormatError("no host", secret_id="s", version_id="v1", key="host")):
        raised = [error_of(cause, "s") for _ in range(3)]
        assert len({id(one) for one in (*raised, cause)}) == 4
        assert {type(one) for one in raised} <= {SecretUnavailable, SecretFormatError}


# -- a source that fails in passing (A8) ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "code", "seconds"),
    [(5.0, "InternalServiceError", 5.0), (0.0, "InternalServiceError", 0.0), (5.0, "ThrottlingException", 15.0)],
)
def test_a_first_read_that_fails_in_passing_is_repeated_for_some_seconds(
    patience: float, code: str, seconds: float
) -> None:
    bed = Bed(read_patience=patience)
    bed.source.error = Answered(code)
    begun = bed.time.now
    with pytest.raises(SecretUnavailable):
        bed.rotating.current()
    assert seconds <= bed.time.now - begun <= seconds + 2.0
    bed.source.error = None
    assert bed.rotating.current().version_id == "v1"


def test_one_that_is_denied_is_not() -> None:
    bed = Bed()
    bed.source.error = Answered("AccessDeniedException")
    with pytest.raises(SecretUnavailable):
        bed.rotating.current()
    assert (bed.source.reads, bed.time.slept) == (1, [])


# -- what is forgotten, expired, broken off ---------------------------------------------------------------------------


def test_an_old_read_that_lands_after_all_was_forgotten_is_nobody_s() -> None:
    bed = Bed()
    bed.rotating.current()
    held_back(bed)
    bed.rotating.invalidate()
    bed.rotating.current()
    works, bed.time.waiting = bed.time.waiting or [], None
    forget(bed.rotating)
    for work in works:
        work()
    assert bed.core.state.answer is None
    assert bed.core.reader.failures == 0
    assert bed.rotating.stats() == Stats()
    assert bed.rotating.current().version_id == "v1"
    assert bed.time.slept == []


@pytest.mark.parametrize("error", [None, OSError("cut off")], ids=["lands", "fails"])
def test_nor_is_one_that_is_in_the_middle_then(error: Exception | None) -> None:
    bed = Bed()
    bed.rotating.current()
    held_back(bed)
    bed.rotating.invalidate()
    bed.rotating.current()
    (work,), bed.time.waiting = bed.time.waiting or (), None
    bed.source.error, bed.source.on_read = error, lambda: forget(bed.rotating)
    work()
    assert bed.core.state.answer is None
    assert bed.core.reader.failures == 0
    assert bed.rotating.stats() == Stats(refresh_failures=0)
    bed.source.error = bed.source.on_read = None
    assert bed.rotating.current().version_id == "v1"
    assert bed.time.slept == []


def test_who_waits_while_all_is_forgotten_reads_anew() -> None:
    bed = Bed()
    held_back(bed)
    flow = bed.core.reader.first()
    old = next(flow).flight
    works, bed.time.waiting = bed.time.waiting or [], None
    forget(bed.rotating)
    for work in works:
        work()
    assert drive(resume(flow, old.outcome), bed.time).current.version_id == "v1"


def resume(flow: Any, outcome: Any) -> Any:
    """The rest of a flow, from an outcome on."""
    try:
        effect = flow.send(outcome)
        while True:
            effect = flow.send((yield effect))
    except StopIteration as end:
        return end.value


def test_invalidate_after_a_failed_refresh_asks_at_once() -> None:
    bed = Bed(ttl=10.0)
    bed.rotating.current()
    bed.source.error = OSError("down")
    bed.time.now += 100.0
    bed.rotating.current()
    bed.rotating.current()
    reads, bed.source.error = bed.source.reads, None
    assert reads == 2  # the backoff holds
    bed.rotating.invalidate()
    bed.rotating.current()
    assert bed.source.reads == 3


def test_unreadable_is_told_once_for_each_streak(caplog: pytest.LogCaptureFixture) -> None:
    """Fault 17: it was told once for each process."""
    caplog.set_level("INFO", "secretconn.refresh")
    bed = Bed()
    bed.source.put("v2", login("p2"), PENDING)
    for _ in range(2):
        bed.source.unreadable[PENDING] = Answered("AccessDeniedException")
        for _ in range(3):
            bed.rotating.refresh()
        bed.source.unreadable.clear()
        bed.rotating.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "secretconn: secret 's': AWSPENDING cannot be read (Answered: AccessDeniedException), and is left out"
    ] * 2


# -- no thread can be started -----------------------------------------------------------------------------------------


def test_without_threads_a_caller_reads_itself() -> None:
    bed = Bed()
    bed.time.threads = False
    assert bed.rotating.current().version_id == "v1"
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    assert bed.connect() == "connection as app"
    assert bed.rotating.refresh().version_id == "v2"


def test_it_holds_no_lock_meanwhile() -> None:
    bed = Bed()
    bed.time.threads = False
    held: list[bool] = []

    def try_it() -> None:
        taken = bed.core.state.lock.acquire(timeout=5.0)
        held.append(not taken)
        if taken:
            bed.core.state.lock.release()

    def look() -> None:
        other = threading.Thread(target=try_it)
        other.start()
        other.join(10)

    bed.source.on_read = look
    bed.rotating.current()
    assert held == [False]


def test_without_threads_nothing_is_read_in_the_background() -> None:
    bed = Bed(ttl=10.0)
    bed.rotating.current()
    bed.time.threads = False
    bed.time.now += 100.0
    assert bed.rotating.current().version_id == "v1"
    assert bed.source.reads == 1
    bed.time.threads = True
    bed.rotating.current()
    assert bed.source.reads == 2  # and nothing is in its way later


async def test_without_threads_a_task_is_told_and_the_loop_goes_on() -> None:
    bed = Bed()
    bed.time.threads = False
    with pytest.raises(SecretUnavailable) as caught:
        await bed.rotating.acurrent()
    assert "no thread can be started" in str(caught.value.__cause__)
    assert bed.source.reads == 0
    bed.time.threads = True
    bed.time.now += 10.0
    assert (await bed.rotating.acurrent()).version_id == "v1"


def test_a_thread_and_a_task_may_wait_for_the_same_read() -> None:
    bed = Bed()
    bed.time.threads = False
    thread, task = bed.core.reader.first(), bed.core.reader.first()
    assert next(thread).flight is next(task).flight


def test_ctrl_c_in_a_read_of_one_s_own_is_one_s_own() -> None:
    bed = Bed()
    bed.time.threads = False
    bed.source.on_read = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        bed.rotating.current()
    bed.source.on_read = None
    assert bed.rotating.current().version_id == "v1"
    assert bed.time.slept == []
