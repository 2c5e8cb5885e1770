"""What every driver's tests need: the driver's row, an application of its server, and one client for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn.testing import Application, LocalSecretsManager, Rotator
from tests.live.drivers.table import DRIVERS, DriverCase

MakeApplication = Callable[..., Application]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``case`` and names no drivers of its own runs for all of them."""
    markers = metafunc.definition.iter_markers("parametrize")
    if "case" in metafunc.fixturenames and not any("case" in str(mark.args[0]) for mark in markers):
        metafunc.parametrize("case", DRIVERS, ids=repr)


@pytest.fixture(scope="session")
def client(secrets_manager: LocalSecretsManager) -> Any:
    """One boto3 client for all; making one takes longer than most of these tests."""
    client = secrets_manager.client()
    yield client
    client.close()


@pytest.fixture
def app(case: DriverCase, make_application: MakeApplication) -> Application:
    """An application on the driver's server."""
    return make_application(case.server)


@pytest.fixture
def rotator(app: Application, client: Any) -> Callable[..., Rotator]:
    """``rotator("alternating-users")``, for the test's application."""

    def make(strategy: str = "single-user", **settings: Any) -> Rotator:
        settings.setdefault("admin", app.server.admin(app.database))
        return Rotator(client, app.secret_id, strategy=strategy, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture
def credentials_of(client: Any) -> Callable[..., secretconn.RotatingCredentials]:
    """``credentials_of(app, patience=3.0)``: cold, on the shared client."""

    def make(app: Application, **settings: Any) -> secretconn.RotatingCredentials:
        return secretconn.RotatingCredentials(app.secret_id, **{"client": client, **settings})

    return make


@pytest.fixture
def credentials(
    app: Application, credentials_of: Callable[..., secretconn.RotatingCredentials]
) -> secretconn.RotatingCredentials:
    """The application's login, loaded."""
    credentials = credentials_of(app)
    credentials.prefetch()
    return credentials
