"""One client for all secrets that are reached alike: made once, kept while it is used, renewed when it must be."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from secretconn.credentials import CURRENT, PENDING
from secretconn.runtime import version_of
from secretconn.sources import SecretsManagerSource
from secretconn.sources import clients as module
from secretconn.sources.clients import SharedClient, _region_of
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


def test_our_own_gives_up_soon_and_keeps_a_hundred_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    config = SecretsManagerSource("s", region="eu-west-1").client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (2.0, 3.0, 100)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert config.user_agent_extra == f"secretconn/{version_of()}"


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


def test_each_kind_of_session_tells_its_region_in_its_own_way() -> None:
    assert _region_of(SimpleNamespace(region_name="eu-west-1")) == "eu-west-1"
    assert _region_of(SimpleNamespace(get_config_variable=lambda name: f"the {name}")) == "the region"
    assert _region_of(SimpleNamespace()) is None


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


class Failing:
    """A hook of the cache's that fails itself."""

    def put(self, answer: Any) -> Any:
        raise ZeroDivisionError

    def get(self, kept: Any) -> Any:
        return kept


def test_a_hook_s_own_failure_escapes() -> None:
    from aws_secretsmanager_caching import SecretCacheConfig

    config = SecretCacheConfig(secret_cache_hook=Failing())
    with pytest.raises(ZeroDivisionError):
        SecretsManagerSource("s", client=Client(current=1), cache_config=config).read((CURRENT,), NOBODY)


# -- our own, made by botocore and asked over HTTP --------------------------------------------------------------------

VALUE = {"VersionId": "v1".rjust(32, "0"), "VersionStages": [CURRENT, PENDING], "SecretString": "s3cret-word"}
EXPIRED = {"__type": "ExpiredTokenException", "message": "no"}


class Service:
    """Answers as Secrets Manager does, with these statuses and bodies in order.

    Attributes:
        asked: What it was asked.
    """

    def __init__(self, *answers: tuple[int, dict[str, Any]]) -> None:
        self.asked: list[dict[str, str]] = []
        left, asked = list(answers), self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                status, answer = left.pop(0)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @contextlib.contextmanager
    def serving(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerSource]:
        """A source that asks here, with keys from the environment."""
        for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(name, value)
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{self._server.server_port}"
        source = SecretsManagerSource("s", region="eu-west-1", endpoint_url=address)
        yield source
        source.after_fork(False)
        self._server.shutdown()
        self._server.server_close()


def test_keys_that_end_are_looked_for_again_within_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service((200, VALUE), (400, EXPIRED), (200, VALUE))
    with service.serving(monkeypatch) as source:
        source.read((CURRENT,), NOBODY)
        old = source.client
        reading = source.read_fresh((CURRENT,), frozenset({VALUE["VersionId"]}))
        assert reading.stages == dict.fromkeys(VALUE["VersionStages"], VALUE["VersionId"])
        assert source.client is not old
        assert source.api_calls == 3
    assert service.asked == [{"SecretId": "s", "VersionStage": CURRENT}] * 3


def test_so_they_are_where_what_is_held_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    described = {"VersionIdsToStages": {VALUE["VersionId"]: [CURRENT]}}
    with Service((200, described), (400, EXPIRED), (200, described)).serving(monkeypatch) as source:
        for _ in range(2):
            reading = source.read((CURRENT, PENDING), frozenset({VALUE["VersionId"]}))
            assert (reading.stages, reading.payloads) == ({CURRENT: VALUE["VersionId"]}, {})
        assert source.api_calls == 3


def test_keys_that_never_were_good_are_the_caller_s(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service((400, EXPIRED), (200, VALUE), (400, EXPIRED), (400, EXPIRED))
    with service.serving(monkeypatch) as source:
        for calls in (1, 2, 4):
            with contextlib.nullcontext() if calls == 2 else pytest.raises(Exception, match="ExpiredTokenException"):
                source.read((CURRENT,), NOBODY)
            assert len(service.asked) == calls


def test_botocore_s_own_log_has_no_answer_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Service((200, VALUE)).serving(monkeypatch) as source:
        (payload,) = source.read((CURRENT,), NOBODY).payloads.values()
    assert payload.content == "s3cret-word"
    assert "botocore" in caplog.text
    assert "s3cret-word" not in caplog.text
    answers_of_another = logging.getLogger("botocore.parsers").debug
    thread = threading.Thread(target=answers_of_another, args=("is logged as ever",))
    thread.start()
    thread.join(10)
    answers_of_another("and so is this")
    assert "is logged as ever" in caplog.text
    assert "and so is this" in caplog.text
