"""Settings: what RotatingCredentials accepts, checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from secretconn._core.answer import Policy
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.errors import ConfigurationError, given_keywords

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig

__all__ = ["Backoff", "Settings", "refuse_beside_source", "settings"]

DEFAULT_TTL = 3600.0


class Backoff(NamedTuple):
    """Delays after failed reads: ``base * growth ** (failures - 1)`` seconds, at most ``longest``."""

    base: float
    growth: float
    longest: float

    def seconds(self, failures: int, jitter: float) -> float:
        """The delay after this many failures in a row, jittered in [half, whole]. ``jitter`` is in [0, 1)."""
        whole = min(self.base * self.growth ** min(failures - 1, 40), self.longest)
        return whole * (0.5 + 0.5 * jitter)


COLD = Backoff(base=0.1, growth=2.0, longest=2.0)
"""While nobody can log in for want of a first answer, a reader waits that long and asks again."""


class Settings(NamedTuple):
    """Checked settings.

    Attributes:
        policy: What the rules need.
        ttl: Seconds until an answer is re-read in the background.
        timeout: Seconds a caller waits at most for the source.
        backoff: Delays between background reads that fail.
    """

    policy: Policy
    ttl: float
    timeout: float
    backoff: Backoff


def settings(
    *,
    ttl: float | None,
    timeout: float,
    retries: int,
    patience: float,
    read_patience: float,
    fallback_stages: Iterable[str],
    cache_config: SecretCacheConfig | None,
) -> Settings:
    """Check and bring together. Raises ConfigurationError, which names the setting."""
    if ttl is not None and cache_config is not None:
        raise ConfigurationError("give ttl= or cache_config= (its secret_refresh_interval), not both")
    if cache_config is not None:
        ttl = float(cache_config.secret_refresh_interval)
    seconds = _positive("ttl", DEFAULT_TTL if ttl is None else ttl)
    return Settings(
        policy=_policy(cache_config, fallback_stages, retries, patience, read_patience),
        ttl=seconds,
        timeout=_positive("timeout", timeout),
        backoff=_backoff(cache_config, seconds),
    )


def check_retries(retries: int) -> int:
    """Raise ConfigurationError unless it is a whole number from 0."""
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise ConfigurationError(f"retries must be a whole number from 0, not {retries!r}")
    return retries


def check_patience(patience: float, name: str = "patience") -> float:
    """Raise ConfigurationError unless it is a finite number of seconds from 0."""
    if not _is_number(patience) or patience < 0:
        raise ConfigurationError(f"{name} must be a number of seconds from 0, not {patience!r}")
    return float(patience)


def refuse_beside_source(arguments: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for what an own source leaves no use for."""
    extra = given_keywords(arguments)
    if extra:
        raise ConfigurationError(f"source= already decides about {', '.join(extra)}; give one or the other")


def _policy(
    config: SecretCacheConfig | None, fallback: Iterable[str], retries: int, patience: float, read_patience: float
) -> Policy:
    stages = (fallback,) if isinstance(fallback, str) else tuple(fallback)
    wrong = [stage for stage in stages if stage not in (PENDING, PREVIOUS)]
    if wrong:
        raise ConfigurationError(f"fallback_stages has {wrong[0]!r}; it may hold AWSPENDING and AWSPREVIOUS")
    current = CURRENT if config is None else config.default_version_stage
    return Policy(
        current,
        stages,
        check_retries(retries),
        check_patience(patience),
        check_patience(read_patience, "read_patience"),
    )


def _backoff(config: SecretCacheConfig | None, ttl: float) -> Backoff:
    """The cache configuration's own retry delays, or its defaults; never rarer than the TTL."""
    if config is None:
        return Backoff(base=1.0, growth=2.0, longest=ttl)
    longest = min(float(config.exception_retry_delay_max), ttl)
    return Backoff(float(config.exception_retry_delay_base), float(config.exception_retry_growth_factor), longest)


def _positive(name: str, value: float) -> float:
    if not _is_number(value) or value <= 0:
        raise ConfigurationError(f"{name} must be a number of seconds greater than 0, not {value!r}")
    return float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
