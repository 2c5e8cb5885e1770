"""Ids that name their source, and those that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import ConfigurationError
from secretconn.sources.names import secret_name

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/orders-AbCdEf"


@pytest.mark.parametrize(
    ("secret_id", "expected"),
    [
        ("prod/orders", (None, "prod/orders")),
        ("/prod/orders", (None, "/prod/orders")),
        (ARN, (None, ARN)),
        ("agent://prod/orders", ("agent", "prod/orders")),
        ("Agent:///prod/orders", ("agent", "/prod/orders")),
        (f"extension://{ARN}", ("extension", ARN)),
        ("secretsmanager://prod/orders", ("secretsmanager", "prod/orders")),
        ("file:///mnt/secrets/db", ("file", "/mnt/secrets/db")),
    ],
)
def test_ids(secret_id: str, expected: tuple[str | None, str]) -> None:
    assert secret_name(secret_id) == expected


@pytest.mark.parametrize("secret_id", ["vault://prod/orders", "https://x", "s3://bucket/key"])
def test_an_unknown_scheme_lists_the_known_ones(secret_id: str) -> None:
    known = "secretsmanager://NAME, agent://NAME, extension://NAME, file:///PATH"
    with pytest.raises(ConfigurationError, match=known):
        secret_name(secret_id)


@pytest.mark.parametrize("secret_id", ["agent://", "file://mnt/db", "file://"])
def test_a_url_without_a_secret(secret_id: str) -> None:
    with pytest.raises(ConfigurationError, match="names no secret"):
        secret_name(secret_id)


@given(st.text(alphabet="abcXYZ019/_+=.@-", min_size=1))
def test_every_name_that_secrets_manager_allows_is_a_plain_name(name: str) -> None:
    assert secret_name(name) == (None, name)
