"""What every driver's tests need: the driver's row, an application of its server, and one client for all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn.testing import Application, LocalSecretsManager, Login, Rotator, new_password
from tests.live.drivers.table import DRIVERS, DriverCase, content


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


class Tenant(Application):
    """A user and a secret of its own, in a database that all share.

    A database for each of these hundreds of tests would be most of their time: it is 300 files to PostgreSQL.
    """

    def __init__(self, landlord: Application) -> None:
        self.server, self.secrets, self.database = landlord.server, landlord.secrets, landlord.database
        login = Login(f"orders_{uuid.uuid4().hex[:8]}", new_password())
        self.username = login.username
        self.secret_id = f"test/{self.username}"
        self.server.admin().create_user(login, like=landlord.username)
        self.secrets.create_secret(self.secret_id, content(self, login.password))


@pytest.fixture(scope="session")
def landlords() -> dict[str, Application]:
    """For each server the application whose database is shared."""
    return {}


@pytest.fixture
def app(
    case: DriverCase,
    landlords: dict[str, Application],
    request: pytest.FixtureRequest,
    secrets_manager: LocalSecretsManager,
) -> Application:
    """An application on the driver's server."""
    if case.server not in landlords:
        landlords[case.server] = Application(request.getfixturevalue(case.server), secrets_manager)
    tenant = Tenant(landlords[case.server])
    if case.needs_cache:
        assert tenant.accepts(tenant.login())
    return tenant


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
