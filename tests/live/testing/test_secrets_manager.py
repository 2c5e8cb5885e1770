"""LocalSecretsManager, in a thread and in a process: what boto3 sees of it, and the calls it counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from secretconn.testing import LocalSecretsManager, ServerUnavailable


@pytest.fixture(params=[False, True], ids=["thread", "process"], scope="module")
def local(request: pytest.FixtureRequest) -> Iterator[LocalSecretsManager]:
    with LocalSecretsManager(process=request.param) as server:
        yield server


def test_stores_each_kind_of_content(local: LocalSecretsManager) -> None:
    client = local.client()
    local.create_secret("kinds/json", {"username": "a", "port": 1})
    arn = local.create_secret("kinds/text", "only a password")
    local.create_secret("kinds/binary", b"\x00\xff")
    assert json.loads(client.get_secret_value(SecretId="kinds/json")["SecretString"]) == {"username": "a", "port": 1}
    assert client.get_secret_value(SecretId=arn)["SecretString"] == "only a password"
    assert client.get_secret_value(SecretId="kinds/binary")["SecretBinary"] == b"\x00\xff"


def test_put_moves_the_stages(local: LocalSecretsManager) -> None:
    client = local.client()
    local.create_secret("put/one", "1")
    first = client.get_secret_value(SecretId="put/one")["VersionId"]
    second = local.put("put/one", "2")
    third = local.put("put/one", "3", stages=["AWSPENDING"])
    stages = client.describe_secret(SecretId="put/one")["VersionIdsToStages"]
    assert stages == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"], third: ["AWSPENDING"]}


def test_reads_without_a_stage_follow_a_moved_label(local: LocalSecretsManager) -> None:
    client = local.client()
    local.create_secret("moved/label", "old")
    old = client.get_secret_value(SecretId="moved/label")["VersionId"]
    new = local.put("moved/label", "new", stages=["AWSPENDING"])
    client.update_secret_version_stage(
        SecretId="moved/label", VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old
    )
    assert client.get_secret_value(SecretId="moved/label")["SecretString"] == "new"
    assert client.batch_get_secret_value(SecretIdList=["moved/label"])["SecretValues"][0]["VersionId"] == new


def test_counts_calls_by_operation(local: LocalSecretsManager) -> None:
    client = local.client()
    local.create_secret("counted", "x")
    local.reset_calls()
    client.get_secret_value(SecretId="counted")
    client.get_secret_value(SecretId="counted")
    client.describe_secret(SecretId="counted")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_secret(SecretId="missing")
    assert local.calls == {"GetSecretValue": 2, "DescribeSecret": 2}


def test_delay_can_be_set_and_taken_away(local: LocalSecretsManager) -> None:
    import botocore.config
    import botocore.exceptions

    local.create_secret("slow", "x")
    impatient = local.client(config=botocore.config.Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    local.delay = 5.0
    try:
        with pytest.raises(botocore.exceptions.ReadTimeoutError):
            impatient.get_secret_value(SecretId="slow")
    finally:
        local.delay = 0.0
    assert impatient.get_secret_value(SecretId="slow")["SecretString"] == "x"


def test_two_share_nothing() -> None:
    with LocalSecretsManager() as one, LocalSecretsManager() as other:
        one.create_secret("same/name", "one")
        other.create_secret("same/name", "other")
        assert one.client().get_secret_value(SecretId="same/name")["SecretString"] == "one"
        assert other.calls == {"CreateSecret": 1}


def test_environment_points_another_process_here(local: LocalSecretsManager) -> None:
    local.create_secret("from/environment", "seen")
    code = "import boto3; print(boto3.client('secretsmanager').describe_secret(SecretId='from/environment')['Name'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **local.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "from/environment\n"


def test_own_dummy_credentials_are_not_put_into_the_environment(local: LocalSecretsManager) -> None:
    before = dict(os.environ)
    local.client()
    assert dict(os.environ) == before


def test_stopped_says_so() -> None:
    server = LocalSecretsManager()
    with pytest.raises(ServerUnavailable, match="has not been started"):
        _ = server.calls
    server.start()
    server.stop()
    server.stop()
    assert "stopped" in repr(server)
