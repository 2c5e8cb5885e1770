"""One client for all secrets that are reached alike: made once, kept while it is used, renewed when it must be."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from secretconn.credentials import CURRENT, PENDING
from secretconn.sources import SecretsManagerSource
from secretconn.sources import clients as module
from secretconn.sources.clients import SharedClient
from tests.unit.fakes import Answered, Gate
from tests.unit.sources.test_secrets_manager import NOBODY, Client

botocore_session = pytest.importorskip("botocore.session")
pytest.importorskip("aws_secretsmanager_caching")


class Session:
    """As boto3's: makes a client at each call."""

    def __init__(self) -> None:
        self.made: list[Client] = []
        self.on_make: Callable[[], object] = lambda: None

    def client(self, *_args: Any, **_settings: Any) -> Client:
        self.made.append(Client(current=1, pending=1))
        self.on_make()
        return self.made[-1]


def source(name: str, session: Session, **how: Any) -> SecretsManagerSource:
    return SecretsManagerSource(name, session=session, **how)


def read(*sources: SecretsManagerSource) -> None:
    for one in sources:
        one.read((CURRENT,), NOBODY)


def test_secrets_that_are_reached_alike_share_one_client() -> None:
    session = Session()
    sources = [source(f"s{number}", session, region="eu-west-1") for number in range(5)]
    read(*sources)
    assert len(session.made) == 1
    assert session.made[0].asked == [CURRENT] * 5
    assert [one.api_calls for one in sources] == [1] * 5


@pytest.mark.parametrize(
    "how",
    [
        {"region": "eu-north-1"},
        {"endpoint_url": "http://127.0.0.1:1"},
        {"total_attempts": 1},
        {"otherwise_region": "eu-west-1"},
    ],
    ids=str,
)
def test_and_those_that_are_not_do_not(how: dict[str, Any]) -> None:
    session = Session()
    usual, other = source("s", session, region="eu-west-1"), source("s", session, **{"region": "eu-west-1", **how})
    read(usual, other)
    assert len(session.made) == 2


def test_nor_after_the_aws_variables_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    before = source("s", session)
    read(before)
    monkeypatch.setenv("AWS_PROFILE", "another")
    after = source("t", session)
    read(after, before)
    assert [client.asked for client in session.made] == [[CURRENT, CURRENT], [CURRENT]]


def test_our_own_clients_are_shared_by_profile_and_role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": ""}.items():
        monkeypatch.setenv(name, value)
    role = "arn:aws:iam::123456789012:role/reader"
    ways: list[dict[str, str]] = [{}, {"role_arn": role}, {"role_arn": role, "external_id": "x"}]
    sources = [SecretsManagerSource(name, region="eu-west-1", **way) for name in "st" for way in ways]
    made = [one.client for one in sources]
    assert made[:3] == made[3:]
    assert len(set(map(id, made))) == 3


def test_a_crowd_that_begins_together_makes_one() -> None:
    session, gate = Session(), Gate()
    session.on_make = gate.pass_through
    sources = [source(f"s{number}", session) for number in range(8)]
    gate.crowd(*(partial(read, one) for one in sources))
    assert len(session.made) == 1
    assert session.made[0].asked == [CURRENT] * 8


def test_one_whose_making_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    session, shared = Session(), SharedClient()
    entered, leave = threading.Event(), threading.Event()
    hangs = threading.Thread(target=shared.client, args=(lambda: (entered.set(), leave.wait(10)),), daemon=True)
    hangs.start()
    try:
        assert entered.wait(10)
        assert shared.client(session.client) is session.made[0]
    finally:
        leave.set()
        hangs.join(10)


def test_one_that_cannot_be_made_is_tried_again() -> None:
    session, shared = Session(), SharedClient()
    with pytest.raises(ZeroDivisionError):
        shared.client(lambda: 1 // 0)
    assert shared.client(session.client) is session.made[0]


def test_refused_keys_renew_it_once_for_all() -> None:
    session = Session()
    sources = [source(f"s{number}", session) for number in range(3)]
    read(*sources)
    session.made[0].errors[CURRENT] = Answered("ExpiredTokenException")
    for one in sources:
        with pytest.raises(Answered):
            read(one)
        read(one)
    assert len(session.made) == 2


def test_it_is_let_go_with_its_last_user() -> None:
    session = Session()
    one, other = source("s", session), source("t", session)
    read(one, other)
    kept = weakref.ref(session.made.pop())
    del one
    gc.collect()
    assert kept() is not None
    del other
    gc.collect()
    assert kept() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_makes_its_own_and_shares_that() -> None:
    session = Session()
    before = source("s", session)
    read(before)
    child = os.fork()
    if child == 0:
        before.after_fork(False)
        read(before, source("t", session), source("u", session))
        os._exit(len(session.made) * 10 + session.made[0].closed)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 21
    assert session.made[0].closed == 0


class Encrypting:
    """A hook of the cache's that has nothing to do with an answer that is not there."""

    def put(self, answer: Any) -> Any:
        return [answer]

    def get(self, kept: Any) -> Any:
        return kept[0]


@pytest.mark.parametrize("stages", [(CURRENT,), (CURRENT, PENDING)])
def test_a_hook_does_not_hide_why_a_read_failed(stages: tuple[str, ...]) -> None:
    from aws_secretsmanager_caching import SecretCacheConfig

    client = Client(current=1)
    failing = SecretsManagerSource("s", client=client, cache_config=SecretCacheConfig(secret_cache_hook=Encrypting()))
    failing.read(stages, NOBODY)
    client.errors[CURRENT] = client.errors["describe"] = Answered("InternalServiceError")
    with pytest.raises(Answered) as caught:
        failing.read(stages, NOBODY)
    assert caught.value is client.errors[CURRENT]
