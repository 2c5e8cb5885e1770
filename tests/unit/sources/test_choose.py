"""Who decides where a secret is read from: its id, then the arguments, then the environment."""

from __future__ import annotations

from typing import Any

import pytest

from secretconn import ConfigurationError, RotatingCredentials, Runtime
from secretconn._core.choose import Reach, choose
from secretconn._core.environment import environment
from secretconn.sources import AgentSource, FileSource, ReplicatedSource, SecretsManagerSource
from secretconn.sources.base import Source
from secretconn.testing.memory import MemorySource

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/orders-AbCdEf"


class Client:
    class meta:  # noqa: N801
        region_name = "eu-central-1"


def chosen(secret_id: str, environ: dict[str, str] | None = None, **arguments: Any) -> Source:
    around = {f"SECRETCONN_{name}": value for name, value in (environ or {}).items()}
    return choose(secret_id, Reach(**arguments), environment(around), Runtime(environ=around))


def place(source: Source) -> object:
    return getattr(source, "place", None)


@pytest.mark.parametrize(
    ("secret_id", "environ", "kind", "where"),
    [
        ("s", {}, SecretsManagerSource, None),
        (ARN, {}, SecretsManagerSource, "eu-central-1"),
        ("agent://s", {}, AgentSource, "http://localhost:2773"),
        ("extension://s", {}, AgentSource, "http://localhost:2773"),
        ("file:///mnt/my%20db", {}, FileSource, "/mnt/my db"),
        ("s", {"SOURCE": "agent"}, AgentSource, "http://localhost:2773"),
        ("s", {"SOURCE": "agent", "ENDPOINT_URL": "http://sidecar:99"}, AgentSource, "http://sidecar:99"),
        ("agent://s", {"ENDPOINT_URL": "http://sidecar:99"}, AgentSource, "http://sidecar:99"),
        ("agent://s", {"SOURCE": "secretsmanager", "ENDPOINT_URL": "http://x"}, AgentSource, "http://localhost:2773"),
        ("prod/s", {"SOURCE": "file:///mnt/secrets"}, FileSource, "/mnt/secrets/prod/s"),
        ("/prod/s", {"SOURCE": "file:///mnt/secrets/"}, FileSource, "/mnt/secrets/prod/s"),
        ("secretsmanager://s", {"SOURCE": "agent", "REGION": "eu-west-1"}, SecretsManagerSource, "eu-west-1"),
        ("s", {"REGION": "eu-west-1"}, SecretsManagerSource, "eu-west-1"),
        (ARN, {"REGION": "eu-west-1"}, SecretsManagerSource, "eu-central-1"),
        (ARN, {"REPLICA_REGIONS": "eu-west-1"}, ReplicatedSource, "eu-central-1"),
        (ARN, {"REPLICA_REGIONS": "eu-central-1"}, SecretsManagerSource, "eu-central-1"),
    ],
)
def test_id_and_environment(secret_id: str, environ: dict[str, str], kind: type, where: str | None) -> None:
    source = chosen(secret_id, environ)
    assert (type(source), place(source)) == (kind, where)


@pytest.mark.parametrize(
    ("environ", "arguments", "where"),
    [
        ({"REGION": "eu-west-1"}, {"region": "eu-north-1"}, "eu-north-1"),
        ({"SOURCE": "agent"}, {"region": "eu-north-1"}, "eu-north-1"),
        ({"SOURCE": "agent", "ENDPOINT_URL": "http://sidecar:99"}, {"profile": "p"}, None),
        ({"REGION": "eu-west-1", "REPLICA_REGIONS": "eu-north-1"}, {"client": Client()}, None),
        ({"REGION": "eu-west-1"}, {"session": object()}, None),
        ({"REPLICA_REGIONS": "eu-north-1"}, {"endpoint_url": "http://127.0.0.1:1"}, None),
    ],
)
def test_an_argument_wins(environ: dict[str, str], arguments: dict[str, Any], where: str | None) -> None:
    source = chosen("s", environ, **arguments)
    assert (type(source), place(source)) == (SecretsManagerSource, where)


def test_an_address_goes_to_the_agent() -> None:
    assert place(chosen("agent://s", endpoint_url="http://127.0.0.1:1")) == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("secret_id", "environ", "arguments", "named"),
    [
        ("agent://s", {}, {"region": "eu-west-1"}, "region="),
        ("file:///s", {}, {"client": Client()}, "client="),
        ("file:///s", {}, {"endpoint_url": "http://x"}, "endpoint_url="),
        ("vault://s", {}, {}, "known are"),
        ("../s", {"SOURCE": "file:///mnt"}, {}, "SECRETCONN_SOURCE"),
        (ARN, {"SOURCE": "file:///mnt"}, {}, "SECRETCONN_SOURCE"),
        ("s", {}, {"client": Client(), "replica_regions": ("eu-west-1",)}, "replica_regions="),
        ("s", {}, {"endpoint_url": "http://x", "replica_regions": ("eu-west-1",)}, "endpoint_url="),
        ("s", {"ENDPOINT_URL": "http://x", "REPLICA_REGIONS": "eu-west-1"}, {}, "SECRETCONN_ENDPOINT_URL"),
        (ARN, {}, {"replica_regions": ("cn-north-1",)}, "aws-cn"),
        ("s", {}, {"role_arn": "reader"}, "role_arn="),
        ("s", {}, {"external_id": "x"}, "role_arn="),
        ("s", {}, {"role_arn": "arn:aws:iam::123456789012:role/r", "client": Client()}, "role_arn="),
    ],
)
def test_contradictions_are_named(
    secret_id: str, environ: dict[str, str], arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        chosen(secret_id, environ, **arguments)


def test_a_replica_is_asked_by_the_same_arn_in_its_region() -> None:
    source = chosen(ARN, replica_regions=("eu-west-1", "eu-central-1", "eu-west-1"))
    assert isinstance(source, ReplicatedSource)
    places = [(part.place, part._secret_id) for part in source._sources if isinstance(part, SecretsManagerSource)]
    assert places == [("eu-central-1", ARN), ("eu-west-1", ARN.replace("eu-central-1", "eu-west-1"))]


def test_rotating_credentials_and_connect_take_such_ids() -> None:
    environ = {"SECRETCONN_TTL": "60"}
    rotating = RotatingCredentials("agent://s", runtime=Runtime(environ=environ))
    assert isinstance(rotating._reader._source, AgentSource)
    assert rotating._settings.ttl == 60.0
    assert RotatingCredentials("agent://s", ttl=5, runtime=Runtime(environ=environ))._settings.ttl == 5.0
    assert RotatingCredentials("s", source=MemorySource(), runtime=Runtime(environ=environ))._settings.ttl == 60.0
    with pytest.raises(ConfigurationError, match="SECRETCONN_TTL"):
        RotatingCredentials("s", source=MemorySource(), runtime=Runtime(environ={"SECRETCONN_TTL": "soon"}))
