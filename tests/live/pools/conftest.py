"""What the pool tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application


@pytest.fixture
def rotating_of() -> Callable[[Application], RotatingCredentials]:
    """A RotatingCredentials of the test's own."""
    return lambda app: RotatingCredentials(app.secret_id, client=app.secrets.client())


@pytest.fixture
def pg(postgres_app: Application, rotating_of: Callable[[Application], RotatingCredentials]) -> RotatingCredentials:
    return rotating_of(postgres_app)


@pytest.fixture
def my(mariadb_app: Application, rotating_of: Callable[[Application], RotatingCredentials]) -> RotatingCredentials:
    return rotating_of(mariadb_app)
