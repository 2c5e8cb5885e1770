"""Secrets Manager's source and a client that keeps count: what is asked, what one stage's failure means, forks."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.sources import SecretsManagerSource
from tests.unit.fakes import Answered

pytest.importorskip("aws_secretsmanager_caching")

ALL = (CURRENT, PENDING, PREVIOUS)
NOBODY = frozenset[str]()


def id_of(number: int) -> str:
    return str(number).rjust(32, "0")


class Client:
    """As boto3's: versions by stage, and errors by what is asked."""

    def __init__(self, **stages: int) -> None:
        self.stages = {f"AWS{stage.upper()}": id_of(number) for stage, number in stages.items()}
        self.errors: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.closed = 0
        self.on_call: Any = None

    def describe_secret(self, **_arguments: str) -> Any:
        self._asked("describe")
        return {"VersionIdsToStages": {version: self._labels(version) for version in self.stages.values()}}

    def get_secret_value(self, **arguments: str) -> Any:
        stage = arguments.get("VersionStage") or self._labels(arguments["VersionId"])[0]
        self._asked(stage)
        version = self.stages.get(stage)
        if version is None:
            raise Answered("ResourceNotFoundException")
        return {"VersionId": version, "VersionStages": self._labels(version), "SecretString": f"content of {version}"}

    def close(self) -> None:
        self.closed += 1

    def _labels(self, version: str) -> list[str]:
        return [stage for stage, named in self.stages.items() if named == version]

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if self.on_call is not None:
            self.on_call()
        if what in self.errors:
            raise self.errors[what]


def test_a_first_read_is_one_call_and_says_so() -> None:
    client = Client(current=1, previous=0)
    source = SecretsManagerSource("s", client=client)
    reading = source.read((CURRENT,), NOBODY)
    assert (reading.stages, reading.whole) == ({CURRENT: id_of(1)}, False)
    assert reading.payloads[id_of(1)].content == f"content of {id_of(1)}"
    assert (client.asked, source.api_calls) == ([CURRENT], 1)


def test_every_label_of_the_version_is_told() -> None:
    reading = SecretsManagerSource("s", client=Client(current=1, pending=1)).read((CURRENT,), NOBODY)
    assert reading.stages == {CURRENT: id_of(1), PENDING: id_of(1)}


def test_a_ttl_read_describes_and_takes_no_content_that_is_held() -> None:
    client = Client(current=1, pending=2)
    source = SecretsManagerSource("s", client=client)
    reading = source.read((CURRENT,), frozenset({id_of(1)}))
    assert (client.asked, reading.whole, dict(reading.payloads)) == (["describe"], True, {})
    assert reading.stages == {CURRENT: id_of(1), PENDING: id_of(2)}


@pytest.mark.parametrize("stage", ALL)
def test_after_a_rejection_one_stage_is_one_call_held_or_not(stage: str) -> None:
    client = Client(current=1, pending=2, previous=0)
    reading = SecretsManagerSource("s", client=client).read_fresh((stage,), frozenset(map(id_of, range(3))))
    assert client.asked == [stage]
    assert reading.payloads.keys() == {client.stages[stage]}


def test_all_stages_are_one_description_and_a_value_for_each_that_is_not_held() -> None:
    client = Client(current=1, pending=2, previous=0)
    source = SecretsManagerSource("s", client=client)
    reading = source.read_fresh(ALL, frozenset({id_of(1)}))
    assert client.asked == ["describe", PENDING, PREVIOUS]
    assert (reading.whole, reading.payloads.keys()) == (True, {id_of(0), id_of(2)})


@pytest.mark.parametrize("stage", [PENDING, PREVIOUS])
def test_a_stage_that_is_nowhere_is_no_failure(stage: str) -> None:
    reading = SecretsManagerSource("s", client=Client(current=1)).read_fresh((stage,), NOBODY)
    assert (reading.stages, reading.payloads, reading.failures) == ({}, {}, {})


def test_one_that_is_denied_is_told_as_one_that_could_not_be_read() -> None:
    client = Client(current=1, pending=2)
    client.errors[PENDING] = Answered("AccessDeniedException")
    reading = SecretsManagerSource("s", client=client).read_fresh((PENDING,), NOBODY)
    assert reading.failures == {PENDING: client.errors[PENDING]}


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        (PENDING, "ThrottlingException"),
        (PENDING, "InternalServiceError"),
        (PENDING, "ExpiredTokenException"),
        (CURRENT, "AccessDeniedException"),
        (CURRENT, "ResourceNotFoundException"),
    ],
)
def test_what_says_nothing_of_the_stage_alone_is_raised(stage: str, code: str) -> None:
    client = Client(current=1, pending=2)
    client.errors[stage] = Answered(code)
    with pytest.raises(Answered) as caught:
        SecretsManagerSource("s", client=client).read_fresh((stage,), NOBODY)
    assert caught.value is client.errors[stage]


def test_one_version_that_cannot_be_read_hides_no_other() -> None:
    client = Client(current=1, pending=2, previous=0)
    client.errors[PENDING] = Answered("ThrottlingException")
    reading = SecretsManagerSource("s", client=client).read_fresh(ALL, NOBODY)
    assert reading.failures == {PENDING: client.errors[PENDING]}
    assert reading.payloads.keys() == {id_of(0), id_of(1)}


def test_without_the_right_to_describe_each_stage_is_asked_for_pending_first() -> None:
    client = Client(current=1, previous=0)
    client.errors["describe"] = Answered("AccessDeniedException")
    reading = SecretsManagerSource("s", client=client).read_fresh(ALL, NOBODY)
    assert client.asked == ["describe", PENDING, CURRENT, PREVIOUS, PENDING]
    assert (reading.stages, reading.failures) == ({CURRENT: id_of(1), PREVIOUS: id_of(0)}, {})


def test_and_again_last_where_it_read_as_missing() -> None:
    """A version that was labelled just now, or has no value yet, reads as one that is not there."""
    client = Client(current=1, pending=2)
    client.errors = {"describe": Answered("AccessDeniedException"), PENDING: Answered("ResourceNotFoundException")}
    client.on_call = lambda: client.errors.pop(PENDING) if client.asked[-1] == CURRENT else None
    reading = SecretsManagerSource("s", client=client).read_fresh((CURRENT, PENDING), NOBODY)
    assert client.asked == ["describe", PENDING, CURRENT, PENDING]
    assert reading.stages == {CURRENT: id_of(1), PENDING: id_of(2)}


def test_a_read_that_hangs_holds_up_no_other() -> None:
    """Each read has a cache item of its own: the lock of one is held over its calls."""
    client = Client(current=1)
    entered, leave = threading.Event(), threading.Event()
    client.on_call = lambda: (entered.set(), leave.wait(10))
    source = SecretsManagerSource("s", client=client)
    dripping = threading.Thread(target=source.read, args=((CURRENT,), NOBODY), daemon=True)
    dripping.start()
    try:
        assert entered.wait(10)
        client.on_call = None
        found: list[Any] = []
        other = threading.Thread(target=lambda: found.append(source.read_fresh(ALL, NOBODY)), daemon=True)
        other.start()
        other.join(10)
        assert found
    finally:
        leave.set()
        dripping.join(10)
    assert source.api_calls == 3


@pytest.mark.parametrize(("in_use", "closed"), [(True, 0), (False, 1)])
def test_a_forked_child_closes_the_idle_client_and_touches_none_in_use(in_use: bool, closed: int) -> None:
    source, client = SecretsManagerSource("s", region="eu-west-1"), Client(current=1)
    source._client = client  # as made at its first use
    source.after_fork(in_use)
    assert (client.closed, source._client) == (closed, None)


def test_a_client_that_was_given_stays_the_caller_s() -> None:
    client = Client(current=1)
    source = SecretsManagerSource("s", client=client)
    source.read((CURRENT,), NOBODY)
    source.after_fork(False)
    assert client.closed == 0
    assert source.client is client
