"""Rules 1 to 3: the hot read, the first read, the TTL; and what a failing source does."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
from typing import Any, ClassVar

import pytest

import secretconn
from secretconn import ConfigurationError, RotatingCredentials, Runtime, SecretFormatError, SecretUnavailable
from secretconn._core.rotating import forget
from secretconn.errors import SecretError
from secretconn.events import Fetched, Refreshed, RefreshFailed, Rotated, StaleServed
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Bed, Gate, login


class Code(Exception):
    """As botocore's ClientError: a code, and a text that must not be told."""

    response: ClassVar = {"Error": {"Code": "AccessDeniedException", "Message": "p1 is in here"}}


def test_rule_1_a_held_answer_is_read_without_lock_or_call() -> None:
    bed = Bed()
    first = bed.rotating.current()
    with bed.core.state.lock:
        done: list[object] = []
        reader = threading.Thread(target=lambda: done.append(bed.rotating.current()))
        reader.start()
        reader.join(10)
    assert done == [first]
    assert done[0] is first
    assert bed.source.reads == 1


def test_rule_1_hits_are_counted() -> None:
    bed = Bed()
    for _ in range(10):
        bed.rotating.current()
    stats = bed.rotating.stats()
    assert (stats.reads, stats.hits, stats.fetches, stats.api_calls) == (10, 9, 1, 1)
    assert stats.hit_rate == 0.9
    assert bed.rotating.stats().reads == 10
    assert secretconn.Stats().hit_rate == 0.0


def test_rule_2_first_readers_share_one_fetch() -> None:
    source, gate = MemorySource(login("p1")), Gate()
    source.on_read = gate.pass_through
    rotating = RotatingCredentials("s", source=source)
    found: list[str] = []
    gate.crowd(*[lambda: found.append(rotating.current().version_id)] * 16)
    assert found == ["v1"] * 16
    assert source.reads == 1


async def test_rule_2_tasks_share_it_too_and_the_loop_goes_on() -> None:
    source = MemorySource(login("p1"))
    entered, leave = threading.Event(), threading.Event()
    source.on_read = lambda: (entered.set(), leave.wait(10))
    rotating = RotatingCredentials("s", source=source)
    readers = [asyncio.create_task(rotating.acurrent()) for _ in range(16)]
    assert await asyncio.to_thread(entered.wait, 10)
    assert not any(reader.done() for reader in readers)  # and yet this line runs
    leave.set()
    assert {(await reader).version_id for reader in readers} == {"v1"}
    assert source.reads == 1


async def test_a_cancelled_first_reader_takes_nothing_from_the_others() -> None:
    source = MemorySource(login("p1"))
    leave = threading.Event()
    source.on_read = lambda: leave.wait(10)
    rotating = RotatingCredentials("s", source=source)
    first, second = (asyncio.create_task(rotating.acurrent()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    leave.set()
    assert (await second).version_id == "v1"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert source.reads == 1


def test_rule_2_failure_goes_to_every_waiter_from_one_cause() -> None:
    source, gate = MemorySource(), Gate()
    cause = source.error = Code()
    source.on_read = gate.pass_through
    rotating = RotatingCredentials("prod/orders", source=source)
    caught: list[BaseException] = []

    def read() -> None:
        try:
            rotating.current()
        except SecretUnavailable as error:
            caught.append(error)

    gate.crowd(*[read] * 8)
    assert len(set(map(id, caught))) == 8
    assert {id(error.__cause__) for error in caught} == {id(cause)}
    assert all("AccessDeniedException" in str(error) and "prod/orders" in str(error) for error in caught)
    assert not any("p1" in str(error) for error in caught)


def test_rule_2_after_a_failure_the_next_reader_waits_a_moment_and_asks_again() -> None:
    bed = Bed()
    bed.source.error = OSError("down")
    for _ in range(3):
        with pytest.raises(SecretUnavailable):
            bed.rotating.current()
    assert bed.source.reads == 3
    assert len(bed.time.slept) == 2
    assert 0 < bed.time.slept[0] < bed.time.slept[1] <= 2.0
    bed.source.error = None
    assert bed.rotating.current().version_id == "v1"
    assert bed.rotating.stats().refresh_failures == 3


async def test_rule_2_the_same_for_tasks() -> None:
    bed = Bed()
    bed.source.error = OSError("down")
    for _ in range(2):
        with pytest.raises(SecretUnavailable):
            await bed.rotating.acurrent()
    bed.source.error = None
    assert (await bed.rotating.aprefetch()).version_id == "v1"
    assert len(bed.time.slept) == 2


@pytest.mark.parametrize(("content", "kind"), [("nonsense", SecretFormatError), ({"username": "u"}, SecretFormatError)])
def test_a_secret_that_holds_no_login(content: Any, kind: type[SecretError]) -> None:
    bed = Bed()
    bed.source.put("v1", content, "AWSCURRENT")
    with pytest.raises(kind) as one:
        bed.rotating.current()
    assert one.value.secret_id == "s"
    with pytest.raises(kind) as two:
        bed.rotating.prefetch()
    assert one.value is not two.value


def test_no_version_has_the_stage() -> None:
    bed = Bed()
    bed.source.stages = {"OTHER": "v1"}
    with pytest.raises(SecretUnavailable) as caught:
        bed.rotating.current()
    assert "AWSCURRENT" in str(caught.value.__cause__)


def test_a_configuration_error_of_the_source_stays_one() -> None:
    bed = Bed()
    bed.source.error = ConfigurationError("no region")
    with pytest.raises(ConfigurationError, match="no region"):
        bed.rotating.current()


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_rule_3_the_ttl_is_jittered_in_its_upper_half(random: float) -> None:
    bed = Bed(ttl=100.0)
    rotating = RotatingCredentials("s", source=bed.source, runtime=bed.time.runtime(random), ttl=100.0)
    rotating.current()
    bed.time.now += 49.9 + random * 49
    rotating.current()
    assert bed.source.reads == 1
    bed.time.now += 2.0
    rotating.current()
    assert bed.source.reads == 2


def test_rule_3_nobody_waits_for_the_refresh() -> None:
    bed = Bed(ttl=100.0)
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    bed.time.now += 101
    bed.time.waiting = []
    assert [bed.rotating.current().version_id for _ in range(5)] == ["v1"] * 5
    assert len(bed.time.waiting) == 1  # one thread for all five
    bed.time.land()
    assert bed.rotating.current().version_id == "v2"
    assert bed.rotating.stats().stale_reads == 5
    assert [type(event) for event in bed.events] == [Fetched, Refreshed, Rotated]
    assert bed.events[1].reason == "ttl"
    assert (bed.events[2].previous_version_id, bed.events[2].version_id) == ("v1", "v2")


def test_rule_3_a_refresh_of_an_unchanged_secret_costs_one_call() -> None:
    bed = Bed(ttl=100.0)
    bed.rotating.current()
    bed.time.now += 101
    bed.rotating.current()
    assert bed.rotating.stats().api_calls == 2


def test_a_refresh_of_all_stages_reads_no_content_that_is_held() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.rotating.refresh()
    assert bed.rotating.stats().api_calls == 2


def test_rule_3_stale_is_served_and_retries_back_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "secretconn.refresh")
    bed = Bed(ttl=1000.0)
    bed.rotating.current()
    bed.source.error = Code()
    bed.time.now += 1001
    asked = []
    for _ in range(100):
        before = bed.source.reads
        assert bed.rotating.current().version_id == "v1"
        asked.append(bed.source.reads - before)
        bed.time.now += 1.0
    assert 4 <= sum(asked) <= 8  # 0.75, 1.5, 3, ... seconds apart
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "secretconn: secret 's' cannot be read (Code: AccessDeniedException); the held login stays in use",
        )
    ]
    assert next(event.age for event in bed.events if isinstance(event, StaleServed)) == 1001.0
    assert {type(event) for event in bed.events[1:]} == {RefreshFailed, StaleServed}
    assert bed.events[1].error == "Code: AccessDeniedException"
    assert {event.secret_id for event in bed.events} == {"s"}
    bed.source.error = None
    bed.rotating.refresh()
    assert caplog.records[-1].getMessage() == (
        f"secretconn: secret 's' is readable again, after {sum(asked)} failed reads"
    )
    assert {event.version_id for event in bed.events if isinstance(event, StaleServed)} == {"v1"}
    bed.source.error = None
    bed.time.now += 1000
    bed.rotating.current()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    bed.source.error = Code()
    bed.time.now += 1001
    bed.rotating.current()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_rule_3_a_clock_that_jumps_only_costs_a_refresh(jump: float) -> None:
    bed = Bed()
    bed.rotating.current()
    bed.time.now += jump
    for _ in range(3):
        assert bed.rotating.current().version_id == "v1"
    assert bed.source.reads <= 2


def test_a_malformed_new_version_leaves_the_earlier_login_in_place() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.rotate("v2", "broken")
    with pytest.raises(SecretFormatError):
        bed.rotating.refresh()
    assert bed.rotating.current().version_id == "v1"
    assert bed.connect() == "connection as app"


def test_refresh_asks_now_and_raises_what_went_wrong() -> None:
    bed = Bed()
    assert bed.rotating.refresh().version_id == "v1"
    bed.source.rotate("v2", login("p2"))
    assert bed.rotating.refresh().version_id == "v2"
    bed.source.error = OSError("down")
    with pytest.raises(SecretUnavailable):
        bed.rotating.refresh()
    assert bed.rotating.current().version_id == "v2"


async def test_arefresh() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    assert (await bed.rotating.arefresh()).version_id == "v2"


def test_invalidate_makes_the_next_read_start_a_refresh_and_nobody_waits() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    bed.rotating.invalidate()
    bed.time.waiting = []
    assert bed.rotating.current().version_id == "v1"
    bed.time.land()
    assert bed.rotating.current().version_id == "v2"


def test_a_waiter_waits_no_longer_than_the_timeout() -> None:
    source = MemorySource(login("p1"))
    leave = threading.Event()
    source.on_read = lambda: leave.wait(10)
    rotating = RotatingCredentials("s", source=source, timeout=0.01)
    with pytest.raises(SecretUnavailable) as caught:
        rotating.current()
    assert isinstance(caught.value.__cause__, TimeoutError)
    leave.set()


async def test_a_waiting_task_too() -> None:
    source = MemorySource(login("p1"))
    leave = threading.Event()
    source.on_read = lambda: leave.wait(10)
    rotating = RotatingCredentials("s", source=source, timeout=0.01)
    with pytest.raises(SecretUnavailable) as caught:
        await rotating.acurrent()
    assert isinstance(caught.value.__cause__, TimeoutError)
    leave.set()


def test_a_stage_that_cannot_be_read_is_left_out_with_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "secretconn.refresh")
    bed = Bed()
    bed.rotating.current()
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.source.unreadable["AWSPENDING"] = Code()
    for _ in range(3):
        assert bed.rotating.refresh().version_id == "v1"
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "AWSPENDING" in caplog.text


def test_a_rotation_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "secretconn.refresh")
    bed = Bed()
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    bed.rotating.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "secretconn: secret 's' was rotated: version v2 is current now"
    ]
    rotated = bed.events[-1]
    assert isinstance(rotated, Rotated)
    assert (rotated.secret_id, rotated.version_id, rotated.previous_version_id) == ("s", "v2", "v1")
    assert not rotated.username_changed
    refreshed = bed.events[-2]
    assert isinstance(refreshed, Refreshed)
    assert (refreshed.version_id, refreshed.reason) == ("v2", "asked")
    assert bed.rotating.stats().rotations == 1
    bed.source.rotate("v3", login("p3", user="other"))
    bed.rotating.refresh()
    assert bed.events[-1].username_changed


def test_a_first_read_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bed = Bed()
    bed.source.error = PermissionError("not yours")
    with pytest.raises(SecretUnavailable) as caught:
        bed.rotating.current()
    assert caught.value.secret_id == "s"
    assert [record.getMessage() for record in caplog.records] == [
        "secretconn: secret 's' cannot be read (PermissionError); no connection can be opened until it can"
    ]


def test_variables_that_are_wrong_when_all_is_forgotten_are_told_to_the_next_reader() -> None:
    environ: dict[str, str] = {}
    bed = Bed()
    rotating = RotatingCredentials("s", source=bed.source, runtime=Runtime(environ=environ, spawn=bed.time.spawn))
    rotating.current()
    environ["SECRETCONN_TTL"] = "soon"
    forget(rotating)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="SECRETCONN_TTL"):
            rotating.current()
    environ.clear()
    forget(rotating)
    assert rotating.current().version_id == "v1"


def test_after_all_was_forgotten_the_log_still_names_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    bed = Bed()
    forget(bed.rotating)
    bed.source.unreadable["AWSPENDING"] = OSError("down")
    bed.source.put("v2", login("p2"), "AWSPENDING")
    caplog.set_level(logging.INFO, "secretconn.refresh")
    bed.rotating.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "secretconn: secret 's': AWSPENDING cannot be read (OSError), and is left out"
    ]


def test_secrets_given_by_name_share_one_object() -> None:
    one = secretconn.shared("prod/orders", region="eu-west-1")
    assert secretconn.shared("prod/orders", region="eu-west-1") is one
    assert secretconn.shared("prod/orders", region="eu-west-2") is not one
    assert secretconn.shared("prod/orders") is not one
    assert secretconn.shared("prod/orders", endpoint_url="http://127.0.0.1:1", region="eu-west-1") is not one


def test_neither_pickled_nor_shown() -> None:
    bed = Bed()
    bed.rotating.current()
    assert repr(bed.rotating) == "RotatingCredentials('s', version_id='v1')"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(bed.rotating, protocol)
    with pytest.raises(TypeError):
        copy.copy(bed.rotating)
