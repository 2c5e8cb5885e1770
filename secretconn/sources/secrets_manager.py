"""AWS Secrets Manager, through the SecretCacheItem of aws-secretsmanager-caching.

API calls: one DescribeSecret per read, and one GetSecretValue for each wanted version that is not held yet.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Set
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from secretconn.credentials import Payload
from secretconn.errors import ConfigurationError, given_keywords
from secretconn.sources.arn import partition_of, region_for, secret_arn
from secretconn.sources.base import Reading
from secretconn.sources.role import Role, role_session
from secretconn.sources.sessions import new_session

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig
    from aws_secretsmanager_caching.cache import SecretCacheItem
    from botocore.config import Config

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
        client: Any = None,
        session: Any = None,
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
        self._given_client = client
        self._config = cache_config
        self._role = Role(role_arn, external_id) if role_arn is not None or external_id is not None else None
        self._total_attempts, self._otherwise_region = total_attempts, otherwise_region
        self._client: _Recorder | None = None
        self._item: SecretCacheItem | None = None
        self._calls = Calls()

    @property
    def api_calls(self) -> int:
        """DescribeSecret and GetSecretValue calls so far. The SDK's own retries are not seen here."""
        return self._calls.made

    @property
    def place(self) -> str | None:
        """The region, once it is known."""
        return self._region if self._client is None else self._client.region or self._region

    @property
    def secret_id(self) -> str:
        """The name or ARN that is asked for."""
        return self._secret_id

    @property
    def client(self) -> Any:
        """The boto3 client it asks with, made at its first use.

        Raises:
            ConfigurationError: no region is known, or an unknown profile.
        """
        return self._recorder().client

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read. Raises what DescribeSecret raises, and ConfigurationError where no region is known."""
        client = self._recorder()
        client.start()
        if self._item is None:
            self._item = _quick_item()(config=self._cache_config(), client=client, secret_id=self._secret_id)
        item = self._item
        if not item.refresh_secret_now():
            raise client.last_error()
        by_stage = _stages(client.description)
        payloads: dict[str, Payload] = {}
        failures: dict[str, Exception] = {}
        for stage in stages:
            version = by_stage.get(stage)
            if version is None or version in held or version in payloads:
                continue
            try:
                payloads[version] = payload_of(item.get_secret_value(stage), version)
                if not payloads[version].content:  # a broken reply; the item would keep it as the version's for ever
                    self._item = None
            except Exception as error:  # noqa: BLE001  (one version that cannot be read must not hide the others)
                failures[stage] = error
                self._item = None  # the item would repeat this error, for seconds or an hour, without asking again
        return Reading(stages=by_stage, payloads=payloads, failures=failures)

    def after_fork(self, in_use: bool) -> None:
        """A forked child makes its own client; the parent's idle sockets are closed here, not shared.

        A client that the caller gave is the caller's, and stays.
        """
        client, self._client, self._item = self._client, None, None
        if client is not None and self._given_client is None and not in_use:
            client.close()

    def _recorder(self) -> _Recorder:
        if self._client is None:
            client = self._given_client if self._given_client is not None else self._make_client()
            self._client = _Recorder(client, self._calls)
        return self._client

    def _make_client(self) -> Any:
        from botocore.config import Config
        from botocore.exceptions import NoRegionError, ProfileNotFound

        options = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"total_max_attempts": self._total_attempts, "mode": "standard"},
            user_agent_extra=f"secretconn/{_version()}",
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
            raise ConfigurationError(f"profile {self._profile!r} is not in the shared AWS configuration") from error

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


class Calls:
    """How many calls were made; outlives the client that a fork replaces."""

    made = 0


class _Recorder:
    """The client as the cache item sees it: counts the calls, keeps the answer and the error that the item hides."""

    def __init__(self, client: Any, calls: Calls) -> None:
        self.client, self._calls = client, calls
        self.start()

    @property
    def region(self) -> str | None:
        """The client's region, where it tells it."""
        region = getattr(getattr(self.client, "meta", None), "region_name", None)
        return region if isinstance(region, str) else None

    def start(self) -> None:
        self.description: Mapping[str, Any] = {}
        self._error: Exception | None = None

    def describe_secret(self, **arguments: Any) -> Any:
        answer = self._call(self.client.describe_secret, arguments)
        if not isinstance(answer.get("VersionIdsToStages"), Mapping):
            self._error = ValueError("DescribeSecret's answer has no VersionIdsToStages")
            raise self._error
        self.description = answer
        return answer

    def get_secret_value(self, **arguments: Any) -> Any:
        return self._call(self.client.get_secret_value, arguments)

    def close(self) -> None:
        self.client.close()

    def last_error(self) -> Exception:
        error, self._error = self._error, None
        return error if error is not None else RuntimeError("the cache refreshed nothing and told no error")

    def _call(self, operation: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        self._calls.made += 1
        try:
            return operation(**arguments)
        except Exception as error:
            self._error = error
            raise


@lru_cache(maxsize=1)
def _quick_item() -> type[SecretCacheItem]:
    """SecretCacheItem without its sleep of 2.5 to 5 s before a forced refresh; rule 4 keeps a crowd together."""
    from aws_secretsmanager_caching.cache import SecretCacheItem

    return type(
        "QuickSecretCacheItem", (SecretCacheItem,), {"FORCE_REFRESH_JITTER_SLEEP": 0, "FORCE_REFRESH_MAX_SLEEP": 0}
    )


def _stages(description: Mapping[str, Any]) -> dict[str, str]:
    versions = description["VersionIdsToStages"]
    return {stage: version for version, labels in versions.items() for stage in labels}


def payload_of(response: Any, version: str) -> Payload:
    """The secret's content out of a GetSecretValue answer; whatever is wrong with it is for the parser to say."""
    answer = response if isinstance(response, Mapping) else {}
    content = answer.get("SecretString")
    return Payload(version, answer.get("SecretBinary") if content is None else content)  # type: ignore[arg-type]


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


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("secretconn")
    except PackageNotFoundError:
        return "0"
