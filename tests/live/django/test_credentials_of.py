"""secretconn.django.credentials_of: what the connections of an alias log in with, to look at."""

from __future__ import annotations

import pytest
from django.db import connections

from secretconn import ConfigurationError, Event, Rotated, RotatingCredentials, shared
from secretconn.django import credentials_of as logins_of
from secretconn.testing import Application

from .conftest import CredentialsOf, Database


def test_it_is_the_very_object_that_connections_log_in_with(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    given = credentials_of(postgres_app)
    connection = database("postgres", given)
    assert logins_of(connection.alias) is given
    assert given.stats().reads == 0, "asking for it reads no secret"

    seen: list[Event] = []
    logins_of(connection.alias).subscribe(seen.append)
    connection.ensure_connection()
    connection.close()
    last = postgres_app.rotator().rotate()
    connection.ensure_connection()
    assert logins_of(connection.alias).stats().connects == 2
    assert [event.version_id for event in seen if isinstance(event, Rotated)] == [last.version_id]


def test_a_secret_by_name_is_the_one_the_process_shares(database: Database) -> None:
    assert logins_of(database("postgres", "prod/orders").alias) is shared("prod/orders")


def test_an_alias_of_another_backend_has_none() -> None:
    connections.settings["stock"] = connections.configure_settings(
        {"default": {}, "stock": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    )["stock"]
    try:
        with pytest.raises(ConfigurationError, match=r"DATABASES\['stock'\] has no secret.*sqlite3"):
            logins_of("stock")
    finally:
        del connections["stock"], connections.settings["stock"]


def test_it_holds_no_password_to_print(postgres_app: Application, credentials_of: CredentialsOf) -> None:
    given: RotatingCredentials = credentials_of(postgres_app)
    password = given.current().password
    assert password not in repr(given) + repr(given.current()) + repr(given.stats())
