"""Token hosts: the services that accept tokens, how their ids are read, and what host names tell: region and cache."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from secretconn.errors import ConfigurationError
from secretconn.sources.names import KNOWN

__all__ = ["ENGINES", "SERVICES", "Service", "TokenUrl", "cache_of", "region_of", "token_url"]

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


class TokenUrl(NamedTuple):
    """What ``rds-iam://USER@HOST[:PORT]/DATABASE?engine=...`` says; see IamTokens."""

    scheme: str
    user: str
    host: str
    port: int | None
    database: str | None
    engine: str | None = None
    region: str | None = None
    cache: str | None = None
    serverless: bool | None = None


def token_url(secret_id: str) -> TokenUrl:
    """Take a secret id apart that names tokens.

    Raises:
        ConfigurationError: a part is missing or wrong. A password in it is never shown.
    """
    parts = urlsplit(secret_id)
    scheme = parts.scheme.lower()
    written = KNOWN[scheme]
    if parts.password is not None:
        raise ConfigurationError(f"{scheme}:// has a password in it; a token is signed instead. Write {written}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if port is not None and port <= 0:
        raise ConfigurationError(f"the port of {scheme}:// is no port. Write {written}")
    if not parts.username or not parts.hostname:
        raise ConfigurationError(f"{scheme}:// names no {'host' if parts.username else 'user'}. Write {written}")
    said = _said(scheme, parts.query)
    return TokenUrl(
        scheme,
        unquote(parts.username),
        parts.hostname,
        port,
        unquote(parts.path.removeprefix("/")) or None,
        said.get("engine"),
        said.get("region"),
        said.get("cache"),
        said["serverless"] == "true" if "serverless" in said else None,
    )


def _said(scheme: str, query: str) -> Mapping[str, str]:
    said = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [name for name in said if name not in SERVICES[scheme].parameters]
    if unknown:
        known = ", ".join(SERVICES[scheme].parameters)
        raise ConfigurationError(f"{scheme}:// has an unknown parameter {unknown[0]!r}; known are {known}")
    if said.get("serverless", "true") not in ("true", "false"):
        raise ConfigurationError(f"serverless= of {scheme}:// is true or false")
    return said


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
