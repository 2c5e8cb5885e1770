"""What real secrets hold, on real servers: oddities that other clients take, values that would end up somewhere else,
and the driver's own answers for what the secret leaves out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secretconn import RotatingCredentials, SecretFormatError
from secretconn.testing import Application, LocalSecretsManager, Login
from tests.live.drivers.table import DRIVERS, DriverCase, Spy, content, named

MakeCredentials = Callable[..., RotatingCredentials]

ODD: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "port with blanks": lambda aws: {"port": f" {aws['port']} "},
    "port as a float": lambda aws: {"port": float(aws["port"])},
    "host with blanks": lambda aws: {"host": f" {aws['host']}\n"},
    "ssl True": lambda _: {"ssl": "True"},
    "ssl empty": lambda _: {"ssl": ""},
    "ssl unknown": lambda _: {"ssl": "require"},
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("case", named("psycopg", "asyncpg", "pymysql", "mysql-connector-pure"), ids=repr)
async def test_an_odd_value_logs_in(
    case: DriverCase, app: Application, odd: str, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    aws = content(app, app.login().password)
    secrets_manager.put(app.secret_id, aws | ODD[odd](aws))
    async with case.opened(credentials_of(app)) as connection:
        assert await case.ask(connection, "SELECT 1") == 1


@pytest.mark.parametrize("case", named("psycopg", "pymysql"), ids=repr)
async def test_a_byte_order_mark_before_the_json_logs_in(
    case: DriverCase, app: Application, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    secrets_manager.put(app.secret_id, "\ufeff" + json.dumps(content(app, app.login().password)))
    async with case.opened(credentials_of(app)) as connection:
        assert await case.ask(connection, "SELECT 1") == 1


@pytest.mark.parametrize("key", ["port", "host", "dbname"])
async def test_a_value_that_nobody_needs_is_not_judged(
    case: DriverCase, app: Application, key: str, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    secrets_manager.put(app.secret_id, content(app, app.login().password) | {key: {"not": "a value"}})
    credentials, spy = credentials_of(app), Spy(case)
    with pytest.raises(SecretFormatError, match=f"'{key}'"):
        async with spy.opened(credentials):
            pass
    assert spy.sent == []
    async with case.opened(credentials, **case.place(app)) as connection:
        assert await case.ask(connection, "SELECT 1") == 1


INJECTED = {
    "username": "{username}\0database\0postgres\0",
    "password": "{password}\0host=no-such-host.invalid",
    "host": "{host}\0.example",
    "dbname": "{dbname}\0user\0postgres\0",
}


@pytest.mark.parametrize("key", INJECTED)
async def test_nothing_is_sent_where_a_nul_would_end_a_value(
    case: DriverCase, app: Application, key: str, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    aws = content(app, app.login().password)
    secrets_manager.put(app.secret_id, aws | {key: INJECTED[key].format(**aws)})
    spy = Spy(case)
    with pytest.raises(SecretFormatError, match="has a NUL character"):
        async with spy.opened(credentials_of(app)):
            pass
    assert spy.sent == []


PASSWORDS = [
    "quotes ' \" ` \\ separators ; & = ? # / @ :",
    "braces {x} } ;} { percent %41 %00 %s %(x)s $1 ${x}",
    " blanks \t around, lines\r\nhere ",
    "long" * 60,
    "umlaut äöü",
    "euro € 日本 \U0001f511 no break\u00a0space\u00ad and \u200b",
    "control\x01\x1f\x7f",
]


@pytest.mark.parametrize("password", PASSWORDS, ids=[text.split()[0][:10] for text in PASSWORDS])
async def test_nothing_is_refused_that_the_plain_driver_opens(
    case: DriverCase, app: Application, password: str, secrets_manager: LocalSecretsManager, client: Any
) -> None:
    login = Login(f"odd_{uuid.uuid4().hex[:8]}", password)
    app.server.admin().create_user(login, like=app.username)
    place = {"user": login.username, "password": password, **case.place(app)}
    plain = await outcome(case, case.opened_by(case.own_connect, **place))
    secret_id = secrets_manager.create_secret(
        f"test/{login.username}", content(app, password) | {"username": login.username}
    )
    ours = await outcome(case, case.opened(RotatingCredentials(secret_id, client=client)))
    assert ours in (plain, login.username)  # PyMySQL and its kin alone do not send UTF-8


NAMES = ["o'r\"d`e\\r;=d&e?r#s@:/", "o%41%s{x}$1", " odäöü日本 "]


@pytest.mark.parametrize("name", NAMES, ids=["signs", "percent", "umlauts and blanks"])
@pytest.mark.parametrize("part", ["username", "dbname"])
async def test_nor_of_users_and_databases(
    case: DriverCase, app: Application, part: str, name: str, secrets_manager: LocalSecretsManager, client: Any
) -> None:
    odd, admin, password = f"{name}{uuid.uuid4().hex[:8]}", app.server.admin(), app.login().password
    if part == "username":
        admin.create_user(Login(odd, password), like=app.username)
    else:
        sign = '"' if case.server == "postgres" else "`"
        quoted = f"{sign}{odd.replace(sign, 2 * sign)}{sign}"
        admin.run(f"CREATE DATABASE {quoted}")
        if case.server != "postgres":
            admin.run(f"GRANT ALL ON {quoted}.* TO {app.username}")
    aws = content(app, password) | {part: odd}
    place = {"user": aws["username"], "password": password, **case.place(app, database=aws["dbname"])}
    plain = await outcome(case, case.opened_by(case.own_connect, **place), part)
    secret_id = secrets_manager.create_secret(f"test/{uuid.uuid4()}", aws)
    ours = await outcome(case, case.opened(RotatingCredentials(secret_id, client=client)), part)
    assert ours in (plain, odd)


async def outcome(case: DriverCase, opening: Any, part: str = "username") -> str:
    """Who is logged in, or which database is open; the driver's error where it refuses."""
    database = "SELECT current_database()" if case.server == "postgres" else "SELECT database()"
    try:
        async with opening as connection:
            return str(await (case.user(connection) if part == "username" else case.ask(connection, database)))
    except Exception as error:  # noqa: BLE001  (whatever it is, the two must be alike)
        return type(error).__name__


LIBPQ = named("psycopg", "psycopg-async", "psycopg2", "asyncpg")


@pytest.mark.parametrize("case", LIBPQ, ids=repr)
async def test_postgresql_s_variables_answer_what_the_secret_leaves_out(
    case: DriverCase,
    app: Application,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets_manager.put(app.secret_id, {"username": app.username, "password": app.login().password})
    for name, value in {"HOST": app.server.host, "PORT": app.server.port, "DATABASE": app.database}.items():
        monkeypatch.setenv(f"PG{name}", str(value))
    async with case.opened(credentials_of(app)) as connection:
        assert await case.ask(connection, "SELECT current_database()") == app.database


@pytest.mark.parametrize("case", named("psycopg", "psycopg2"), ids=repr)
async def test_so_does_a_service_file(
    case: DriverCase,
    app: Application,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    secrets_manager.put(app.secret_id, {"username": app.username, "password": app.login().password})
    service = f"[orders]\nhost={app.server.host}\nport={app.server.port}\ndbname={app.database}\n"
    (tmp_path / "services").write_text(service)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "orders")
    async with case.opened(credentials_of(app)) as connection:
        assert await case.ask(connection, "SELECT current_database()") == app.database


OPTION_FILES = {"mariadb": "default_file"}


@pytest.mark.parametrize("case", [case for case in DRIVERS if case.server == "mariadb"], ids=repr)
async def test_so_does_an_option_file(
    case: DriverCase,
    app: Application,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
    tmp_path: Path,
) -> None:
    secrets_manager.put(app.secret_id, {"username": app.username, "password": app.login().password})
    file = tmp_path / "my.cnf"
    file.write_text(f"[client]\nhost={app.server.host}\nport={app.server.port}\ndatabase={app.database}\n")
    said = {OPTION_FILES.get(case.id, "read_default_file"): str(file)}
    async with case.opened(credentials_of(app), **said) as connection:
        assert await case.ask(connection, "SELECT database()") == app.database
