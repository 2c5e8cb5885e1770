"""Isolation: what a test sees of AWS (the local Secrets Manager alone), and what it leaves behind (nothing)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from urllib.request import getproxies_environment

import pytest

from secretconn._core.environment import VARIABLES
from secretconn.testing.hooks import forget
from secretconn.testing.secrets_manager import LocalSecretsManager

__all__ = ["isolated", "unled"]

UNSET = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    *(variable.name for variable in VARIABLES if variable.field != "ttl"),
)
"""What a developer's shell or a CI job may say, and what would lead boto3 or secretconn away from here."""


@contextlib.contextmanager
def unled() -> Iterator[pytest.MonkeyPatch]:
    """None of these for a while. The patch is one of its own: a test may undo the fixture monkeypatch."""
    with pytest.MonkeyPatch.context() as patch:
        for name in UNSET:
            patch.delenv(name, raising=False)
        yield patch


@contextlib.contextmanager
def isolated(secrets: LocalSecretsManager) -> Iterator[None]:
    """Environment variables by which boto3 finds this Secrets Manager, and no login from before, for a while."""
    import boto3

    with unled() as patch:
        for name, value in {**secrets.environment, **_around_proxies()}.items():
            patch.setenv(name, value)
        # The session behind boto3.client() keeps its first credentials: neither real ones in, nor dummies out.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        forget()
        try:
            yield
        finally:
            forget()


def _around_proxies() -> dict[str, str]:
    """A proxy for HTTP is not for this machine."""
    proxies = getproxies_environment()
    if not proxies:
        return {}
    bypass = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1"]))
    return {"no_proxy": bypass, "NO_PROXY": bypass}
