"""The agent alone, in front of a real PostgreSQL: rotations are survived, trouble is recovered from or named."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials, Runtime, SecretUnavailable
from secretconn.testing import Application, LocalSecretsManager
from tests.support.agent import LocalAgent

STRATEGIES = ["single-user", "alternating-users"]

APPLICATION = """
import sys
import secretconn
for line in sys.stdin:
    secretconn.connect(sys.argv[1], driver="psycopg").close()
    print("connected", flush=True)
loaded = [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore", "aws_secretsmanager_caching")]
print("loaded", loaded, flush=True)
"""


@pytest.fixture
def agent(secrets_manager: LocalSecretsManager, tmp_path: Path) -> Iterator[LocalAgent]:
    with LocalAgent(secrets_manager, tmp_path) as agent:
        yield agent


ROLE = "arn:aws:iam::111122223333:role/reader"


def made(
    app: Application, agent: LocalAgent, scheme: str = "agent", role_arn: str | None = None, **environ: str
) -> RotatingCredentials:
    runtime = Runtime(environ={**agent.environment, **environ})
    return RotatingCredentials(f"{scheme}://{app.secret_id}", runtime=runtime, role_arn=role_arn, timeout=30)


def connect(credentials: RotatingCredentials) -> None:
    secretconn.connect(credentials, driver="psycopg").close()


@pytest.mark.parametrize("drop_pending", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rotations_are_survived_in_all_their_windows(
    postgres_app: Application, agent: LocalAgent, strategy: Any, drop_pending: bool
) -> None:
    credentials = made(postgres_app, agent)
    connect(credentials)
    for _ in range(3):
        for _step in postgres_app.rotator(strategy, drop_pending=drop_pending).steps():
            for _connection in range(3):
                connect(credentials)
    stats = credentials.stats()
    assert stats.connects == 37
    assert stats.recovered > 0
    assert any("refreshNow" in query for query in agent.requests)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_agent_that_does_not_know_refresh_now(
    postgres_app: Application, secrets_manager: LocalSecretsManager, tmp_path: Path, strategy: Any
) -> None:
    with LocalAgent(secrets_manager, tmp_path, refresh_now=False) as agent:
        credentials = made(postgres_app, agent)
        connect(credentials)
        for _step in postgres_app.rotator(strategy).steps():
            connect(credentials)
        connect(credentials)
    refreshes = [query for query in agent.requests if "refreshNow" in query]
    assert len(refreshes) == (1 if strategy == "single-user" else 0)


def test_the_extension_finds_a_rotation_under_awspending(postgres_app: Application, agent: LocalAgent) -> None:
    token = Path(agent.environment["AWS_TOKEN"].removeprefix("file://")).read_text()
    credentials = made(postgres_app, agent, "extension", AWS_SESSION_TOKEN=token)
    connect(credentials)
    postgres_app.rotator().rotate()
    connect(credentials)
    assert not any("refreshNow" in query for query in agent.requests)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_application_with_nothing_but_the_agent_never_imports_boto3(
    postgres_app: Application, agent: LocalAgent, strategy: Any
) -> None:
    secret_id = f"agent://{postgres_app.secret_id}"
    application = subprocess.Popen(
        [sys.executable, "-c", APPLICATION, secret_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **agent.environment},
    )
    assert application.stdin is not None
    assert application.stdout is not None

    def connects() -> bool:
        application.stdin.write("\n")  # type: ignore[union-attr]
        application.stdin.flush()  # type: ignore[union-attr]
        return application.stdout.readline() == "connected\n"  # type: ignore[union-attr]

    assert connects()
    assert all(connects() for _step in postgres_app.rotator(strategy).steps())
    rest, _ = application.communicate(timeout=30)
    assert (application.returncode, rest) == (0, "loaded []\n")


def test_a_restart_with_a_new_token_is_survived(postgres_app: Application, agent: LocalAgent) -> None:
    credentials = made(postgres_app, agent)
    connect(credentials)
    agent.stop()
    agent.start()
    postgres_app.rotator().rotate()
    connect(credentials)
    assert credentials.stats().refresh_failures == 0


def test_a_slow_start_is_waited_for(postgres_app: Application, agent: LocalAgent) -> None:
    agent.stop()
    starter = threading.Timer(0.3, agent.start)
    starter.start()
    connect(made(postgres_app, agent))
    starter.join()


@pytest.mark.parametrize(
    "faults",
    [
        [(403, "Bad Token")],
        [(400, "not ready to serve traffic, please wait")] * 3,
        [(429, "Connection limit exceeded")] * 2,
        [(500, '{"__type":"InternalFailure","message":""}')] * 2,
        [(504, '{"__type":"TimeoutError","message":"Timeout"}'), (502, '{"__type":"ConnectionError","message":""}')],
    ],
)
def test_a_passing_fault_is_recovered_from(
    postgres_app: Application, agent: LocalAgent, faults: list[tuple[int, str]]
) -> None:
    credentials = made(postgres_app, agent)
    agent.faults = list(faults)
    connect(credentials)
    postgres_app.rotator().rotate()
    agent.faults = list(faults)
    connect(credentials)
    assert agent.faults == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ((400, "Forwarded"), "X-Forwarded-For"),
        ((200, "<html>a login page</html>"), "no version of a secret"),
        ((404, "Not found"), "answered 404"),
        ((500, '{"__type":"InternalFailure","message":""}'), "500 InternalFailure"),
    ],
)
def test_a_lasting_fault_is_named_with_the_place(
    postgres_app: Application, agent: LocalAgent, fault: tuple[int, str], told: str
) -> None:
    agent.faults = [fault] * 3
    with pytest.raises(SecretUnavailable, match=told) as caught:
        connect(made(postgres_app, agent))
    assert f":{agent.environment['PARAMETERS_SECRETS_EXTENSION_HTTP_PORT']}" in str(caught.value)


def test_nobody_there_is_told_within_its_time(postgres_app: Application, agent: LocalAgent) -> None:
    credentials = made(postgres_app, agent)
    agent.stop()
    begun = time.monotonic()
    with pytest.raises(
        SecretUnavailable, match=r"neither the .* Agent nor the .* Extension answers at http://localhost"
    ):
        connect(credentials)
    assert time.monotonic() - begun < 30


def test_a_secret_that_does_not_exist_is_told_by_its_code(agent: LocalAgent) -> None:
    credentials = RotatingCredentials("agent://no/such", runtime=Runtime(environ=agent.environment))
    with pytest.raises(SecretUnavailable, match="ResourceNotFoundException"):
        credentials.current()


def test_the_agents_cache_serves_ordinary_reads(postgres_app: Application, agent: LocalAgent) -> None:
    for _ in range(5):
        made(postgres_app, agent).current()
    assert (len(agent.requests), agent.fetches) == (5, 1)


def test_the_stand_in_refuses_as_the_agent_does(agent: LocalAgent) -> None:
    def status(path: str, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", int(agent.endpoint_url.rpartition(":")[2]), timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    token = Path(agent.environment["AWS_TOKEN"].removeprefix("file://")).read_text()
    good = {"X-Aws-Parameters-Secrets-Token": token}
    assert status("/ping") == 200
    assert status("/secretsmanager/get?secretId=x") == 403
    assert status("/secretsmanager/get?secretId=x", **good, **{"X-Forwarded-For": "1.2.3.4"}) == 400
    assert status("/secretsmanager/get?secretId=x&other=1", **good) == 400
    assert status("/nowhere", **good) == 404


def test_the_agent_takes_a_role_for_each_request(postgres_app: Application, agent: LocalAgent) -> None:
    credentials = made(postgres_app, agent, role_arn=ROLE)
    connect(credentials)
    postgres_app.rotator().rotate()
    connect(credentials)
    assert {request["roleArn"] for request in agent.requests} == {ROLE}


def test_an_agent_that_knows_no_roles_says_so(
    postgres_app: Application, secrets_manager: LocalSecretsManager, tmp_path: Path
) -> None:
    with LocalAgent(secrets_manager, tmp_path, refresh_now=False) as agent:
        with pytest.raises(SecretUnavailable, match="roleArn is unknown to it"):
            connect(made(postgres_app, agent, role_arn=ROLE))
        assert agent.fetches == 0
