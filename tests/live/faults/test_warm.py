"""Rule 3 on the real SDK and a real server: with a login held, no fault of Secrets Manager costs a connection."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest

import secretconn
from secretconn.testing import Application, Login, new_password
from tests.live.faults.harness import TTL, Bed, quick_client, wait_until
from tests.support.faults import FAULTS, Change, FaultySecretsManager, Request

REJECTED = r"password authentication failed"


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        one.getMessage()
        for one in caplog.records
        if one.name.startswith("secretconn") and one.levelno >= logging.WARNING
    ]


@pytest.mark.parametrize("name", FAULTS)
def test_connects_go_on_with_the_held_login(bed: Bed, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Three TTLs pass during the fault: stale served, one try for each backoff, one warning for the whole streak."""
    bed.connect()
    held = bed.calls
    with bed.faulty.fault(FAULTS[name]):
        for tries in range(1, 4):
            bed.time.now += 2 * TTL
            for _ in range(3):
                bed.connect()
            wait_until(lambda tries=tries: bed.credentials.stats().refresh_failures == tries)
            for _ in range(3):  # the backoff is running: nobody asks
                bed.connect()
            # Where DescribeSecret is denied, GetSecretValue may still be allowed.
            assert bed.calls == held + tries * (2 if "denied" in name else 1)
    stats = bed.credentials.stats()
    assert (stats.connects, stats.rejected) == (19, 0)
    assert stats.stale_reads >= 9
    assert bed.happened(secretconn.StaleServed) == bed.happened(secretconn.RefreshFailed) == 3
    assert len(warnings_in(caplog)) == 1
    bed.time.now += 2 * TTL
    bed.connect()
    wait_until(lambda: bed.happened(secretconn.Refreshed) == 1)
    before = bed.calls
    bed.connect()
    assert bed.calls == before


def test_nobody_waits_for_a_call_that_hangs(postgres_app: Application, faulty: FaultySecretsManager) -> None:
    """The connects complete, and the call that was begun before them hangs still."""
    bed = Bed(postgres_app, faulty, quick_client(faulty, read_timeout=3600.0))
    bed.connect()
    bed.time.now += 2 * TTL
    with faulty.fault(FAULTS["hang"]):
        bed.connect()
        wait_until(lambda: faulty.hanging == 1)
        for _ in range(5):
            bed.connect()
        assert faulty.hanging == 1
    assert bed.credentials.stats().connects == 7


async def test_no_task_waits_either(postgres_app: Application, faulty: FaultySecretsManager) -> None:
    bed = Bed(postgres_app, faulty, quick_client(faulty, read_timeout=3600.0))
    await bed.credentials.acurrent()
    bed.time.now += 2 * TTL
    with faulty.fault(FAULTS["hang"]):
        for _ in range(3):
            await (await secretconn.aconnect(bed.credentials, driver="psycopg")).close()
        wait_until(lambda: faulty.hanging == 1)
        await (await secretconn.aconnect(bed.credentials, driver="psycopg")).close()
        assert faulty.hanging == 1


def test_the_backoff_grows(bed: Bed) -> None:
    """1, 2, 4, 8 s, jittered to three quarters here: just before each ends nobody asks, just after it one does."""
    bed.connect()
    held = bed.calls
    bed.time.now += 2 * TTL
    with bed.faulty.fault(FAULTS["throttled"]):
        for tries, seconds in enumerate((0.75, 1.5, 3.0, 6.0), 1):
            bed.connect()
            wait_until(lambda tries=tries: bed.credentials.stats().refresh_failures == tries)
            bed.time.now += seconds - 0.01
            bed.connect()
            assert bed.calls == held + tries
            bed.time.now += 0.02


@pytest.mark.parametrize("name", ["throttled", "internal error", "access denied", "hang", "reset"])
def test_rejected_while_secrets_manager_fails(bed: Bed, name: str) -> None:
    """Rule 4d: the driver's own exception with a note, and a cool-down: twenty rejections cost one inquiry.

    What fails in passing is asked again for five seconds, less and less often (rule 4c).
    """
    most = {"access denied": 1, "throttled": 14}.get(name, 8)  # a throttled read is repeated for fifteen
    bed.connect()
    held = bed.calls
    changed = Login(bed.app.username, new_password())
    bed.app.server.admin().set_password(changed)
    with bed.faulty.fault(FAULTS[name]):
        for _ in range(20):
            with pytest.raises(psycopg.OperationalError, match=REJECTED) as caught:
                bed.connect()
            assert len(caught.value.__notes__) == 1
            assert bed.app.secret_id in caught.value.__notes__[0]
            assert caught.value.__cause__ is None
        once = bed.calls - held
        assert 1 <= once <= most
        bed.time.now += 1.5
        with pytest.raises(psycopg.OperationalError, match=REJECTED) as caught:
            bed.connect()
        assert "the source gave no answer" in caught.value.__notes__[0]
        assert once + 1 <= bed.calls - held <= once + max(most, 3)  # denied: by DescribeSecret, then by stage
    assert bed.credentials.stats().rejected == 21  # one login each: nothing was sent twice
    bed.put(changed)
    bed.time.now += 60.0
    bed.connect()


@pytest.mark.parametrize("bad", ['{"username": "u"}', "not a login", ""], ids=["no password", "text", "empty"])
def test_a_new_version_of_the_wrong_shape_is_not_taken(bed: Bed, bad: str, caplog: pytest.LogCaptureFixture) -> None:
    bed.connect()
    bed.app.secrets.put(bed.app.secret_id, "placeholder")

    def spoil(answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"SecretString": bad}

    with bed.faulty.fault(Change(spoil), lambda request: request.operation == "GetSecretValue"):
        bed.time.now += 2 * TTL
        bed.connect()
        wait_until(lambda: bed.credentials.stats().refresh_failures == 1)
        bed.connect()
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("jump", [1e6, -1e6], ids=["forwards", "backwards"])
def test_a_clock_that_jumps(bed: Bed, jump: float) -> None:
    """A monotonic clock should not; a container that is frozen and moved may see it."""
    bed.connect()
    bed.time.now += jump
    bed.connect()
    for _ in range(2):
        for _ in bed.app.rotator().steps():
            bed.connect()
    bed.time.now -= jump
    for _ in bed.app.rotator().steps():
        bed.connect()
    assert bed.credentials.stats().recovered >= 3


def test_no_permission_for_the_pending_version(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    """Only AWSCURRENT may be read (a policy on secretsmanager:VersionStage): the window costs what it costs everybody,
    finishSecret ends it, and the log tells of it once."""
    caplog.set_level(logging.INFO, "secretconn.refresh")
    hidden: list[str] = []

    def is_hidden(request: Request) -> bool:
        return bool(hidden) and (
            request.body.get("VersionId") in hidden or request.body.get("VersionStage") == "AWSPENDING"
        )

    bed.connect()
    with bed.faulty.fault(FAULTS["access denied"], is_hidden):
        for done in bed.app.rotator().steps():
            hidden[:] = [] if done.step == "finishSecret" else [done.version_id]
            bed.time.now += 60.0
            if done.step in ("setSecret", "testSecret"):
                with pytest.raises(psycopg.OperationalError, match=REJECTED) as caught:
                    bed.connect()
                assert "no other login" in caught.value.__notes__[0]
            else:
                bed.connect()
    told = [one for one in caplog.records if "AWSPENDING cannot be read" in one.getMessage()]
    assert len(told) == 1
    assert bed.credentials.stats().refresh_failures == 0
    assert warnings_in(caplog) == []
