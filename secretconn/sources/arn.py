"""Arn: the region and partition that a secret's ARN names, and whether they fit what else the caller said."""

from __future__ import annotations

import re
from typing import NamedTuple

from secretconn.errors import ConfigurationError

__all__ = ["SecretArn", "partition_of", "region_for", "secret_arn"]

_SHAPE = re.compile(
    r"(?P<arn>arn:(?P<partition>aws(?:-[a-z0-9]+)*):secretsmanager:(?P<region>[a-z0-9-]+):\d{12}:"
    r"secret:[A-Za-z0-9/_+=.@!-]+)(?P<behind>:.*)?",
    re.DOTALL,
)


class SecretArn(NamedTuple):
    """What an ARN of a secret says.

    Attributes:
        partition: "aws", "aws-cn", "aws-us-gov", ...
        region: "eu-central-1", ...
    """

    partition: str
    region: str


def secret_arn(secret_id: str) -> SecretArn | None:
    """Read a secret id that is an ARN; None for a plain name.

    Raises:
        ConfigurationError: it begins like an ARN and is none of a secret, or its region is of another partition. What
            is not the ARN of a secret is not shown: it may be anything, a password too.
    """
    if not secret_id.startswith("arn:"):
        return None
    match = _SHAPE.fullmatch(secret_id)
    if match is None:
        raise ConfigurationError(
            "the secret id begins with arn: and is not the ARN of a secret, which looks like "
            "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
        )
    if match["behind"] is not None:
        raise ConfigurationError(
            f"the secret id is {match['arn']!r} with more behind it, as a task definition of ECS has it "
            "(:json-key:version-stage:version-id); pass the ARN alone"
        )
    arn = SecretArn(match["partition"], match["region"])
    expected = partition_of(arn.region)
    if expected not in (None, arn.partition):
        raise ConfigurationError(
            f"{secret_id!r} is in partition {arn.partition!r}, and region {arn.region!r} is in partition {expected!r}"
        )
    return arn


def partition_of(region: str) -> str | None:
    """The partition of a region as botocore knows it, which is imported here; None for a region it does not know."""
    from secretconn.sources import sessions

    return sessions.partition_of(region)


def region_for(secret_id: str, region: str | None) -> str | None:
    """The region to ask: the ARN's, else the argument's, else None (boto3's own chain).

    Raises:
        ConfigurationError: the ARN and the argument name different regions.
    """
    arn = secret_arn(secret_id)
    if arn is None:
        return region
    if region is not None and region != arn.region:
        raise ConfigurationError(
            f"region={region!r} contradicts {secret_id!r}, which is in {arn.region!r} (partition {arn.partition!r}); "
            f"leave region= out"
        )
    return arn.region
