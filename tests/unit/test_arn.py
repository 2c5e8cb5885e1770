"""The region comes from an ARN of any partition; what contradicts it is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secretconn import ConfigurationError, RotatingCredentials
from secretconn.sources.arn import partition_of, region_for, secret_arn

ARN = "arn:{}:secretsmanager:{}:123456789012:secret:prod/orders-AbCdEf"


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "eu-central-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
        ("aws", "eu-nowhere-9"),
        ("aws-new", "new-kind-of-1"),
    ],
)
def test_any_partition(partition: str, region: str) -> None:
    secret = ARN.format(partition, region)
    arn = secret_arn(secret)
    assert arn is not None
    assert (arn.partition, arn.region) == (partition, region)
    assert region_for(secret, None) == region_for(secret, region) == region


def test_a_name_leaves_the_region_to_the_argument() -> None:
    assert secret_arn("prod/orders") is None
    assert region_for("prod/orders", None) is None
    assert region_for("prod/orders", "eu-west-1") == "eu-west-1"


@pytest.mark.parametrize(
    "wrong",
    [
        ARN.format("aws", "cn-north-1"),
        ARN.format("aws-cn", "us-east-1"),
        ARN.format("aws-us-gov", "us-east-1"),
        "arn:aws:s3:::bucket",
        "arn:aws:secretsmanager:eu-west-1:12:secret:x",
        "arn:",
    ],
)
def test_an_arn_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError):
        RotatingCredentials(wrong)


def test_an_argument_of_another_region_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="leave region= out"):
        RotatingCredentials(ARN.format("aws", "eu-west-1"), region="us-east-1")


def test_partition_by_name() -> None:
    assert partition_of("us-east-1") == "aws"
    assert partition_of("us-gov-east-1") == "aws-us-gov"
    assert partition_of("us-gov-north-9") == "aws-us-gov"  # not listed, but named like one of them
    assert partition_of("new-kind-of-1") is None


def test_every_region_that_botocore_knows_is_taken_in_its_partition_and_in_no_other() -> None:
    import botocore.session

    session = botocore.session.Session()
    every = session.get_available_partitions()
    for partition in every:
        for region in session.get_available_regions("secretsmanager", partition):
            assert secret_arn(ARN.format(partition, region)) is not None
            other = next(one for one in every if one != partition)
            with pytest.raises(ConfigurationError, match="is in partition"):
                secret_arn(ARN.format(other, region))


@pytest.mark.parametrize("behind", [":password::", ":password:AWSCURRENT:", ":::", ":a:b:c", ":password"])
@pytest.mark.parametrize("scheme", ["", "secretsmanager://"])
def test_a_task_definition_s_arn_is_told_apart(behind: str, scheme: str) -> None:
    secret = ARN.format("aws", "eu-west-1")
    with pytest.raises(ConfigurationError, match="a task definition of ECS") as caught:
        RotatingCredentials(f"{scheme}{secret}{behind}")
    assert repr(secret) in str(caught.value)


def test_botocore_is_not_imported_for_a_name_an_agent_or_a_file() -> None:
    code = (
        "import sys, secretconn;"
        "[secretconn.RotatingCredentials(one) for one in"
        f" ('prod/orders', 'agent://{ARN.format('aws', 'eu-west-1')}', 'file:///x')];"
        "print('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
