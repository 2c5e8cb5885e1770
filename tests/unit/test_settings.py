"""Settings out of range or against each other are refused by name, before anything is read."""

from __future__ import annotations

from typing import Any

import pytest
from aws_secretsmanager_caching import SecretCacheConfig

from secretconn import ConfigurationError, RotatingCredentials
from secretconn._core.rotating import core_of
from secretconn._core.settings import Backoff, check_patience, check_retries, settings
from secretconn.testing.memory import MemorySource


class Client:
    class meta:  # noqa: N801
        region_name = "us-east-1"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1.0}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": float("inf")}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"timeout": 0}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"retries": 1.0}, "retries"),
        ({"retries": True}, "retries"),
        ({"patience": -0.1}, "patience"),
        ({"fallback_stages": ("AWSCURRENT",)}, "fallback_stages"),
        ({"fallback_stages": "AWSPENDNG"}, "fallback_stages"),
        ({"ttl": 60, "cache_config": SecretCacheConfig()}, "ttl"),
        ({"client": Client(), "region": "us-east-1"}, "region"),
        ({"client": Client(), "session": object()}, "session"),
        ({"session": object(), "profile": "p"}, "profile"),
        ({"source": MemorySource(), "region": "us-east-1"}, "region"),
        ({"username": "u", "keys": {"password": "p"}}, "username"),
    ],
)
def test_refused_by_name(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        RotatingCredentials("prod/orders", **arguments)


@pytest.mark.parametrize("secret_id", ["", None, 5])
def test_a_secret_needs_a_name(secret_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="secret_id"):
        RotatingCredentials(secret_id)


def test_a_client_of_another_region_than_the_arn_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="aws-cn"):
        RotatingCredentials("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x-AbCdEf", client=Client())


def test_one_whose_region_nobody_knows_is_taken() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"
    assert RotatingCredentials(arn, client=object()).secret_id == arn  # type: ignore[arg-type]


def test_the_cache_configuration_is_used() -> None:
    config = SecretCacheConfig(
        secret_refresh_interval=90,
        default_version_stage="BLUE",
        exception_retry_delay_base=3,
        exception_retry_growth_factor=4,
        exception_retry_delay_max=50,
    )
    made = settings(
        ttl=None,
        timeout=1,
        retries=1,
        patience=0,
        read_patience=5,
        fallback_stages=("AWSPREVIOUS",),
        cache_config=config,
    )
    assert made.ttl == 90.0
    assert made.policy.stages == ("BLUE", "AWSPREVIOUS")
    assert [made.backoff.seconds(failures, 1.0) for failures in (1, 2, 3, 99)] == [3.0, 12.0, 48.0, 50.0]


def test_defaults() -> None:
    made = settings(
        ttl=None,
        timeout=15,
        retries=1,
        patience=0,
        read_patience=5,
        fallback_stages=("AWSPREVIOUS", "AWSPENDING"),
        cache_config=None,
    )
    assert made.ttl == 3600.0
    assert made.policy.stages == ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")
    assert made.backoff == Backoff(base=1.0, growth=2.0, longest=3600.0)


def test_none_and_many_retries_are_whole_numbers_from_0() -> None:
    assert [check_retries(retries) for retries in (0, 1, 5)] == [0, 1, 5]
    assert [check_patience(patience) for patience in (0, 0.5, 30)] == [0.0, 0.5, 30.0]


def test_one_stage_to_fall_back_on_may_be_given_as_text() -> None:
    rotating = RotatingCredentials("s", source=MemorySource(), fallback_stages="AWSPREVIOUS")
    assert core_of(rotating).settings.policy.stages == ("AWSCURRENT", "AWSPREVIOUS")


def test_backoff_is_jittered_in_its_upper_half() -> None:
    backoff = Backoff(base=1.0, growth=2.0, longest=10.0)
    assert backoff.seconds(3, 0.0) == 2.0
    assert backoff.seconds(3, 1.0) == 4.0
    assert backoff.seconds(10_000, 1.0) == 10.0
