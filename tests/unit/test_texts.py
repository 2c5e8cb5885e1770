"""What users read when something is wrong: whole sentences, each with the fact and the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_secretsmanager_caching import SecretCacheConfig

from secretconn import ConfigurationError, RotatingCredentials, Runtime
from secretconn._core.choose import Reach, choose
from secretconn._core.environment import environment
from secretconn._core.parsing import Shape, parse
from secretconn._core.trail import Trail
from secretconn.credentials import Payload
from secretconn.engines.base import Verdict
from secretconn.errors import SecretFormatError
from secretconn.sources import SecretsManagerSource
from secretconn.sources.arn import region_for, secret_arn
from secretconn.sources.calls import cause_of
from secretconn.sources.names import check_secret_id
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Answered

LOGIN = {"username": "u", "password": "p"}


def text(content: Any) -> Any:
    return json.dumps(content) if isinstance(content, dict) else content


@pytest.mark.parametrize(
    ("content", "shape", "told"),
    [
        (
            "[]",
            {},
            "is not a JSON object. Put AWS's JSON there (username, password, host, ...), or, if it is only a password, "
            "pass username=",
        ),
        (b"\xff", {}, "is binary and not UTF-8 text; put JSON there, encoded as UTF-8"),
        (None, {}, "has neither a secret string nor a secret binary"),
        (
            {"password": "p"},
            {"username": "u"},
            "is JSON with a password in it; username= is for a secret that is only a password, leave it out",
        ),
        ("", {"username": "u"}, "as a plain-text password is empty"),
        ({"username": "u"}, {}, "has no 'password'; it needs the keys 'username' and 'password'"),
        (
            {"username": "u"},
            {"keys": {"password": "geheim"}},
            "has no 'geheim'; it needs the keys 'username' and 'geheim'",
        ),
        (
            {"username": "u", "user_arn": "arn:aws:elasticache:eu-west-1:1:user:u"},
            {},
            "has no 'password' yet; ElastiCache's get one with their first rotation",
        ),
        ({**LOGIN, "username": ""}, {}, "key 'username' is empty"),
        ({**LOGIN, "password": 1}, {}, "key 'password' must be text"),
        ({**LOGIN, "password": "\ud800"}, {}, "key 'password' is not valid Unicode text"),
        (
            {"db_user": "u", "password": "p"},
            {},
            "has no 'username' but 'db_user'; pass keys={'username': 'db_user'} to RotatingCredentials",
        ),
    ],
)
def test_of_a_secret_s_content(content: Any, shape: dict[str, Any], told: str) -> None:
    with pytest.raises(SecretFormatError) as caught:
        parse(Payload("v1", text(content)), "s", Shape(**shape))
    assert str(caught.value) == f"secret 's', version 'v1': {told}"
    assert caught.value.key == (told.split("'")[1] if told.startswith(("has no", "key")) else None)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("port", "x", "key 'port' must be a port from 1 to 65535, as a number or as its digits"),
        ("host", "u:p@db", "key 'host' has a user in it, as a URL; put the name alone there"),
        ("host", 5, "key 'host' must be text"),
    ],
)
def test_of_a_place_that_is_looked_at(name: str, value: Any, told: str) -> None:
    credentials = parse(Payload("v1", text({**LOGIN, name: value})), "s", Shape())
    with pytest.raises(SecretFormatError) as caught:
        getattr(credentials, name)
    assert str(caught.value) == f"secret 's', version 'v1': {told}"


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({"username": ""}, "username= must be a non-empty text: the user whose password the secret holds"),
        (
            {"username": "u", "keys": {"host": "h"}},
            "give username= (the secret is plain text, only a password) or keys= (the secret is JSON), not both",
        ),
        (
            {"keys": {"user": "u"}},
            "keys= names 'user'; a login is made of: engine, host, port, username, password, database, ssl",
        ),
        ({"keys": {"host": ""}}, "keys={'host': ...} must name a key of the secret as non-empty text"),
    ],
)
def test_of_how_it_is_to_be_read(shape: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Shape(**shape)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("secret_id", "why"),
    [
        (' {"password": "p"}', "is JSON"),
        ("\ufeff[1]", "is JSON"),
        ('\t\r\n"p"', "is JSON"),
        ("a b", "has a blank or a control character"),
        ("a\x00", "has a blank or a control character"),
        ("x" * 5000, "has more than "),
        ("postgresql://u:p@host/db", "is a URL with a user in it"),
    ],
)
def test_of_an_id_that_is_none(secret_id: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_secret_id(secret_id)
    assert str(caught.value).startswith(f"the secret id {why}")
    assert ", so it can be no secret's. " in str(caught.value)


@pytest.mark.parametrize(
    ("secret_id", "arguments", "told"),
    [
        (
            "s",
            {"endpoint_url": "http://me:pw@127.0.0.1"},
            "endpoint_url= has a user in it, which nothing here sends; leave that out",
        ),
        (
            "agent://s",
            {"endpoint_url": "http://sidecar:2773"},
            "endpoint_url= (or SECRETCONN_ENDPOINT_URL) of the agent is not on this machine, and its token would go "
            "there over plain HTTP; set SECRETCONN_REMOTE_AGENT=yes where that network is yours",
        ),
        (
            "agent://s",
            {"region": "eu-west-1", "profile": "p"},
            "'agent://s' is not read from Secrets Manager itself; leave out region=, profile=",
        ),
        (
            "s",
            {"client": object(), "replica_regions": ("eu-west-1",)},
            "client= is for one region; replica_regions= needs session= or profile= instead",
        ),
        (
            "s",
            {"endpoint_url": "http://x", "replica_regions": ("eu-west-1",)},
            "endpoint_url= (or SECRETCONN_ENDPOINT_URL) is for one region; it does not go with replica regions",
        ),
        (
            "agent://s",
            {"region": "eu-west-1", "cache_config": SecretCacheConfig(secret_cache_hook=object())},
            "'agent://s' is not read from Secrets Manager itself; leave out region=, cache_config= with a hook",
        ),
        ("s", {"external_id": "x"}, "external_id= belongs to role_arn=; give that too"),
        (
            "s",
            {"role_arn": "reader"},
            "role_arn= is not the ARN of a role, which looks like arn:aws:iam::ACCOUNT:role/NAME",
        ),
        (
            "s",
            {"session": object(), "profile": "p"},
            "session= already decides about profile=; give one or the other",
        ),
        (
            "s",
            {
                "client": object(),
                "session": object(),
                "region": "eu-west-1",
                "profile": "p",
                "endpoint_url": "http://x",
                "role_arn": "r",
            },
            "client= already decides about session=, region=, profile=, endpoint_url=, role_arn=; give one or the "
            "other",
        ),
    ],
)
def test_of_ways_to_a_secret_that_contradict_each_other(secret_id: str, arguments: dict[str, Any], told: str) -> None:
    reach = Reach(**{name: value for name, value in arguments.items() if name != "cache_config"})
    with pytest.raises(ConfigurationError) as caught:
        choose(secret_id, reach, environment({}), Runtime(environ={}), arguments.get("cache_config"))
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            {"ttl": 5.0, "cache_config": SecretCacheConfig()},
            "give ttl= or cache_config= (its secret_refresh_interval), not both",
        ),
        (
            {"source": MemorySource(), "region": "eu-west-1", "profile": "p"},
            "source= already decides about region=, profile=; give one or the other",
        ),
        ({"patience": -1}, "patience must be a number of seconds from 0, not -1"),
        ({"read_patience": "5"}, "read_patience must be a number of seconds from 0, not '5'"),
        ({"retries": True}, "retries must be a whole number from 0, not True"),
        ({"timeout": 0}, "timeout must be a number of seconds greater than 0, not 0"),
        ({"ttl": float("inf")}, "ttl must be a number of seconds greater than 0, not inf"),
        (
            {"fallback_stages": ["AWSPENDING", "AWSCURENT"]},
            "fallback_stages has 'AWSCURENT'; it may hold AWSPENDING and AWSPREVIOUS",
        ),
    ],
)
def test_of_arguments_of_rotating_credentials(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RotatingCredentials("s", **arguments)
    assert str(caught.value) == told


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-AbCdEf"
CHINESE = ARN.replace("aws:", "aws-cn:", 1)


@pytest.mark.parametrize(
    ("secret_id", "told"),
    [
        (
            "arn:aws:s3:::bucket",
            "the secret id begins with arn: and is not the ARN of a secret, which looks like "
            "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME",
        ),
        (
            f"{ARN}:password::",
            f"the secret id is {ARN!r} with more behind it, as a task definition of ECS has it "
            "(:json-key:version-stage:version-id); pass the ARN alone",
        ),
        (
            CHINESE,
            f"{CHINESE!r} is in partition 'aws-cn', and region 'eu-west-1' is in partition 'aws'",
        ),
    ],
)
def test_of_an_arn(secret_id: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        secret_arn(secret_id)
    assert str(caught.value) == told


def test_of_a_region_that_contradicts_the_arn() -> None:
    with pytest.raises(ConfigurationError) as caught:
        region_for(ARN, "us-east-1")
    assert str(caught.value) == (
        f"region='us-east-1' contradicts {ARN!r}, which is in 'eu-west-1' (partition 'aws'); leave region= out"
    )


def test_of_no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError) as caught:
        _ = SecretsManagerSource("s").client
    assert str(caught.value) == "no region for secret 's': pass region=, use the secret's ARN, or set AWS_REGION"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("UnrecognizedClientException", "the AWS credentials of this process are missing, expired or not accepted"),
        ("AccessDeniedException", "this role may not read the secret, or not decrypt it with its key"),
        ("DecryptionFailure", "its key is disabled, deleted, or not this role's to use"),
        ("ResourceNotFoundException", "there is no such secret"),
        ("ThrottlingException", "too many calls"),
        ("InternalServiceError", "no answer, or a fault of the service"),
    ],
)
def test_of_why_a_read_failed(error: str, told: str) -> None:
    assert cause_of(Answered(error)) == told


def test_of_an_invalid_request_only_a_deletion_is_told_in_words() -> None:
    error = Answered("InvalidRequestException")
    assert cause_of(error) is None
    error.response["Error"]["Message"] = "it was marked for deletion"
    assert cause_of(error) == "it is marked for deletion"
    error.response["Error"] = {"Code": "InternalServiceError", "Message": "deleted"}
    assert cause_of(error) == "no answer, or a fault of the service"


def test_of_what_was_tried() -> None:
    trail = Trail("s", 0.0)
    trail.add("v1", ("AWSCURRENT", "AWSPENDING"), Verdict.REJECTED, 0.25)
    trail.add("v2", (), Verdict.SUSPECT, 0.0)
    trail.add("v3", ("AWSPREVIOUS",), Verdict.BARRED, 0.0)
    trail.add("v4", ("AWSPREVIOUS",), Verdict.OTHER, 0.0)
    assert trail.attempts == 4
    assert trail.sentence("no retry is left") == (
        "secretconn: secret 's': version v1 (AWSCURRENT+AWSPENDING) rejected after 0.250 s; then version v2 (no stage) "
        "refused for a reason the driver hides after 0.000 s; then version v3 (AWSPREVIOUS) refused whatever the "
        "password after 0.000 s; then version v4 (AWSPREVIOUS) failed for another reason after 0.000 s; no retry is "
        "left."
    )
