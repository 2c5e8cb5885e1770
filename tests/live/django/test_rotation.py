"""Rotations of each strategy under concurrent use: no request fails, in no window."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from tests.live.crowd import use_in_tasks, use_in_threads

from .conftest import CredentialsOf, Database, MakeApplication

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "postgres": ("postgres", {}),
    "pool": ("postgres", {"OPTIONS": {"pool": {"min_size": 1, "max_size": 4, "max_lifetime": 0.05}}}),
    "mariadb": ("mariadb", {}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_request_fails(
    variant: str, make_application: MakeApplication, database: Database, credentials_of: CredentialsOf
) -> None:
    kind, given = VARIANTS[variant]
    app = make_application(kind)
    credentials = credentials_of(app)
    alias = database(kind, credentials, migrate=True, **given).alias
    connections[alias].close()

    def request() -> None:
        try:
            client = Client()
            assert client.get("/place", {"db": alias}).json()["lines"] == 2
            connections[alias].close()  # as at the end of a request, with CONN_MAX_AGE 0
            assert client.get("/count", {"db": alias}).json()["orders"] > 0
        finally:
            connections[alias].close()

    assert use_in_threads(app, request) > 0
    assert credentials.stats().recovered > 0, "no login was ever rejected, so nothing was shown"


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
async def test_no_request_to_the_async_orm_fails(
    kind: str, make_application: MakeApplication, database: Database, credentials_of: CredentialsOf
) -> None:
    app = make_application(kind)
    credentials = credentials_of(app)
    alias = (await sync_to_async(database)(kind, credentials, migrate=True)).alias

    def close() -> None:
        connections[alias].close()  # that of the thread this runs in

    async def request() -> None:
        answer = await AsyncClient().get("/acount", {"db": alias})
        assert answer.json() == {"orders": 0}
        await sync_to_async(close)()

    assert await use_in_tasks(app, request) > 0
    assert credentials.stats().recovered > 0, "no login was ever rejected, so nothing was shown"


def test_a_rotation_leaves_the_transactions_of_other_aliases_alone(
    make_application: MakeApplication, database: Database, credentials_of: CredentialsOf
) -> None:
    kinds = ("postgres", "postgres", "mariadb")
    apps = [make_application(kind) for kind in kinds]
    rotated, *others = (
        database(kind, {"credentials": credentials_of(app), "on_rotation": "drain"}, CONN_MAX_AGE=None)
        for kind, app in zip(kinds, apps, strict=True)
    )
    for connection in others:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (1, 'pen')")
    apps[0].rotator().rotate()
    rotated.close()
    with rotated.cursor() as cursor:
        cursor.execute("SELECT 1")
    for connection in others:
        with connection.cursor() as cursor:
            cursor.execute("SELECT item FROM orders")
            assert list(cursor.fetchall()) == [("pen",)]
        connection.commit()
        connection.set_autocommit(True)
