"""Rule 2 on the real SDK: with nothing held, a fault is a SecretUnavailable from its cause, and is not cached."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

import secretconn
from secretconn.sources.secrets_manager import SecretsManagerSource
from secretconn.testing import Application
from tests.live.faults.harness import Bed, quick_client
from tests.support.faults import FAULTS, Answer, FaultySecretsManager, Request

CAUSES: dict[str, type[Exception]] = {
    "hang": ReadTimeoutError,
    "reset": ConnectionClosedError,
    "malformed body": ValueError,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_cause_and_the_next_call_works(bed: Bed, name: str) -> None:
    bed = Bed(bed.app, bed.faulty, read_patience=0.0)
    with bed.faulty.fault(FAULTS[name]), pytest.raises(secretconn.SecretUnavailable) as caught:
        bed.connect()
    cause = caught.value.__cause__
    assert type(cause) is CAUSES.get(name) or isinstance(cause, ClientError)
    if isinstance(cause, ClientError):
        assert cause.response["Error"]["Code"] in {getattr(FAULTS[name], "code", ""), "500", "503"}
    assert bed.app.secret_id in str(caught.value)
    assert bed.calls == 1
    bed.connect()


@pytest.mark.parametrize("name", FAULTS)
async def test_the_same_for_tasks(bed: Bed, name: str) -> None:
    bed = Bed(bed.app, bed.faulty, read_patience=0.0)
    with bed.faulty.fault(FAULTS[name]), pytest.raises(secretconn.SecretUnavailable) as caught:
        await secretconn.aconnect(bed.credentials, driver="psycopg")
    assert caught.value.__cause__ is not None
    await bed.credentials.acurrent()


def test_a_caller_waits_for_its_timeout_and_no_longer(postgres_app: Application, faulty: FaultySecretsManager) -> None:
    """The call is still hanging when the caller has its error: nothing else can have ended the wait."""
    client = quick_client(faulty, read_timeout=3600.0)
    bed = Bed(postgres_app, faulty, client, timeout=0.2)
    with faulty.fault(FAULTS["hang"]):
        with pytest.raises(secretconn.SecretUnavailable) as caught:
            bed.connect()
        assert faulty.hanging == 1
        assert isinstance(caught.value.__cause__, TimeoutError)
        with pytest.raises(secretconn.SecretUnavailable):
            bed.connect()
        assert faulty.hanging == bed.calls == 2  # the first call is abandoned, and nobody joins it


@pytest.mark.parametrize("name", ["throttled", "internal error", "reset"])
def test_a_first_read_that_fails_in_passing_is_repeated(bed: Bed, name: str) -> None:
    with bed.faulty.fault(FAULTS[name], first(3)):
        bed.connect()
    assert bed.calls == 4


def test_the_default_client_is_bounded_below_the_default_timeout(faulty: FaultySecretsManager) -> None:
    source = SecretsManagerSource("any", region="eu-central-1", endpoint_url=faulty.endpoint_url)
    config = source.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.0, 3.0)
    assert config.retries == {"total_max_attempts": 2, "mode": "standard"}
    longest = 2 * max(config.connect_timeout, config.read_timeout)  # two attempts of one call
    assert longest < secretconn.RotatingCredentials("any", source=source)._settings.timeout


def test_an_unresolvable_host(bed: Bed) -> None:
    """DNS fails in the real resolver: the name is under .invalid (RFC 6761). Lifting the fault is enough."""
    client, broken = quick_client(bed.faulty), [True]

    def resolve_elsewhere(request: Any, **_: Any) -> None:
        if broken:
            request.url = "http://secretsmanager.invalid/"

    client.meta.events.register("before-send.secrets-manager", resolve_elsewhere)
    one = Bed(bed.app, bed.faulty, client)
    with pytest.raises(secretconn.SecretUnavailable) as caught:
        one.connect()
    assert isinstance(caught.value.__cause__, EndpointConnectionError | ConnectTimeoutError)
    assert one.calls == 0
    broken.clear()
    one.connect()


def test_refused(bed: Bed) -> None:
    with FaultySecretsManager(bed.app.secrets) as gone:
        client = quick_client(gone)
    with pytest.raises(secretconn.SecretUnavailable) as caught:
        Bed(bed.app, bed.faulty, client).connect()
    assert isinstance(caught.value.__cause__, EndpointConnectionError)


def first(number: int) -> Callable[[Request], bool]:
    """Choose the first requests."""
    counted = itertools.count()
    return lambda _request: next(counted) < number


def is_value(request: Request) -> bool:
    return request.operation == "GetSecretValue"


@pytest.mark.parametrize("left", [b"{}", b'{"SecretString": ""}', b'{"SecretString": "tru'], ids=["no", "empty", "cut"])
def test_a_reply_without_a_value_is_not_kept(bed: Bed, left: bytes) -> None:
    with bed.faulty.fault(Answer(200, content=left), is_value), pytest.raises(secretconn.SecretError):
        bed.connect()
    bed.connect()


@pytest.mark.parametrize(
    "content",
    [
        "just text",
        "[1, 2]",
        '{"username": "u", "password": "hunter2"',
        {"username": "u", "api_key": "hunter2"},
        {"username": "u", "password": 7},
        b"\xff\xfe\xfd",
    ],
    ids=["text", "list", "cut off", "no password", "number", "no text"],
)
def test_a_secret_of_the_wrong_shape(bed: Bed, content: Any) -> None:
    """A version's content never changes: what heals it is another version."""
    good = bed.app.login()
    bed.app.secrets.put(bed.app.secret_id, content)
    for _ in range(2):
        with pytest.raises(secretconn.SecretFormatError) as caught:
            bed.connect()
        assert "hunter2" not in str(caught.value)
    bed.put(good)
    bed.connect()


def test_a_version_that_has_no_value_yet(bed: Bed) -> None:
    """AWS answers ResourceNotFoundException for a version without a value."""
    with bed.faulty.fault(FAULTS["not found"], is_value), pytest.raises(secretconn.SecretUnavailable) as caught:
        bed.connect()
    assert isinstance(caught.value.__cause__, ClientError)
    bed.connect()
