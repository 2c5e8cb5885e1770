"""Arn: the region and partition that a secret's ARN names, and whether they fit what else the caller said."""

from __future__ import annotations

import re
from dataclasses import dataclass

from secretconn.errors import ConfigurationError

__all__ = ["SecretArn", "region_for", "secret_arn"]

_SHAPE = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z0-9]+)*):secretsmanager:(?P<region>[a-z0-9-]+):\d{12}:secret:.+", re.DOTALL
)

_REGION_STARTS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}
"""Regions that tell their partition by name (AWS General Reference, "Regions and endpoints"); all others are "aws"."""


@dataclass(frozen=True, slots=True)
class SecretArn:
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
        ConfigurationError: it begins like an ARN and is none of a secret, or its region is of another partition.
    """
    if not secret_id.startswith("arn:"):
        return None
    match = _SHAPE.fullmatch(secret_id)
    if match is None:
        raise ConfigurationError(
            f"{secret_id!r} is not the ARN of a secret; it looks like arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
        )
    arn = SecretArn(match["partition"], match["region"])
    expected = partition_of(arn.region)
    known = {"aws", *_REGION_STARTS.values()}
    if arn.partition != expected and (arn.partition in known or expected != "aws"):
        raise ConfigurationError(
            f"{secret_id!r} is in partition {arn.partition!r}, and region {arn.region!r} is in partition {expected!r}"
        )
    return arn


def partition_of(region: str) -> str:
    """The partition that a region's name tells."""
    return next((part for start, part in _REGION_STARTS.items() if region.startswith(start)), "aws")


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
