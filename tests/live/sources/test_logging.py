"""With every logger at DEBUG: botocore logs whole answers, and ours are not among them."""

from __future__ import annotations

import logging

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import LocalSecretsManager

WORD = "xyzzy-in-no-log"
SECRET = {"username": "app", "password": WORD, "host": "db"}


def test_no_record_of_any_logger_has_the_secret(
    secrets_manager: LocalSecretsManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in secrets_manager.environment.items():
        monkeypatch.setenv(name, value)
    secrets_manager.create_secret("logs/ours", SECRET)
    with caplog.at_level(logging.DEBUG):
        assert RotatingCredentials("logs/ours").current().password == WORD
    assert any(record.name.startswith("botocore") for record in caplog.records)
    assert WORD not in caplog.text
    assert WORD not in repr([vars(record) for record in caplog.records])


def test_a_client_that_is_given_logs_as_its_owner_wants(
    secrets_manager: LocalSecretsManager, caplog: pytest.LogCaptureFixture
) -> None:
    """And so does whoever else uses botocore: the test above would pass if botocore logged nothing."""
    secrets_manager.create_secret("logs/theirs", SECRET)
    client = secrets_manager.client()
    with caplog.at_level(logging.DEBUG):
        RotatingCredentials("logs/theirs", client=client).prefetch()
    assert WORD in caplog.text
    client.close()
