"""Django's own pool: its new connections use the login valid then, and "drain" replaces its idle ones."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.utils import OperationalError

from secretconn.testing import Application, PostgresServer

from .conftest import CredentialsOf, Database


def user_of(connection: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        return str(cursor.fetchone()[0])


def in_another_thread(alias: str) -> str:
    """Who a request in another thread is to the database."""
    answer: list[Any] = []

    def request() -> None:
        try:
            answer.append(user_of(connections[alias]))
        except Exception as error:  # noqa: BLE001 - raised again where the test sees it
            answer.append(error)
        finally:
            connections[alias].close()

    thread = threading.Thread(target=request)
    thread.start()
    thread.join()
    if isinstance(answer[0], Exception):
        raise answer[0]
    return str(answer[0])


def pool_options(size: int = 2) -> dict[str, Any]:
    return {"pool": {"min_size": 0, "max_size": size, "timeout": 20.0}}


def test_a_new_connection_uses_the_new_login_at_once(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(postgres_app)
    held = database("postgres", credentials, OPTIONS=pool_options())
    first = user_of(held)
    postgres_app.rotator("alternating-users").rotate()
    credentials.refresh()
    assert in_another_thread(held.alias) == f"{first}_clone"
    assert user_of(held) == first


def test_a_rejected_login_is_replaced_inside_the_pool(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(postgres_app)
    held = database("postgres", credentials, OPTIONS=pool_options())
    user_of(held)
    postgres_app.rotator().rotate()
    assert in_another_thread(held.alias) == postgres_app.username
    assert credentials.stats().recovered == 1


def test_the_pool_holds_no_password(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    connection = database("postgres", credentials_of(postgres_app), OPTIONS=pool_options())
    assert user_of(connection) == postgres_app.username
    assert not {"user", "password", "host", "port", "dbname"} & set(connection.pool.kwargs)


@pytest.mark.parametrize(("on_rotation", "suffix"), [("drain", "_clone"), ("keep", "")])
def test_what_happens_to_idle_connections(
    on_rotation: str, suffix: str, postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(postgres_app)
    secret = {"credentials": credentials, "on_rotation": on_rotation}
    connection = database("postgres", secret, OPTIONS={"pool": {"min_size": 1, "max_size": 1, "timeout": 20.0}})
    assert user_of(connection) == postgres_app.username
    connection.close()  # idle from here on
    postgres_app.rotator("alternating-users").rotate()
    credentials.refresh()
    assert user_of(connection) == postgres_app.username + suffix


def test_drain_lets_a_connection_in_use_finish(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(postgres_app)
    secret = {"credentials": credentials, "on_rotation": "drain"}
    connection = database("postgres", secret, OPTIONS=pool_options(1))
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (1, 'pen')")
    postgres_app.rotator("alternating-users").rotate()
    credentials.refresh()
    assert user_of(connection) == postgres_app.username
    connection.commit()
    connection.set_autocommit(True)
    connection.close()
    assert user_of(connection) == f"{postgres_app.username}_clone"


def test_settings_of_the_pool_and_of_the_connection_stay(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    options = {**pool_options(), "isolation_level": 4, "application_name": "shop"}
    connection = database("postgres", credentials_of(postgres_app), OPTIONS=options, CONN_HEALTH_CHECKS=True)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name'), current_setting('transaction_isolation')")
        assert cursor.fetchone() == ("shop", "serializable")
    assert connection.pool.max_size == 2


def test_a_pool_and_persistent_connections_are_refused_as_by_django(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    connection = database("postgres", credentials_of(postgres_app), OPTIONS=pool_options(), CONN_MAX_AGE=5)
    with pytest.raises(ImproperlyConfigured, match="persistent connections"):
        connection.ensure_connection()


def test_a_pool_that_waits_in_vain_is_djangos_error(
    postgres: PostgresServer, postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    postgres.admin().set_password(type(postgres_app.login())(postgres_app.username, "other than the secret's"))
    options = {"pool": {"min_size": 0, "max_size": 1, "timeout": 0.2}}
    connection = database("postgres", credentials_of(postgres_app), OPTIONS=options)
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert type(caught.value.__cause__).__name__ == "PoolTimeout"
