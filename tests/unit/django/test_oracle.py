"""Django's Oracle backend: what oracledb is called with. No Oracle runs here: a function stands for its connect.

In a process of its own, because Django's settings are one for the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import json
import oracledb
from django.conf import settings
from secretconn import RotatingCredentials
from secretconn.testing.memory import MemorySource

def login(password):
    return {"engine": "oracle", "username": "app", "password": password, "host": "db", "dbname": "orders"}

source = MemorySource(login("p1"))
credentials = RotatingCredentials("s", source=source)
database = {"ENGINE": "secretconn.django.oracle", "OPTIONS": {"secret": credentials}}
pooled = {**database, "OPTIONS": {"secret": credentials, "pool": True}}
settings.configure(DATABASES={"default": database, "pooled": pooled})

import django
django.setup()
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

called = []

def connect(**arguments):
    called.append(arguments)
    if arguments["password"] != "p2":
        raise oracledb.DatabaseError("ORA-01017: invalid credential or not authorized; logon denied")
    return "connection"

oracledb.connect = connect
default = connections["default"]
credentials.current()
source.rotate("v2", login("p2"))
opened = default.get_new_connection(default.get_connection_params())
try:
    refused = connections["pooled"].is_pool
except ImproperlyConfigured as error:
    refused = str(error)
print(json.dumps({"opened": str(opened), "called": called, "pool": default.is_pool, "refused": refused,
                  "test_user": default.creation._maindb_connection.settings_dict["USER"]}))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    pytest.importorskip("django")
    pytest.importorskip("oracledb")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_connection_survives_a_rotation(found: dict[str, object]) -> None:
    calls: list[dict[str, str]] = found["called"]  # type: ignore[assignment]
    assert [(call["user"], call["password"]) for call in calls] == [("app", "p1"), ("app", "p2")]
    assert {call["dsn"] for call in calls} == {calls[0]["dsn"]}
    assert "HOST=db" in calls[0]["dsn"]
    assert "orders" in calls[0]["dsn"]
    assert found["opened"] == "connection"


def test_a_pool_would_keep_one_password_and_is_refused(found: dict[str, object]) -> None:
    assert found["pool"] is False
    assert str(found["refused"]).startswith(
        "DATABASES['pooled']: OPTIONS[\"pool\"] of Oracle keeps one password for good"
    )


def test_the_connection_that_makes_test_users_logs_in_by_the_secret(found: dict[str, object]) -> None:
    assert found["test_user"] == "app"
