"""AWS Secrets Manager, through the SecretCacheItem of aws-secretsmanager-caching.

API calls: one GetSecretValue where one stage is asked for, else one DescribeSecret and one GetSecretValue for each
wanted version that is not held yet.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Set
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from secretconn.credentials import PENDING, PREVIOUS, Payload
from secretconn.errors import ConfigurationError, SecretConnError, given_keywords
from secretconn.runtime import version_of
from secretconn.sources.arn import partition_of, region_for, secret_arn
from secretconn.sources.base import Reading, is_passing
from secretconn.sources.calls import DENIED, Recorder, code_of, is_of_own_credentials, payload_of, stages_of
from secretconn.sources.role import Role, role_session
from secretconn.sources.sessions import new_session

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig
    from aws_secretsmanager_caching.cache import SecretCacheItem
    from botocore.config import Config

    from secretconn.sources.sessions import AnySession, Client

__all__ = ["SecretsManagerSource", "payload_of"]

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 3.0
TOTAL_ATTEMPTS = 2
"""Seconds and tries of the default client. Secrets Manager answers in tens of milliseconds; a caller who waits for the
SDK's own 60 s and five tries has lost its request long before."""

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
        self._profile, self._endpoint_url, self._session = profile, endpoint_url, session
        self._given_client, self._config = client, cache_config
        self._role = Role(role_arn, external_id) if role_arn is not None or external_id is not None else None
        self._total_attempts, self._otherwise_region = total_attempts, otherwise_region
        self._client: Any = None
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
        at = f" at {_without_user(address)}" if address else ""
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
        client = self._client
        if client is None:
            client = self._given_client if self._given_client is not None else self._make_client()
            self._client = self._met = client
        return client

    def prepare(self) -> None:
        """Import the SDK and the cache: an import that a fork breaks off is locked for ever in the child."""
        import encodings.idna  # noqa: F401  (for host names)

        import aws_secretsmanager_caching.cache  # noqa: F401
        import boto3  # noqa: F401
        import botocore.config  # noqa: F401

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read. A first read of one stage is one GetSecretValue, all others begin with DescribeSecret.

        Raises what these calls raise, and ConfigurationError where no region is known.
        """
        return self._read(stages, held, by_stage=len(stages) == 1 and not held)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """As ``read``, where a login has just been rejected: one stage is one GetSecretValue, held or not."""
        return self._read(stages, held, by_stage=len(stages) == 1)

    def _read(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        client = self.client
        try:
            reading = self._by_stage(client, stages[0]) if by_stage else self._whole(client, stages, held)
        except Exception as error:
            if self._given_client is not None or not is_of_own_credentials(error):
                raise
            if self._client is client:
                self._client = None  # its keys may be others by now: the next read looks for them again
            if not self._accepted or self._session is not None:
                raise
            self._accepted = False
            return self._read(stages, held, by_stage=by_stage)  # keys that were good until now: not the caller's fault
        self._accepted = True
        return reading

    def _by_stage(self, own: Any, stage: str) -> Reading:
        """The version under one stage, by one call; the cache item takes it for a description and a value."""
        client = self._recorder(own).start(stage)
        try:
            content = self._refreshed(client).get_secret_value(stage)
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
        client = self._recorder(own).start()
        try:
            item = self._refreshed(client)
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
                payloads[version] = payload_of(item.get_secret_value(stage), version)
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

    def _refreshed(self, client: Recorder) -> SecretCacheItem:
        """A cache item that has just asked. A new one for each read: an abandoned read holds the lock of its own."""
        item = _quick_item()(config=self._cache_config(), client=client, secret_id=self._secret_id)
        if not item.refresh_secret_now():
            raise client.last_error()
        return item

    def after_fork(self, in_use: bool) -> None:
        """A forked child makes its own client; the parent's idle sockets are closed here, not shared.

        A client that the caller gave is the caller's, and stays.
        """
        client, self._client = self._client, None
        if client is not None and self._given_client is None and not in_use:
            client.close()

    def _recorder(self, client: Any) -> Recorder:
        return Recorder(client, self._secret_id, self._calls)

    def _make_client(self) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError, ProfileNotFound

        options = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"total_max_attempts": self._total_attempts, "mode": "standard"},
            user_agent_extra=f"secretconn/{version_of() or '0'}",
        )
        try:
            make = self._maker(options)
            return make("secretsmanager", region_name=self._region, endpoint_url=self._endpoint_url, config=options)
        except NoRegionError as error:
            if self._region is None and self._otherwise_region is not None:
                self._region = self._otherwise_region
                return self._make_client()
            raise ConfigurationError(
                f"no region for secret {self._secret_id!r}: pass region=, use the secret's ARN, or set AWS_REGION"
            ) from error
        except ProfileNotFound as error:
            raise ConfigurationError(
                f"profile {error.kwargs.get('profile')!r} is not in the shared AWS configuration; correct profile= or "
                f"AWS_PROFILE, or unset it"
            ) from error
        except (BotoCoreError, ValueError) as error:
            if isinstance(error, SecretConnError) or is_of_own_credentials(error):
                raise
            why = _without_user(str(error))
            raise ConfigurationError(
                f"secret {self._secret_id!r}: no client of Secrets Manager can be made of region, endpoint and AWS "
                f"configuration ({why})"
            ) from error

    def _maker(self, options: Config) -> Callable[..., Any]:
        session = self._session
        if session is None:
            session = new_session(self._profile)
        if self._role is not None:
            region = self._region or _region_of(session) or self._otherwise_region
            session = role_session(self._role, session, self._profile, region, options)
        make: Callable[..., Any] = session.client if hasattr(session, "client") else session.create_client
        return make

    def _cache_config(self) -> SecretCacheConfig:
        """The caller's configuration, but for its refresh interval: RotatingCredentials decides when to refresh."""
        from aws_secretsmanager_caching import SecretCacheConfig

        config = SecretCacheConfig() if self._config is None else copy.copy(self._config)
        config.secret_refresh_interval = NEVER
        return config


@lru_cache(maxsize=1)
def _quick_item() -> type[SecretCacheItem]:
    """SecretCacheItem without its sleep of 2.5 to 5 s before a forced refresh; rule 4 keeps a crowd together.

    It sleeps a random number of milliseconds from half of the jitter to one more than it: of -1, that is 0.
    """
    from aws_secretsmanager_caching.cache import SecretCacheItem

    return type(
        "QuickSecretCacheItem", (SecretCacheItem,), {"FORCE_REFRESH_JITTER_SLEEP": -1, "FORCE_REFRESH_MAX_SLEEP": 0}
    )


def _refuse_conflicts(
    client: Any, session: Any, region: str | None, profile: str | None, endpoint: str | None, role: str | None
) -> None:
    given = {"session": session, "region": region, "profile": profile, "endpoint_url": endpoint, "role_arn": role}
    extra = given_keywords(given)
    if client is not None and extra:
        raise ConfigurationError(f"client= already decides about {', '.join(extra)}; give one or the other")
    if session is not None and profile is not None:
        raise ConfigurationError("session= already decides about profile=; give one or the other")


def _region_of(session: Any) -> str | None:
    """What the session's own chain says; boto3's and botocore's sessions tell it in different ways."""
    ask = getattr(session, "get_config_variable", None)
    return ask("region") if ask is not None else getattr(session, "region_name", None)


def _refuse_other_region(secret_id: str, client: Any) -> None:
    arn, region = secret_arn(secret_id), getattr(getattr(client, "meta", None), "region_name", None)
    if arn is None or region is None or region == arn.region:
        return
    raise ConfigurationError(
        f"client= is for region {region!r} (partition {partition_of(region)!r}), and {secret_id!r} is in "
        f"{arn.region!r} (partition {arn.partition!r})"
    )


def _without_user(address: str) -> str:
    return re.sub(r"//[^/\s@]*@", "//", address)
