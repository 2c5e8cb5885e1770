"""AWS Secrets Manager, through the SecretCacheItem of aws-secretsmanager-caching.

API calls: one GetSecretValue where one stage is asked for, else one DescribeSecret and one GetSecretValue for each
wanted version that is not held yet.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Set
from functools import partial
from typing import TYPE_CHECKING, Any

from secretconn.credentials import PENDING, PREVIOUS, Payload
from secretconn.errors import ConfigurationError, given_keywords
from secretconn.sources.arn import partition_of, region_for, secret_arn
from secretconn.sources.base import Reading, code_of, is_passing
from secretconn.sources.calls import DENIED, Recorder, is_of_own_credentials, payload_of, stages_of
from secretconn.sources.clients import TOTAL_ATTEMPTS, SharedClient, Way, clients, make_client, without_user
from secretconn.sources.role import role_of

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig
    from aws_secretsmanager_caching.cache import SecretCacheItem

    from secretconn.sources.sessions import AnySession, Client

__all__ = ["SecretsManagerSource", "payload_of"]

NOWHERE = "secretconn:nowhere"
"""A stage that no version has: asked for it, a cache item describes the secret and reads no content."""

NEVER = 10 * 365 * 86400
"""Seconds after which the cache item would describe the secret by itself, in the middle of a read."""


class SecretsManagerSource:
    """Versions from AWS Secrets Manager.

    Args:
        secret_id: Name or ARN. An ARN's region is used, of whatever partition.
        region: Region, where the id is a name. Without one, boto3's own chain decides.
        profile: A profile of the shared AWS configuration.
        endpoint_url: Another address of Secrets Manager (a VPC endpoint, a local stand-in).
        client: Your own boto3 client, used as it is: its timeouts, retries and region are yours.
        session: Your own boto3 (or botocore) session; the client is made from it, one per process.
        cache_config: The cache's configuration: its hook, default stage and retry delays.
        role_arn: A role to take first, for a secret of another account.
        external_id: What that role's trust policy asks for, if it does.
        total_attempts: Tries of the default client for one call.
        otherwise_region: Region where neither an argument nor boto3's chain has one. boto3 reads AWS_DEFAULT_REGION and
            not AWS_REGION, which every other SDK of AWS reads.

    Raises:
        ConfigurationError: arguments that contradict each other, or an ARN of another region or partition.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        client: Client | None = None,
        session: AnySession | None = None,
        cache_config: SecretCacheConfig | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        total_attempts: int = TOTAL_ATTEMPTS,
        otherwise_region: str | None = None,
    ) -> None:
        _refuse_conflicts(client, session, region, profile, endpoint_url, role_arn)
        self._secret_id = secret_id
        self._region = region_for(secret_id, region)
        if client is not None:
            _refuse_other_region(secret_id, client)
        role = role_of(role_arn, external_id)
        self._way = Way(self._region, profile, endpoint_url, session, role, total_attempts, otherwise_region)
        self._given_client, self._config = client, cache_config
        self._shared: SharedClient | None = None
        self._met: Any = client  # the latest client: it tells region and address
        self._accepted = False
        self._may_describe = True
        self._calls = itertools.count()  # reads that were abandoned count theirs at the same time

    @property
    def api_calls(self) -> int:
        """DescribeSecret and GetSecretValue calls so far, with the SDK's own retries of those that were answered."""
        return int(repr(self._calls)[len("count(") : -1])

    @property
    def place(self) -> str | None:
        """The region, once it is known."""
        region = getattr(getattr(self._met, "meta", None), "region_name", None)
        return region if isinstance(region, str) else self._region

    @property
    def where(self) -> str:
        """Region and address, for a sentence."""
        address = getattr(getattr(self._met, "meta", None), "endpoint_url", None)
        at = f" at {without_user(address)}" if address else ""
        return f"Secrets Manager in {self.place or 'an unknown region'}{at}"

    @property
    def by_stage(self) -> bool:
        """See Source: the role may not DescribeSecret."""
        return not self._may_describe

    @property
    def secret_id(self) -> str:
        """The name or ARN that is asked for."""
        return self._secret_id

    @property
    def client(self) -> Any:
        """The boto3 client it asks with, made at its first use.

        Raises:
            ConfigurationError: no region is known, an unknown profile, an address or region that cannot be.
        """
        return self._given_client if self._given_client is not None else self._own(self._joined())

    def prepare(self) -> None:
        """Import the SDK and the cache: an import that a fork breaks off is locked for ever in the child."""
        import encodings.idna  # noqa: F401  (for host names)

        import aws_secretsmanager_caching.cache  # noqa: F401
        import botocore.config
        import botocore.session  # noqa: F401  (boto3 itself is not needed, and would take longer)

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read. A first read of one stage is one GetSecretValue, all others begin with DescribeSecret.

        Raises what these calls raise, and ConfigurationError where no region is known.
        """
        return self._read(stages, held, by_stage=len(stages) == 1 and not held)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """As ``read``, where a login has just been rejected: one stage is one GetSecretValue, held or not."""
        return self._read(stages, held, by_stage=len(stages) == 1)

    def _read(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        shared = self._joined() if self._given_client is None else None
        client = self._own(shared) if shared is not None else self._given_client
        try:
            reading = self._by_stage(client, stages[0]) if by_stage else self._whole(client, stages, held)
        except Exception as error:
            if shared is None or not is_of_own_credentials(error):
                raise
            self._retire(shared)  # its keys may be others by now: the next read looks for them again
            if not self._accepted or self._way.session is not None:
                raise
            self._accepted = False
            return self._read(stages, held, by_stage=by_stage)  # keys that were good until now: not the caller's fault
        self._accepted = True
        return reading

    def _by_stage(self, own: Any, stage: str) -> Reading:
        """The version under one stage, by one call; the cache item takes it for a description and a value."""
        client = Recorder(own, self._secret_id, self._calls, stage)
        try:
            content = _asked(self._item(client), client, stage)
        except Exception as error:
            if stage not in (PENDING, PREVIOUS) or is_passing(error) or is_of_own_credentials(error):
                raise
            absent = code_of(error) == "ResourceNotFoundException"
            return Reading({}, {}, {} if absent else {stage: error}, whole=False)
        by_stage = stages_of(client.description)
        version = by_stage[stage]
        return Reading(by_stage, {version: payload_of(content, version)}, whole=False)

    def _whole(self, own: Any, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """All labels by DescribeSecret, and a GetSecretValue for each wanted version that is not held."""
        if not self._may_describe:
            return self._each_stage(own, stages)
        client = Recorder(own, self._secret_id, self._calls)
        try:
            item = self._item(client)
            _asked(item, client, NOWHERE)  # only describes
        except Exception as error:
            if code_of(error) not in DENIED:
                raise
            reading = self._each_stage(own, stages)
            self._may_describe = False
            return reading
        by_stage = stages_of(client.description)
        payloads: dict[str, Payload] = {}
        failures: dict[str, Exception] = {}
        for stage in stages:
            version = by_stage.get(stage)
            if version is None or version in held or version in payloads:
                continue
            try:
                payloads[version] = payload_of(_asked(item, client, stage), version)
            except Exception as error:  # one version that cannot be read must not hide the others
                if is_of_own_credentials(error):
                    raise
                failures[stage] = error
        return Reading(stages=by_stage, payloads=payloads, failures=failures)

    def _each_stage(self, own: Any, stages: tuple[str, ...]) -> Reading:
        """Without DescribeSecret. AWSPENDING first: a rotation that ends in between then shows the new version.

        And last, where it read as missing: so does a version that has no value yet.
        """
        by_stage: dict[str, str] = {}
        payloads: dict[str, Payload] = {}
        failures: dict[str, Exception] = {}
        ordered = sorted(stages, key=lambda stage: stage != PENDING)
        for stage in (*ordered, ordered[0]):
            if stage in by_stage or stage in failures:
                continue
            try:
                reading = self._by_stage(own, stage)
            except Exception as error:
                if stage == stages[0] or is_of_own_credentials(error):
                    raise
                failures[stage] = error
                continue
            by_stage |= reading.stages
            payloads |= reading.payloads
            failures |= reading.failures
        return Reading(by_stage, payloads, failures, whole=False)

    def _item(self, client: Recorder) -> SecretCacheItem:
        """A new cache item for each read: it asks at once, where one that is asked again sleeps first for seconds, and
        an abandoned read holds the lock of its own."""
        from aws_secretsmanager_caching.cache import SecretCacheItem

        return SecretCacheItem(config=self._cache_config(), client=client, secret_id=self._secret_id)

    def after_fork(self, in_use: bool) -> None:
        """A forked child makes its own client; the parent's idle sockets are closed here, not shared.

        A client that the caller gave is the caller's, and stays.
        """
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.leave(self, in_use)

    def _joined(self) -> SharedClient:
        shared = self._shared
        if shared is None:
            shared = self._shared = clients.join(self._way, self)
        return shared

    def _own(self, shared: SharedClient) -> Any:
        self._met = client = shared.client(partial(make_client, self._way, self._secret_id))
        return client

    def _retire(self, shared: SharedClient) -> None:
        clients.retire(shared)
        if self._shared is shared:
            self._shared = None

    def _cache_config(self) -> SecretCacheConfig:
        """The caller's configuration, but for its refresh interval: RotatingCredentials decides when to refresh."""
        from aws_secretsmanager_caching import SecretCacheConfig

        config = SecretCacheConfig() if self._config is None else copy.copy(self._config)
        config.secret_refresh_interval = NEVER
        return config


def _asked(item: SecretCacheItem, client: Recorder, stage: str) -> Any:
    """The item's answer for a stage, or the client's own error: a hook that is given no answer may raise another."""
    try:
        return item.get_secret_value(stage)
    except Exception as error:
        failed = client.last_error()
        if failed is None or failed is error:
            raise
        raise failed from None


def _refuse_conflicts(
    client: Any, session: Any, region: str | None, profile: str | None, endpoint: str | None, role: str | None
) -> None:
    given = {"session": session, "region": region, "profile": profile, "endpoint_url": endpoint, "role_arn": role}
    extra = given_keywords(given)
    if client is not None and extra:
        raise ConfigurationError(f"client= already decides about {', '.join(extra)}; give one or the other")
    if session is not None and profile is not None:
        raise ConfigurationError("session= already decides about profile=; give one or the other")


def _refuse_other_region(secret_id: str, client: Any) -> None:
    arn, region = secret_arn(secret_id), getattr(getattr(client, "meta", None), "region_name", None)
    if arn is None or region is None or region == arn.region:
        return
    raise ConfigurationError(
        f"client= is for region {region!r} (partition {partition_of(region)!r}), and {secret_id!r} is in "
        f"{arn.region!r} (partition {arn.partition!r})"
    )
