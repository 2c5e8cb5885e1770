"""Who decides where a secret is read from: its id, then the arguments, then the environment."""

from __future__ import annotations

from typing import Any

import pytest
from aws_secretsmanager_caching import SecretCacheConfig

from secretconn import ConfigurationError, RotatingCredentials, Runtime
from secretconn._core.choose import Reach, choose, stand_ins
from secretconn._core.environment import environment
from secretconn.sources import AgentSource, FileSource, ReplicatedSource, SecretsManagerSource
from secretconn.sources.base import Source
from secretconn.testing.memory import MemorySource

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/orders-AbCdEf"


class Client:
    class meta:  # noqa: N801
        region_name = "eu-central-1"


def chosen(
    secret_id: str,
    environ: dict[str, str] | None = None,
    cache_config: SecretCacheConfig | None = None,
    **arguments: Any,
) -> Source:
    around = {f"SECRETCONN_{name}": value for name, value in (environ or {}).items()}
    return choose(secret_id, Reach(**arguments), environment(around), Runtime(environ=around), cache_config)


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
        ("s", {"SOURCE": "agent", "ENDPOINT_URL": "http://127.0.0.2:99"}, AgentSource, "http://127.0.0.2:99"),
        ("agent://s", {"ENDPOINT_URL": "http://localhost:99"}, AgentSource, "http://localhost:99"),
        ("s", {"SOURCE": "agent", "ENDPOINT_URL": "http://a:99", "REMOTE_AGENT": "yes"}, AgentSource, "http://a:99"),
        ("prod/50%25", {"SOURCE": "file:///mnt/my%20db"}, FileSource, "/mnt/my db/prod/50%25"),
        ("file:///mnt/50%", {}, FileSource, "/mnt/50%"),
        ("agent://s", {"SOURCE": "secretsmanager", "ENDPOINT_URL": "http://x"}, AgentSource, "http://localhost:2773"),
        ("prod/s", {"SOURCE": "file:///mnt/secrets"}, FileSource, "/mnt/secrets/prod/s"),
        ("/prod/s", {"SOURCE": "file:///mnt/secrets/"}, FileSource, "/mnt/secrets/prod/s"),
        ("Xs", {"SOURCE": "file:///mnt/secrets"}, FileSource, "/mnt/secrets/Xs"),
        ("agent://s", {"SOURCE": "agent", "ENDPOINT_URL": "http://[::1]:99"}, AgentSource, "http://[::1]:99"),
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
        ({"REGION": "eu-west-1", "REPLICA_REGIONS": "eu-north-1"}, {"client": Client()}, "eu-central-1"),
        ({"REGION": "eu-west-1"}, {"session": object()}, None),
        ({"REGION": "eu-west-1"}, {"profile": "p"}, None),
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
        ("agent://s", {}, {"role_arn": "reader"}, "role_arn="),
        ("agent://s", {}, {"role_arn": "arn:aws:iam::123456789012:role/r", "external_id": "x"}, "external_id="),
        ("extension://s", {}, {"role_arn": "arn:aws:iam::123456789012:role/r"}, "role_arn="),
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
        ("s", {}, {"endpoint_url": "http://me:pw@127.0.0.1"}, "has a user in it"),
        ("agent://s", {}, {"endpoint_url": "http://me:pw@127.0.0.1"}, "has a user in it"),
        *(
            ("agent://s", {}, {"endpoint_url": f"http://{host}:2773"}, "SECRETCONN_REMOTE_AGENT=yes")
            for host in ("sidecar", "10.0.0.1", "127.0.0.1.example", "localhost.example", "[::2]", "1270.0.0.1")
        ),
        ("s", {"SOURCE": "agent", "ENDPOINT_URL": "http://sidecar:99"}, {}, "SECRETCONN_REMOTE_AGENT=yes"),
        ("s", {"REMOTE_AGENT": "maybe"}, {}, "yes or no"),
        ("s", {}, {"external_id": "x"}, "role_arn="),
        ("s", {}, {"role_arn": "arn:aws:iam::123456789012:role/r", "client": Client()}, "role_arn="),
    ],
)
def test_contradictions_are_named(
    secret_id: str, environ: dict[str, str], arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        chosen(secret_id, environ, **arguments)


@pytest.mark.parametrize(
    ("secret_id", "environ"),
    [("agent://s", {}), ("file:///s", {}), ("s", {"SOURCE": "agent"}), ("s", {"SOURCE": "file:///m"})],
)
def test_a_hook_that_would_be_left_out_is_refused(secret_id: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="cache_config= with a hook"):
        chosen(secret_id, environ, cache_config=SecretCacheConfig(secret_cache_hook=Hook()))
    assert chosen(secret_id, environ, cache_config=SecretCacheConfig()) is not None


def test_so_is_one_beside_a_source_of_one_s_own() -> None:
    hooked = SecretCacheConfig(secret_cache_hook=Hook())
    with pytest.raises(ConfigurationError, match="cache_config="):
        RotatingCredentials("s", source=MemorySource(), cache_config=hooked)
    assert RotatingCredentials("s", source=MemorySource(), cache_config=SecretCacheConfig())


class Hook:
    def put(self, obj: Any) -> Any:
        return obj

    def get(self, cached_obj: Any) -> Any:
        return cached_obj


def test_replica_regions_in_code_win_over_an_operator_s_address() -> None:
    source = chosen("s", {"ENDPOINT_URL": "http://x"}, replica_regions=("eu-west-1",))
    assert isinstance(source, ReplicatedSource)


def test_an_operator_s_address_is_that_of_what_is_asked() -> None:
    for source, address in (("secretsmanager", "http://x"), ("agent", None)):
        asked = chosen("secretsmanager://s", {"SOURCE": source, "ENDPOINT_URL": "http://x"})
        assert isinstance(asked, SecretsManagerSource)
        assert asked._way.endpoint_url == address


@pytest.mark.parametrize(
    ("scheme", "name"),
    [("agent", "the Secrets Manager Agent"), ("extension", "the Parameters and Secrets Lambda Extension")],
)
def test_which_of_the_two_it_is(scheme: str, name: str) -> None:
    environ = {"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "4000"}
    source = choose(f"{scheme}://s", Reach(), environment(environ), Runtime(environ=environ))
    assert isinstance(source, AgentSource)
    assert (source._secret_id, source.where) == ("s", f"{name} at http://localhost:4000")


def test_nothing_of_how_a_secret_is_reached_is_shown() -> None:
    assert repr(Reach(endpoint_url="http://me:pw@x")).startswith("<secretconn._core.choose.Reach object at ")


@pytest.mark.parametrize(
    ("environ", "aws", "arguments", "otherwise"),
    [
        ({}, {"AWS_REGION": "eu-west-1"}, {}, "eu-west-1"),
        ({}, {"AWS_REGION": ""}, {}, None),
        ({}, {"AWS_REGION": "eu-west-1"}, {"session": object()}, "eu-west-1"),
        ({"REGION": "eu-north-1"}, {"AWS_REGION": "eu-west-1"}, {"session": object()}, "eu-north-1"),
        ({"REGION": "eu-north-1"}, {}, {"profile": "p"}, "eu-north-1"),
    ],
)
def test_the_region_where_a_profile_or_session_has_none(
    environ: dict[str, str], aws: dict[str, str], arguments: dict[str, Any], otherwise: str | None
) -> None:
    around = {f"SECRETCONN_{name}": value for name, value in environ.items()} | aws
    source = choose("s", Reach(**arguments), environment(around), Runtime(environ=around))
    assert isinstance(source, SecretsManagerSource)
    assert (source._way.region, source._way.otherwise_region) == (None, otherwise)


@pytest.mark.parametrize("known", ["prod/orders", ARN, "secretsmanager://prod/orders"])
@pytest.mark.parametrize("asked", ["prod/orders", ARN, "agent://prod/orders", "secretsmanager://prod/orders"])
def test_a_test_s_source_is_used_however_the_secret_is_spelled(
    known: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = MemorySource()
    monkeypatch.setitem(stand_ins, known, mine)
    assert chosen(asked) is mine
    assert chosen("prod/others") is not mine


def test_the_exact_name_of_a_test_s_source_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ARN without its six characters may end in six of its name."""
    short, long = MemorySource(), MemorySource()
    monkeypatch.setitem(stand_ins, "prod", short)
    monkeypatch.setitem(stand_ins, "prod-orders", long)
    beginning = ARN.removesuffix("prod/orders-AbCdEf")
    assert (
        chosen(f"{beginning}prod-orders") is chosen("prod-orders") is chosen(f"{beginning}prod-orders-AbCdEf") is long
    )
    assert chosen(f"{beginning}prod-AbCdEf") is chosen("prod") is short


def test_a_replica_is_asked_by_the_same_arn_in_its_region() -> None:
    source = chosen(ARN, replica_regions=("eu-west-1", "eu-central-1", "eu-west-1"))
    assert isinstance(source, ReplicatedSource)
    parts = [part for part in source._sources if isinstance(part, SecretsManagerSource)]
    assert [(part.place, part.secret_id) for part in parts] == [
        ("eu-central-1", ARN),
        ("eu-west-1", ARN.replace("eu-central-1", "eu-west-1")),
    ]
    assert (source._secret_id, type(source._clock())) == (ARN, float)
    assert [part._way.total_attempts for part in parts] == [1, 1]  # the next region is the next try


def test_rotating_credentials_and_connect_take_such_ids() -> None:
    environ = {"SECRETCONN_TTL": "60"}
    rotating = RotatingCredentials("agent://s", runtime=Runtime(environ=environ))
    assert isinstance(rotating._reader.source, AgentSource)
    assert rotating._settings.ttl == 60.0
    assert RotatingCredentials("agent://s", ttl=5, runtime=Runtime(environ=environ))._settings.ttl == 5.0
    assert RotatingCredentials("s", source=MemorySource(), runtime=Runtime(environ=environ))._settings.ttl == 60.0
    with pytest.raises(ConfigurationError, match="SECRETCONN_TTL"):
        RotatingCredentials("s", source=MemorySource(), runtime=Runtime(environ={"SECRETCONN_TTL": "soon"}))
