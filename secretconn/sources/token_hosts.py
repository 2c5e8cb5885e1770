"""Token hosts: the services that accept tokens, and what their host names tell: region and cache."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from secretconn.errors import ConfigurationError

__all__ = ["ENGINES", "SERVICES", "Service", "cache_of", "region_of"]

ENGINES = {
    "postgresql": 5432,
    "postgres": 5432,
    "aurora-postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "aurora-mysql": 3306,
    "redis": 6379,
    "valkey": 6379,
}
"""Engine, as in a secret, to its port."""


class Service(NamedTuple):
    """How one service wants its tokens.

    Attributes:
        signing_name: The service in the signature.
        parameters: What may stand behind the question mark.
        hint: What to look at when a new token is refused.
        engine: The engine, where there is but one.
        action, admin_action: The action that is signed, and that for the user "admin".
        user_key: The parameter that names the user, or None: DSQL's token is for any user that the role may be.
        with_port: Whether the port is signed.
    """

    signing_name: str
    parameters: tuple[str, ...]
    hint: str
    engine: str | None = None
    action: str = "connect"
    admin_action: str = "connect"
    user_key: str | None = "User"
    with_port: bool = False


SERVICES = {
    "rds-iam": Service(
        "rds-db",
        ("engine", "region"),
        "has the user rds_iam or AWSAuthenticationPlugin, and this role rds-db:connect for it?",
        user_key="DBUser",
        with_port=True,
    ),
    "dsql": Service(
        "dsql",
        ("region",),
        "may this role dsql:DbConnect, and is it granted to the user? admin needs dsql:DbConnectAdmin",
        engine="postgresql",
        action="DbConnect",
        admin_action="DbConnectAdmin",
        user_key=None,
    ),
    "elasticache-iam": Service(
        "elasticache",
        ("cache", "region", "serverless"),
        "is the user an IAM one whose id is its name, and may this role elasticache:Connect?",
        engine="redis",
    ),
    "memorydb-iam": Service(
        "memorydb",
        ("cache", "region"),
        "is the user an IAM one, and may this role memorydb:connect?",
        engine="redis",
    ),
}
"""Scheme to service."""

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
_SERVICE_LABELS = ("rds", "dsql", "dsql-fips", "memorydb")


def region_of(host: str) -> str | None:
    """The region in a host name of RDS, DSQL or MemoryDB: the label beside the service's, or None."""
    labels = host.lower().rstrip(".").split(".")
    for before, after in pairwise(labels):
        if after in _SERVICE_LABELS and _REGION.fullmatch(before):
            return before
        if before in _SERVICE_LABELS and _REGION.fullmatch(after):
            return after
    return None


def cache_of(scheme: str, host: str) -> tuple[str, bool | None] | None:
    """The cache or cluster that a token is for, and whether it is serverless; None where the host itself is signed.

    Source: "Finding connection endpoints" in the ElastiCache user guide, "Finding connection endpoints" in MemoryDB's.

    Raises:
        ConfigurationError: the host name does not tell.
    """
    if scheme not in ("elasticache-iam", "memorydb-iam"):
        return None
    labels = host.lower().rstrip(".").split(".")
    if labels[1:2] == ["serverless"] and "-" in labels[0]:
        return labels[0].rpartition("-")[0], True
    if labels[0] in ("master", "replica", "clustercfg") and len(labels) > 2:  # noqa: PLR2004
        return labels[1], False
    raise ConfigurationError(f"the host of {scheme}:// does not tell which cache it is of; add ?cache=NAME")
