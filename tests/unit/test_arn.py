"""The region comes from an ARN of any partition; what contradicts it is refused."""

from __future__ import annotations

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
