"""Replica regions, one of them a black hole that heals; and a role of another account, by moto's STS."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

import secretconn
from secretconn import RotatingCredentials, Runtime, SecretUnavailable
from secretconn.testing import Application

FIRST, REPLICA = "eu-central-1", "us-east-1"
ROLE = "arn:aws:iam::222222222222:role/reader"


class Regions:
    """A session whose clients go to another address for each region."""

    def __init__(self, app: Application, addresses: dict[str, str]) -> None:
        self._app, self._addresses = app, addresses

    def client(self, _service: str, *, region_name: str, endpoint_url: str | None, config: Any) -> Any:
        return self._app.secrets.client(
            region_name=region_name, endpoint_url=self._addresses[region_name], config=config
        )


class BlackHole:
    """A port at which connections are taken and never answered, until it heals and hands them on."""

    def __init__(self, port: int) -> None:
        self._there = port
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def heal(self) -> None:
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._hand_on, args=(here,), daemon=True).start()

    def _hand_on(self, here: socket.socket) -> None:
        with here, socket.create_connection(("127.0.0.1", self._there)) as there:
            back = threading.Thread(target=_copy, args=(there, here), daemon=True)
            back.start()
            _copy(here, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side has gone
        pass


@pytest.fixture
def black_hole(postgres_app: Application) -> Iterator[BlackHole]:
    hole = BlackHole(int(postgres_app.secrets.endpoint_url.rpartition(":")[2]))
    yield hole
    hole.close()


def replicated(app: Application, addresses: dict[str, str], runtime: Runtime) -> RotatingCredentials:
    return RotatingCredentials(
        app.secret_id, session=Regions(app, addresses), region=FIRST, replica_regions=(REPLICA,), runtime=runtime
    )


def test_a_black_hole_as_first_region_costs_one_time_limit_and_is_asked_again_when_it_heals(
    postgres_app: Application, black_hole: BlackHole
) -> None:
    app, ahead = postgres_app, [0.0]
    runtime = Runtime(clock=lambda: time.monotonic() + ahead[0], environ={})
    credentials = replicated(app, {FIRST: black_hole.url, REPLICA: app.secrets.endpoint_url}, runtime)
    places: list[str] = []
    credentials.subscribe(lambda event: places.append(event.place) if hasattr(event, "place") else None)  # type: ignore[attr-defined]
    connect = functools.partial(secretconn.connect, credentials, driver="psycopg")

    connect().close()  # within the 15 s that a caller waits at most, or it would raise SecretUnavailable
    for _step in app.rotator().steps():
        connect().close()
    assert set(places) == {REPLICA}
    value = app.secrets.client().get_secret_value(SecretId=app.secret_id, VersionStage="AWSCURRENT")["SecretString"]
    app.secrets.client(region_name=FIRST).create_secret(Name=app.secret_id, SecretString=value)
    black_hole.heal()
    ahead[0] += 31
    credentials.refresh()
    assert places[-1] == FIRST
    connect().close()


def test_all_regions_down_is_told_region_by_region(postgres_app: Application) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = f"http://127.0.0.1:{gone.getsockname()[1]}"
    credentials = replicated(postgres_app, {FIRST: closed, REPLICA: closed}, Runtime(environ={}))
    told = rf"in any region \({FIRST}: EndpointConnectionError; {REPLICA}: EndpointConnectionError\)"
    with pytest.raises(SecretUnavailable, match=told):
        credentials.current()


@pytest.fixture
def moto() -> Iterator[str]:
    """All of moto, with STS."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Local:
    """A boto3 session whose STS is moto's, and which keeps what it was asked to make."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = boto3.session.Session("testing", "testing", region_name=REPLICA)
        self.region_name = REPLICA
        self.made: list[str] = []

    def get_credentials(self) -> Any:
        return self._session.get_credentials()

    def client(self, service: str, **arguments: Any) -> Any:
        self.made.append(service)
        return self._session.client(service, **{**arguments, "endpoint_url": self._url})


@pytest.mark.parametrize("external_id", [None, "orders"])
def test_a_secret_of_another_account_through_a_role(moto: str, external_id: str | None) -> None:
    base = Local(moto)
    taken = base.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="owner")["Credentials"]
    owner = boto3.client(
        "secretsmanager",
        region_name=REPLICA,
        endpoint_url=moto,
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
    )
    login = {"username": "app", "password": "pw-1", "host": "db"}
    arn = owner.create_secret(Name=f"other/{uuid.uuid4()}", SecretString=json.dumps(login))["ARN"]
    assert ":222222222222:" in arn
    base.made.clear()

    def made(**arguments: Any) -> RotatingCredentials:
        return RotatingCredentials(arn, session=base, endpoint_url=moto, runtime=Runtime(environ={}), **arguments)

    with pytest.raises(SecretUnavailable, match="ResourceNotFoundException"):
        made().current()
    credentials = made(role_arn=ROLE, external_id=external_id)
    assert credentials.current().username == "app"
    assert credentials.refresh().username == "app"
    assert base.made == ["secretsmanager", "sts"]


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ({"AWS_REGION": "eu-north-1"}, "eu-north-1"),  # as in ECS, and as every other SDK reads it
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),  # boto3's own chain first
        ({"AWS_REGION": "eu-north-1", "SECRETCONN_REGION": "eu-west-1"}, "eu-west-1"),
        ({}, "ConfigurationError"),
    ],
)
def test_the_region_of_a_name(regions: dict[str, str], expected: str, postgres_app: Application) -> None:
    code = (
        "import secretconn, sys\n"
        "from secretconn._core.rotating import core_of\n"
        "credentials = secretconn.RotatingCredentials(sys.argv[1])\n"
        "try: credentials.prefetch()\n"
        "except secretconn.SecretUnavailable: pass\n"  # it is in one region only
        "except secretconn.ConfigurationError: sys.exit('ConfigurationError')\n"
        "sys.exit(core_of(credentials).reader.source.place)\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SECRETCONN_"))}
    around = {name: value for name, value in postgres_app.secrets.environment.items() if not name.endswith("REGION")}
    done = subprocess.run(
        [sys.executable, "-c", code, postgres_app.secret_id],
        env=kept | around | regions | {"AWS_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr.strip().splitlines()[-1] == expected
