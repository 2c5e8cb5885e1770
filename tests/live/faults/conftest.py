"""The fault tests' fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from secretconn.testing import Application, LocalSecretsManager
from tests.live.faults.harness import Bed
from tests.support.faults import FaultySecretsManager


@pytest.fixture
def faulty(secrets_manager: LocalSecretsManager) -> Iterator[FaultySecretsManager]:
    with FaultySecretsManager(secrets_manager) as server:
        yield server


@pytest.fixture
def bed(postgres_app: Application, faulty: FaultySecretsManager) -> Bed:
    return Bed(postgres_app, faulty)
