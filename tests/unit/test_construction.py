"""RotatingCredentials: each argument arrives where it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from secretconn import ConfigurationError, RotatingCredentials, Runtime
from secretconn._core.answer import Policy
from secretconn.testing.memory import MemorySource

REACH: dict[str, Any] = {
    "region": "eu-west-1",
    "profile": "mine",
    "endpoint_url": "http://127.0.0.1:1",
    "client": object(),
    "session": object(),
    "role_arn": "arn:aws:iam::123456789012:role/x",
    "external_id": "x",
    "replica_regions": ["eu-west-1"],
}


@pytest.mark.parametrize("keyword", REACH)
def test_every_way_of_reaching_secrets_manager_arrives(keyword: str) -> None:
    """A file and an own source have no use for any of them and name what was given."""
    with pytest.raises(ConfigurationError, match=f"'file:///x' is .*leave out {keyword}=$"):
        RotatingCredentials("file:///x", **{keyword: REACH[keyword]})
    with pytest.raises(ConfigurationError, match=f"source= already decides about {keyword}=;"):
        RotatingCredentials("s", source=MemorySource(), **{keyword: REACH[keyword]})


def test_a_replica_region_may_stand_alone() -> None:
    for regions in ("eu-west-1", ["eu-west-1"]):
        rotating = RotatingCredentials("s", region="eu-west-2", replica_regions=regions)
        places = [source._region for source in rotating._reader.source._sources]  # type: ignore[attr-defined]
        assert places == ["eu-west-2", "eu-west-1"]


@pytest.mark.parametrize(
    "setting",
    [{"ttl": 0}, {"timeout": 0}, {"retries": -1}, {"patience": -1}, {"fallback_stages": ["AWSCURRENT"]}],
)
def test_every_setting_arrives(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{next(iter(setting))}"):
        RotatingCredentials("s", source=MemorySource(), **setting)


def test_the_ttl_is_the_argument_s_else_the_cache_configuration_s_else_the_environment_s() -> None:
    caching = pytest.importorskip("aws_secretsmanager_caching")
    config = caching.SecretCacheConfig(secret_refresh_interval=7)
    around = Runtime(environ={"SECRETCONN_TTL": "5"})
    for settings, ttl in [
        ({"runtime": around}, 5.0),
        ({"runtime": around, "ttl": 6.0}, 6.0),
        ({"runtime": around, "cache_config": config}, 7.0),
        ({"runtime": Runtime(environ={})}, 3600.0),
    ]:
        assert RotatingCredentials("s", source=MemorySource(), **settings)._settings.ttl == ttl  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not both"):
        RotatingCredentials("s", source=MemorySource(), ttl=1.0, cache_config=config)


def test_defaults() -> None:
    rotating = RotatingCredentials("s", source=MemorySource(), runtime=Runtime(environ={}))
    assert rotating._settings.policy == Policy("AWSCURRENT", ("AWSPENDING", "AWSPREVIOUS"), 1, 0.0)
    assert (rotating.secret_id, rotating.engine, rotating._settings.timeout) == ("s", None, 15.0)


def test_what_a_secret_s_login_is_made_of() -> None:
    plain = RotatingCredentials("s", source=MemorySource("only the password"), username="me", engine="mysql")
    assert (plain.current().username, plain.current().password) == ("me", "only the password")
    assert plain.engine == "mysql"
    source = MemorySource({"db_user": "me", "db_pass": "p"})
    named = RotatingCredentials("s", source=source, keys={"username": "db_user", "password": "db_pass"})
    assert (named.current().username, named.current().password, named.current().secret_id) == ("me", "p", "s")


@pytest.mark.parametrize("secret_id", ["", None, 3])
def test_a_secret_needs_a_name(secret_id: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RotatingCredentials(secret_id, source=MemorySource())
    assert str(caught.value) == "secret_id must be the name or the ARN of a secret"


def test_the_runtime_and_the_cache_configuration_reach_the_source(tmp_path: Path) -> None:
    (tmp_path / "s").write_text('{"username": "me", "password": "p"}')
    around = Runtime(environ={"SECRETCONN_SOURCE": f"file://{tmp_path}"})
    assert RotatingCredentials("s", runtime=around).current().username == "me"
    caching = pytest.importorskip("aws_secretsmanager_caching")
    config = caching.SecretCacheConfig()
    rotating = RotatingCredentials("s", region="eu-west-1", cache_config=config, runtime=Runtime(environ={}))
    assert rotating._reader.source._config is config  # type: ignore[attr-defined]
