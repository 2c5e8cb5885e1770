"""The agent as a source: tokens, refreshNow, start-up, and what is said when nothing helps. No server is asked."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from secretconn import ConfigurationError, RotatingCredentials, Runtime, SecretUnavailable
from secretconn._core.rotating import core_of
from secretconn.credentials import Hidden
from secretconn.sources import AgentSource
from secretconn.sources.agent import _Asking
from secretconn.sources.agent_reply import Address, Reply, Unreached
from secretconn.watched import Watched
from tests.unit.fakes import Time

ALL = ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")
NOBODY = frozenset[str]()
NOT_FOUND = (400, '{"__type":"ResourceNotFoundException"}')
REFUSED = ConnectionRefusedError(111, "refused")


class Agent:
    """Answers `ask` from a table of stages, with faults first; counts what it was asked."""

    def __init__(self, **environ: str) -> None:
        self.time = Time()
        self.stages: dict[str, str] = {"AWSCURRENT": "v1"}
        self.faults: list[tuple[int, str] | Exception] = []
        self.token = ""
        self.asked: list[dict[str, str]] = []
        self.sent: list[str] = []
        self.environ = environ
        self.refresh_now = True
        self.gone = False

    def ask(self, address: Address, target: str, token: Hidden[str], timeout: float) -> Reply | Unreached:
        query = dict(parse_qsl(urlsplit(target).query))
        self.asked.append(query)
        self.sent.append(token.content)
        self.address, self.timeout = str(address), timeout
        if self.gone:
            return Unreached(REFUSED, True)
        fault = self.faults.pop(0) if self.faults else self.guard(query, token)
        if isinstance(fault, Exception):
            return Unreached(fault, isinstance(fault, ConnectionError))
        status, text = fault or self.answer(self.stages.get(query["versionStage"]))
        return Reply(status, text.encode())

    def guard(self, query: dict[str, str], token: Hidden[str]) -> tuple[int, str] | None:
        if self.token and token.content != self.token:
            return 403, "Bad Token"
        if not self.refresh_now and "refreshNow" in query:
            return 400, "unknown parameter: refreshNow"
        return None

    def answer(self, version: str | None) -> tuple[int, str]:
        if version is None:
            return NOT_FOUND
        login = {"username": "app", "password": f"pw-{version}"}
        return 200, json.dumps({"Name": "s", "VersionId": version, "SecretString": json.dumps(login)})

    def source(self, secret_id: str = "s", **more: Any) -> AgentSource:
        clock = self.time
        runtime = Runtime(clock=lambda: clock.now, sleep=clock.sleep, random=lambda: 0.5, environ=self.environ)
        return AgentSource(secret_id, runtime=runtime, ask=self.ask, **more)


def test_stages_are_known_by_asking_each() -> None:
    agent = Agent()
    agent.stages |= {"AWSPENDING": "v2"}
    source = agent.source()
    reading = source.read_fresh(ALL, NOBODY)
    assert dict(reading.stages) == {"AWSPENDING": "v2", "AWSCURRENT": "v1"}
    assert set(reading.payloads) == {"v1", "v2"}
    assert (reading.failures, reading.cached, reading.whole) == ({}, False, False)
    assert not reading.cached
    assert [query["versionStage"] for query in agent.asked] == ["AWSPENDING", "AWSCURRENT", "AWSPREVIOUS"]
    assert [query.get("refreshNow") for query in agent.asked] == ["true"] * 3
    assert source.api_calls == 3


def test_a_plain_read_may_come_out_of_the_agents_cache_and_says_so() -> None:
    agent = Agent()
    reading = agent.source().read(ALL[:1], NOBODY)
    assert reading.cached
    assert agent.asked == [{"secretId": "s", "versionStage": "AWSCURRENT"}]


def test_held_versions_are_left_out() -> None:
    reading = Agent().source().read_fresh(ALL, {"v1"})
    assert (dict(reading.stages), dict(reading.payloads)) == ({"AWSCURRENT": "v1"}, {})


def test_an_agent_without_refresh_now_is_asked_without_it_from_then_on() -> None:
    agent = Agent()
    agent.refresh_now = False
    source = agent.source()
    assert dict(source.read_fresh(ALL, NOBODY).stages) == {"AWSCURRENT": "v1"}
    assert [query.get("refreshNow") for query in agent.asked] == ["true", None, None, None]
    source.read_fresh(ALL, NOBODY)
    assert len(agent.asked) == 7
    assert agent.time.slept == []


def test_the_extension_is_not_asked_for_refresh_now() -> None:
    agent = Agent(AWS_TOKEN="no", AWS_SESSION_TOKEN="yes")
    agent.token = "yes"
    reading = agent.source(extension=True).read_fresh(ALL, NOBODY)
    assert dict(reading.stages) == {"AWSCURRENT": "v1"}
    assert not any("refreshNow" in query for query in agent.asked)
    assert set(agent.sent) == {"yes"}


def test_tokens_in_order_and_the_next_one_after_a_403() -> None:
    agent = Agent(AWS_TOKEN="a", AWS_SESSION_TOKEN="b", AWS_CONTAINER_AUTHORIZATION_TOKEN="c")
    agent.token = "c"
    source = agent.source()
    source.read(ALL[:1], NOBODY)
    assert agent.sent == ["a", "b", "c"]
    source.read(ALL[:1], NOBODY)
    assert agent.sent[3:] == ["c"]
    assert agent.time.slept == []


def test_a_token_file_is_read_again_after_a_403(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    agent = Agent(AWS_TOKEN=f"file://{file}")
    agent.token = "old"
    source = agent.source()
    source.read(ALL[:1], NOBODY)
    file.write_text("new")
    agent.token = "new"
    source.read(ALL[:1], NOBODY)
    assert agent.sent == ["old", "new"]


def test_a_token_file_that_holds_none_is_as_good_as_absent(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes("tök".encode())
    for file in ("token", "nothing"):
        agent = Agent(AWS_TOKEN=f"file://{tmp_path / file}")
        agent.source().read(ALL[:1], NOBODY)
        assert agent.sent == [""]


def test_a_new_token_may_be_there_before_the_agent_that_goes_by_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("new")
    agent = Agent(AWS_TOKEN=f"file://{file}", AWS_SESSION_TOKEN="b")
    agent.faults = [(403, "Bad Token")] * 4
    agent.token = "new"
    agent.source().read(ALL[:1], NOBODY)
    assert agent.sent == ["new", "b", "new", "b", "new"]


def test_a_token_that_stays_refused_is_an_error_that_says_where_tokens_come_from() -> None:
    agent = Agent(AWS_TOKEN="t0p")
    agent.token = "another"
    with pytest.raises(SecretUnavailable) as caught:
        agent.source().read(ALL, NOBODY)
    assert sum(agent.time.slept) <= 1.0
    assert str(caught.value) == (
        "secret 's' could not be read from the Secrets Manager Agent at http://localhost:2773: it answered 403, which "
        f"refuses the token (asked for {sum(agent.time.slept):.1f} s); the token was looked for in AWS_TOKEN, "
        "AWS_SESSION_TOKEN, AWS_CONTAINER_AUTHORIZATION_TOKEN, /var/run/awssmatoken"
    )


def test_that_of_the_extension_is_in_one_place() -> None:
    agent = Agent(AWS_SESSION_TOKEN="t0p")
    agent.token = "another"
    with pytest.raises(SecretUnavailable, match=r"Extension at .*; the token was looked for in AWS_SESSION_TOKEN$"):
        agent.source(extension=True).read(ALL, NOBODY)


@pytest.mark.parametrize("fault", [(400, "not ready"), (503, "Serving not enabled"), REFUSED, ConnectionResetError()])
def test_a_start_is_waited_for(fault: Any) -> None:
    agent = Agent()
    agent.faults = [fault] * 6
    assert dict(agent.source().read(ALL[:1], NOBODY).stages) == {"AWSCURRENT": "v1"}
    assert agent.time.slept == pytest.approx([0.0375, 0.075, 0.15, 0.3, 0.375, 0.375])  # by a random number of 0.5


def test_a_start_that_never_ends_is_bounded_and_says_what_was_asked() -> None:
    agent = Agent()
    agent.gone = True
    with pytest.raises(SecretUnavailable) as caught:
        agent.source("prod/orders").read(ALL, NOBODY)
    assert str(caught.value) == (
        "secret 'prod/orders' could not be read: neither the Secrets Manager Agent nor the Parameters and Secrets "
        f"Lambda Extension answers at http://localhost:2773 (ConnectionRefusedError, asked for "
        f"{sum(agent.time.slept):.1f} s). Start it, set PARAMETERS_SECRETS_EXTENSION_HTTP_PORT or endpoint_url= to "
        "where it listens, or read from Secrets Manager itself"
    )
    assert caught.value.__cause__ is REFUSED
    assert caught.value.secret_id == "prod/orders"
    assert 4 < sum(agent.time.slept) <= 5


def test_one_request_takes_at_most_half_of_the_time_and_no_more_than_is_left() -> None:
    agent = Agent()
    asking = _Asking(Runtime(clock=lambda: agent.time.now))
    for seconds, timeout in ((0.0, 5.0), (8.0, 2.0), (20.0, 0.05)):
        agent.time.now = 1000.0 + seconds
        assert asking.request_timeout() == pytest.approx(timeout)


def test_the_caller_is_told_which_secret_the_agent_does_not_have() -> None:
    agent = Agent()
    agent.stages.clear()
    with pytest.raises(SecretUnavailable) as caught:
        RotatingCredentials("s", source=agent.source()).current()
    assert caught.value.secret_id == "s"
    assert str(caught.value).endswith(". To see what is wrong, run: secretconn check s")


def test_a_time_out_is_not_repeated() -> None:
    agent = Agent()
    agent.faults = [TimeoutError("timed out")]
    with pytest.raises(SecretUnavailable, match=r"neither .* \(TimeoutError"):
        agent.source().read(ALL[:1], NOBODY)
    assert len(agent.asked) == 1
    assert agent.timeout == 5.0


@pytest.mark.parametrize("fault", [(429, "Connection limit exceeded"), (500, '{"__type":"InternalFailure"}')])
def test_a_busy_agent_is_asked_again_twice(fault: tuple[int, str]) -> None:
    agent = Agent()
    agent.faults = [fault] * 2
    assert agent.source().read(ALL[:1], NOBODY).stages
    agent.faults = [fault] * 3
    with pytest.raises(SecretUnavailable, match=rf"read from the Secrets Manager Agent at .*: it answered {fault[0]}"):
        agent.source().read(ALL[:1], NOBODY)


def test_a_stage_that_cannot_be_read_does_not_hide_the_others() -> None:
    agent = Agent()
    agent.faults = [(400, '{"__type":"AccessDeniedException"}')]
    reading = agent.source().read_fresh(ALL, NOBODY)
    assert dict(reading.stages) == {"AWSCURRENT": "v1"}
    assert "AccessDeniedException" in str(reading.failures["AWSPENDING"])


def test_another_stage_alone_that_cannot_be_read_is_no_failed_read() -> None:
    agent = Agent()
    agent.faults = [(400, '{"__type":"AccessDeniedException"}')]
    reading = agent.source().read_fresh(("AWSPENDING",), NOBODY)
    assert (reading.stages, reading.payloads, reading.failures.keys()) == ({}, {}, {"AWSPENDING"})


def test_the_current_stage_must_be_there() -> None:
    agent = Agent()
    agent.stages = {"AWSPENDING": "v2"}
    with pytest.raises(SecretUnavailable, match=r": it answered 400 ResourceNotFoundException \(asked for 0.0 s\)$"):
        agent.source().read(ALL, NOBODY)


@pytest.mark.parametrize(
    ("environ", "given", "address"),
    [
        ({}, None, "http://localhost:2773"),
        ({"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "4000"}, None, "http://localhost:4000"),
        ({"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "4000"}, "http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ({"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "1"}, None, "http://localhost:1"),
        ({"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "65535"}, None, "http://localhost:65535"),
        ({}, "http://agent", "http://agent:2773"),
    ],
)
def test_the_address(environ: dict[str, str], given: str | None, address: str) -> None:
    agent = Agent(**environ)
    source = agent.source(endpoint_url=given)
    source.read(ALL[:1], NOBODY)
    assert agent.address == source.place == address


@pytest.mark.parametrize(
    "wrong", ["https://localhost", "localhost:2773", "http://h:x", "http://h/path", "http://u:p@h"]
)
def test_an_address_that_is_none(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="endpoint_url"):
        Agent().source(endpoint_url=wrong)


@pytest.mark.parametrize("wrong", ["0", "x", "65536", "-1", "99999999999"])
def test_a_port_that_is_none(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"):
        Agent(PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=wrong).source()


def test_a_cached_answer_is_no_newer_than_what_was_held() -> None:
    agent = Agent()
    rotating = RotatingCredentials("s", source=agent.source(), runtime=agent.time.runtime())
    rotating.current()
    assert core_of(rotating).state.answer is not None
    assert core_of(rotating).state.answer.tick == -1
    rotating.refresh()
    tick = core_of(rotating).state.answer.tick
    assert tick >= 0
    rotating.invalidate()
    rotating.current()
    assert "refreshNow" not in agent.asked[-1]
    assert core_of(rotating).state.answer.tick == tick


def after_ttls(agent: Agent, rotating: RotatingCredentials, many: int) -> Watched:
    """Re-reads by TTL, an hour or more apart."""
    watched = Watched(rotating, "s", deque())
    for _ in range(many):
        agent.time.now += 3601.0
        rotating.current()
        agent.time.land()
        watched.gauge("pending")
    return watched


def test_a_rotation_that_is_stuck_shows_after_some_re_reads() -> None:
    """The alert SecretconnRotationStuck goes by this, and SecretconnCredentialsOld by the age."""
    agent = Agent()
    rotating = RotatingCredentials("s", source=agent.source(), runtime=agent.time.runtime())
    rotating.current()
    agent.stages["AWSPENDING"] = "v2"
    watched = after_ttls(agent, rotating, 4)
    assert (watched.gauge("pending"), watched.gauge("age")) == (3 * 3601.0, 300.0)
    assert [query.get("refreshNow") for query in agent.asked[-2:]] == ["true", None]
    del agent.stages["AWSPENDING"]  # given up
    assert after_ttls(agent, rotating, 1).gauge("pending") == 0.0


@pytest.mark.parametrize("kind", ["extension", "older agent"])
def test_nothing_asks_for_awspending_where_that_would_stay_in_a_cache(kind: str) -> None:
    """A rotation that begins later is found there, after a rejection."""
    agent = Agent()
    agent.refresh_now = False
    source = agent.source(extension=kind == "extension")
    rotating = RotatingCredentials("s", source=source, runtime=agent.time.runtime())
    rotating.current()
    if kind == "older agent":
        after_ttls(agent, rotating, 1)  # which shows that it does not know refreshNow
    asked = len(agent.asked)
    after_ttls(agent, rotating, 3)
    assert [query["versionStage"] for query in agent.asked[asked:]] == ["AWSCURRENT"] * 3


def test_the_address_is_written_as_a_url() -> None:
    assert Agent().source(endpoint_url="http://[::1]:2773").place == "http://[::1]:2773"
    assert (
        Agent().source(endpoint_url="http://localhost:99").where == "the Secrets Manager Agent at http://localhost:99"
    )
