"""The project of these tests: an alias for each test in this process, and `manage.py` in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager

PROJECT = Path(__file__).parent / "project"
ENGINES = {"postgres": "secretconn.django.postgresql", "mariadb": "secretconn.django.mysql"}

sys.path.insert(0, str(PROJECT))
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"

import django  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

django.setup()
setup_test_environment()

# PyMySQL 1.2 reads all certificates of the system at each connect, for a server that has no TLS.
WITHOUT_TLS: dict[str, dict[str, Any]] = {"mariadb": {"ssl_disabled": True}} if os.environ.get("SHOP_PYMYSQL") else {}

Manage = Callable[..., subprocess.CompletedProcess[str]]
Database = Callable[..., Any]
MakeApplication = Callable[..., Application]
CredentialsOf = Callable[[Application], RotatingCredentials]


@pytest.fixture
def manage(secrets_manager: LocalSecretsManager) -> Manage:
    """``manage("migrate", database={"ENGINE": ...})`` runs manage.py to its end."""

    def run(
        *arguments: str, database: Mapping[str, Any], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = {"SHOP_DATABASES": json.dumps({"default": database}), **secrets_manager.environment}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env={**os.environ, **given, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def credentials_of(secrets_manager: LocalSecretsManager) -> Callable[[Application], RotatingCredentials]:
    """A new RotatingCredentials for an application's secret."""
    return lambda app: RotatingCredentials(app.secret_id, client=secrets_manager.client())


@pytest.fixture
def database() -> Iterator[Database]:
    """``database("postgres", secret, CONN_MAX_AGE=60, OPTIONS={...})``: the connection of a new alias."""
    made: list[str] = []

    def make(kind: str, secret: object, *, migrate: bool = False, **settings: Any) -> Any:
        alias = f"{kind}{len(made)}"
        options = {"secret": secret, **WITHOUT_TLS.get(kind, {}), **settings.pop("OPTIONS", {})}
        wanted = {"ENGINE": ENGINES[kind], "OPTIONS": options, **settings}
        connections.settings[alias] = connections.configure_settings({"default": {}, alias: wanted})[alias]
        made.append(alias)
        if migrate:
            call_command("migrate", database=alias, verbosity=0)
        return connections[alias]

    yield make
    for alias in made:
        connection = connections[alias] if "secret" in connections.settings[alias]["OPTIONS"] else None
        if connection is not None:
            connection.close()
            if hasattr(connection, "close_pool"):
                connection.close_pool()
            del connections[alias]
        del connections.settings[alias]
