"""Choose: which source a secret is read from, by its id, the arguments and the environment, in this order of weight."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Set
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from secretconn._core.environment import Environment
from secretconn.errors import ConfigurationError, given_keywords
from secretconn.runtime import Runtime
from secretconn.sources.arn import partition_of, secret_arn
from secretconn.sources.base import Reading, Source
from secretconn.sources.names import (
    AGENT,
    EXTENSION,
    FILE,
    SECRETS_MANAGER,
    TOKENS,
    SecretName,
    check_name,
    plain_names,
    secret_name,
)

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig

    from secretconn.sources.sessions import AnySession, Client

__all__ = ["Reach", "Unreadable", "choose", "stand_ins"]

stand_ins: dict[str, Source] = {}
"""Secrets that a test reads from somewhere else; filled by `secretconn.testing.stand_in` alone."""


class Reach(NamedTuple):
    """The arguments that say how a secret is reached. See RotatingCredentials."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    client: Client | None = None
    session: AnySession | None = None
    role_arn: str | None = None
    external_id: str | None = None
    replica_regions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return object.__repr__(self)  # an address may have a user in it

    def given(self) -> dict[str, Any]:
        """Those that were given; None for the others."""
        return {name: value or None for name, value in self._asdict().items()}

    def only_for_secrets_manager(self) -> list[str]:
        """Those that were given and that mean nothing to an agent or a file."""
        return [keyword for keyword in given_keywords(self.given()) if keyword != "endpoint_url="]


def choose(
    secret_id: str, reach: Reach, around: Environment, runtime: Runtime, cache_config: SecretCacheConfig | None = None
) -> Source:
    """The source for a secret.

    A scheme in the id decides; else an argument that only Secrets Manager has a use for; else SECRETCONN_SOURCE. A
    test's stand-in goes before all of these.

    Raises:
        ConfigurationError: a scheme nobody knows, or arguments that contradict each other or the id.
    """
    stand_in = _stand_in(secret_id)
    if stand_in is not None:
        return stand_in
    named = _path_decoded(secret_name(secret_id))
    if reach.endpoint_url is not None and "@" in reach.endpoint_url:
        raise ConfigurationError("endpoint_url= has a user in it, which nothing here sends; leave that out")
    own = reach.only_for_secrets_manager()
    if named.scheme is None:
        named = SecretName(SECRETS_MANAGER, named.name) if own else _around(named.name, around.source)
    if named.scheme in TOKENS:
        from secretconn.sources.tokens import tokens_of

        given = {**reach.given(), "cache_config": getattr(cache_config, "secret_cache_hook", None)}
        return tokens_of(secret_id, given, around.region, runtime.environ.get("AWS_REGION"))
    if named.scheme != FILE:
        check_name(named.name)
    if named.scheme == SECRETS_MANAGER:
        return _secrets_manager(named.name, reach, around, runtime, cache_config)
    if named.scheme == AGENT:
        own = [keyword for keyword in own if keyword != "role_arn="]  # it takes the role itself
    own += ["cache_config= with a hook"] if getattr(cache_config, "secret_cache_hook", None) is not None else []
    if own:
        raise ConfigurationError(f"{secret_id!r} is not read from Secrets Manager itself; leave out {', '.join(own)}")
    if named.scheme == FILE:
        if reach.endpoint_url is not None:
            raise ConfigurationError(f"{secret_id!r} is a file; leave out endpoint_url=")
        from secretconn.sources.file import FileSource  # each source is imported where it is chosen

        return FileSource(named.name)
    from secretconn.sources.agent import AgentSource

    endpoint_url = reach.endpoint_url or _endpoint_around(named.scheme, around)
    if endpoint_url is not None and not around.remote_agent:
        _refuse_remote(endpoint_url)
    extension = named.scheme == EXTENSION
    return AgentSource(
        named.name, endpoint_url=endpoint_url, extension=extension, role_arn=reach.role_arn, runtime=runtime
    )


def _stand_in(secret_id: str) -> Source | None:
    """A test's source for this secret, however the secret is spelled: as a name, an ARN, with a scheme."""
    if not stand_ins:
        return None
    by_name = {name: source for one, source in reversed(stand_ins.items()) for name in reversed(plain_names(one))}
    return next((by_name[name] for name in plain_names(secret_id) if name in by_name), None)


def _path_decoded(named: SecretName) -> SecretName:
    from urllib.parse import unquote

    return SecretName(FILE, unquote(named.name)) if named.scheme == FILE else named


def _refuse_remote(endpoint_url: str) -> None:
    """The agent's token goes there over plain HTTP, so anywhere but this machine must be asked for."""
    from urllib.parse import urlsplit

    try:
        host = urlsplit(endpoint_url).hostname or ""
    except ValueError:  # the agent's own check says what is wrong with it
        return
    if host not in ("localhost", "::1") and re.fullmatch(r"127(?:\.\d{1,3}){3}", host) is None:
        raise ConfigurationError(
            "endpoint_url= (or SECRETCONN_ENDPOINT_URL) of the agent is not on this machine, and its token would go "
            "there over plain HTTP; set SECRETCONN_REMOTE_AGENT=yes where that network is yours"
        )


def _around(name: str, source: str | None) -> SecretName:
    """What SECRETCONN_SOURCE makes of a plain name or an ARN. The name is a part of the path as it is written."""
    found = _path_decoded(secret_name(source)) if source is not None and "://" in source else SecretName(source, "")
    if found.scheme != FILE:
        return SecretName(found.scheme or SECRETS_MANAGER, name)
    if name.startswith("arn:") or ".." in name.split("/"):
        raise ConfigurationError(
            f"environment variable SECRETCONN_SOURCE={source!r}: the secret's name is no path within that folder"
        )
    return SecretName(FILE, posixpath.join(found.name, name.lstrip("/")))


def _endpoint_around(scheme: str | None, around: Environment) -> str | None:
    """SECRETCONN_ENDPOINT_URL, unless SECRETCONN_SOURCE says that it is the address of something else."""
    return around.endpoint_url if around.source is None or around.source == scheme else None


def _secrets_manager(
    name: str, reach: Reach, around: Environment, runtime: Runtime, cache_config: SecretCacheConfig | None
) -> Source:
    arn = secret_arn(name)
    region, endpoint, replicas = reach.region, reach.endpoint_url, reach.replica_regions
    in_code = reach.profile is not None or reach.session is not None  # each has a region of its own, or may have
    if reach.client is None:
        if region is None and arn is None and not in_code:
            region = around.region
        if not replicas:
            endpoint = endpoint or _endpoint_around(SECRETS_MANAGER, around)
            replicas = around.replica_regions if reach.endpoint_url is None else ()
    from secretconn.sources.secrets_manager import SecretsManagerSource

    make = partial(
        SecretsManagerSource,
        profile=reach.profile,
        session=reach.session,
        role_arn=reach.role_arn,
        external_id=reach.external_id,
        cache_config=cache_config,
        otherwise_region=around.region or runtime.environ.get("AWS_REGION") or None,
    )
    first = arn.region if arn is not None else region
    others = tuple(dict.fromkeys(other for other in replicas if other != first))
    if not others:
        return make(name, region=region, endpoint_url=endpoint, client=reach.client)
    from secretconn.sources.replicas import ReplicatedSource

    _refuse_one_address(reach, endpoint)
    quick = partial(make, total_attempts=1)  # the next region is the next try
    sources = [quick(name, region=region), *(quick(_in_region(name, other), region=other) for other in others)]
    return ReplicatedSource(name, sources, runtime.clock)


def _refuse_one_address(reach: Reach, endpoint: str | None) -> None:
    if reach.client is not None:
        raise ConfigurationError("client= is for one region; replica_regions= needs session= or profile= instead")
    if endpoint is not None:
        raise ConfigurationError(
            "endpoint_url= (or SECRETCONN_ENDPOINT_URL) is for one region; it does not go with replica regions"
        )


def _in_region(name: str, region: str) -> str:
    """The id of a secret's replica: the same name, or the same ARN but for the region."""
    arn = secret_arn(name)
    if arn is None:
        return name
    if partition_of(region) not in (None, arn.partition):
        raise ConfigurationError(
            f"replica region {region!r} is in partition {partition_of(region)!r}, and {name!r} in {arn.partition!r}"
        )
    return name.replace(f":{arn.region}:", f":{region}:")


class Unreadable:
    """A source that cannot be chosen: each read says why."""

    api_calls = 0

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:  # noqa: ARG002  (a Source)
        raise self._error

    def after_fork(self, in_use: bool) -> None:
        """Nothing to let go of."""
