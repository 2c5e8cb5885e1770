"""PostgreSQL: SQLSTATE where there is one, text and libpq's snapshot where there is none, and what arguments say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from secretconn.engines import NOTHING_GIVEN, Given, Verdict, driver_named, engine_named, load
from secretconn.engines.postgresql import classify

REJECTED, SUSPECT, BARRED, OTHER = Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER

PROXY_WRONG = "The password that was provided for the role app is wrong"
PROXY_UNKNOWN = "This RDS proxy has no credentials for the role app. Check the credentials for this role and try again."

STATES = [
    ("28P01", 'password authentication failed for user "app"', REJECTED),
    ("28P01", "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen", REJECTED),
    ("28000", 'PAM authentication failed for user "app"', REJECTED),
    ("28000", 'LDAP authentication failed for user "app"', REJECTED),
    ("28000", 'RADIUS authentication failed for user "app"', REJECTED),
    ("28000", PROXY_WRONG, REJECTED),
    ("28000", PROXY_UNKNOWN, BARRED),
    ("28000", 'role "app" is not permitted to log in', BARRED),
    ("28000", "Rolle »app« hat keine Berechtigung zum Einloggen", SUSPECT),
    ("28000", 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "d", SSL encryption', BARRED),
    # perhaps for want of TLS, perhaps (asyncpg before 0.32) after an attempt with TLS that was refused for its password
    ("28000", 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "d", no encryption', SUSPECT),
    ("28000", 'pg_hba.conf rejects connection for host "10.0.0.1", user "app", database "d", SSL off', SUSPECT),
    ("08P01", "SASL authentication failed", REJECTED),
    ("08P01", "password authentication failed", REJECTED),
    ("08P01", "no such database: d", OTHER),
    ("3D000", 'database "d" does not exist', OTHER),
    ("42501", 'permission denied for database "d"', BARRED),
    ("42501", "keine Berechtigung für Datenbank d", BARRED),
    ("28P01", "timeout expired", REJECTED),
    ("08P01", "what no table knows", SUSPECT),
    ("28999", "what no table knows", SUSPECT),
    ("99999", "no such user", SUSPECT),
    ("53300", "sorry, too many clients already", OTHER),
    ("57P03", "the database system is starting up", OTHER),
    ("08003", "connection was closed in the middle of operation", OTHER),
]


@pytest.mark.parametrize(("state", "text", "verdict"), STATES)
def test_sqlstate_of_asyncpg(state: str, text: str, verdict: Verdict) -> None:
    exceptions = pytest.importorskip("asyncpg.exceptions")
    error = exceptions.PostgresError.new({"S": "FATAL", "C": state, "M": text})
    assert error.sqlstate == state
    assert classify(error) is verdict


@pytest.mark.parametrize(("state", "text", "verdict"), STATES)
def test_sqlstate_of_pg8000(state: str, text: str, verdict: Verdict) -> None:
    error = pytest.importorskip("pg8000").DatabaseError({"S": "FATAL", "V": "FATAL", "C": state, "M": text})
    assert classify(error) is verdict


def test_asyncpg_keeps_the_first_refusal_as_the_cause_of_the_second() -> None:
    exceptions = pytest.importorskip("asyncpg.exceptions")
    error = exceptions.PostgresError.new({"S": "FATAL", "C": "28000", "M": "no pg_hba.conf entry for host ..."})
    error.__cause__ = exceptions.PostgresError.new({"S": "FATAL", "C": "28P01", "M": "x"})
    assert classify(error) is REJECTED


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "refused"), OSError("dns"), TimeoutError()])
def test_raw_system_errors_of_asyncpg(error: BaseException) -> None:
    assert classify(error) is OTHER
    exceptions = pytest.importorskip("asyncpg.exceptions")
    error.__context__ = exceptions.InvalidPasswordError("the caller's earlier one")
    assert classify(error) is OTHER


def test_pg8000_wraps_a_system_error() -> None:
    pg8000 = pytest.importorskip("pg8000.dbapi")
    with pytest.raises(pg8000.InterfaceError) as caught:
        pg8000.connect("u", host="127.0.0.1", port=1, password="p", timeout=5)
    assert classify(caught.value) is OTHER


AT = 'connection to server at "10.0.0.1", port 5432 failed: '
WRONG = AT + 'FATAL:  password authentication failed for user "app"\n'
GERMAN = AT + "FATAL:  Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen\n"
RUSSIAN = AT + "ВАЖНО:  пользователь «app» не прошёл проверку подлинности (по паролю)\n"
HBA = AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "app", database "d", no encryption\n'
HBA_TLS = HBA.replace("no encryption", "SSL encryption")
GERMAN_HBA = AT + "FATAL:  kein pg_hba.conf-Eintrag für Host »10.0.0.2«, Benutzer »app«, Datenbank »d«\n"
REFUSED = AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n"
GERMAN_REFUSED = AT + "Verbindungsaufbau abgelehnt\n"
NO_DATABASE = AT + 'FATAL:  database "d" does not exist\n'


def several(*errors: str) -> str:
    """As psycopg lists the attempts when there was more than one."""
    lines = [f"- host: 'h{n}', port: '5432', hostaddr: '10.0.0.{n}': {error}" for n, error in enumerate(errors)]
    return "\n".join([errors[-1], "Multiple connection attempts failed. All failures were:", *lines])


def failed(text: str) -> str:
    return f"connection failed: {text.rstrip()}"


#                        text, used_password, needs_password, psycopg's verdict, psycopg2's verdict
TEXTS = [
    (WRONG, True, False, REJECTED, REJECTED),
    (WRONG + HBA, False, False, REJECTED, REJECTED),  # sslmode=prefer and a hostssl-only rule
    (WRONG + WRONG, True, False, REJECTED, REJECTED),
    (AT + 'FATAL:  PAM authentication failed for user "app"\n', True, False, REJECTED, REJECTED),
    (AT + "FATAL:  SASL authentication failed\n", True, False, REJECTED, REJECTED),
    (AT + f"FATAL:  {PROXY_WRONG}\n", True, False, REJECTED, REJECTED),
    (AT + f"FATAL:  {PROXY_UNKNOWN}\n", False, False, BARRED, BARRED),
    ('FATAL:  password authentication failed for user "app"\n', True, False, REJECTED, REJECTED),  # libpq 13
    (GERMAN, True, False, SUSPECT, SUSPECT),
    (RUSSIAN, True, False, SUSPECT, SUSPECT),
    (GERMAN + GERMAN_HBA, False, False, SUSPECT, SUSPECT),
    (GERMAN_HBA, False, False, SUSPECT, SUSPECT),
    (AT + 'FATAL:  role "app" is not permitted to log in\n', True, False, BARRED, BARRED),
    (HBA, False, False, SUSPECT, SUSPECT),  # sslmode=disable: perhaps only for want of TLS
    (HBA_TLS, False, False, BARRED, BARRED),
    (HBA_TLS + NO_DATABASE, True, False, BARRED, BARRED),
    (HBA_TLS + HBA, False, False, SUSPECT, SUSPECT),
    (GERMAN + HBA, False, False, SUSPECT, SUSPECT),
    (AT + "SCRAM-Authentifizierung: ungültige Antwort\n", True, False, OTHER, OTHER),  # libpq's own word
    (NO_DATABASE, True, False, OTHER, OTHER),
    (NO_DATABASE + NO_DATABASE, True, False, OTHER, OTHER),
    (AT + "FATAL:  no such database: d\n", True, False, OTHER, OTHER),
    (AT + 'FATAL:  permission denied for database "d"\nDETAIL:  User does not have CONNECT privilege.\n', True, False,
     BARRED, BARRED),
    (AT + "FATAL:  sorry, too many clients already\n", True, False, OTHER, OTHER),
    (AT + "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute\n", True, False,
     OTHER, OTHER),
    (AT + "FATAL:  the database system is starting up\n", False, False, OTHER, OTHER),
    (AT + "FATAL:  (ECIRCUITBREAKER) too many authentication errors\n", True, False, OTHER, OTHER),
    (AT + "fe_sendauth: no password supplied\n", True, True, OTHER, OTHER),
    (REFUSED, False, False, OTHER, OTHER),
    (REFUSED + REFUSED, False, False, OTHER, OTHER),
    (GERMAN_REFUSED, False, False, OTHER, OTHER),
    (AT + "server closed the connection unexpectedly\n", True, False, OTHER, OTHER),
    ("", False, False, OTHER, OTHER),
]  # fmt: skip


@pytest.mark.parametrize(("text", "used", "needs", "verdict"), [row[:4] for row in TEXTS])
def test_text_and_snapshot_of_psycopg(text: str, used: bool, needs: bool, verdict: Verdict) -> None:
    psycopg = pytest.importorskip("psycopg")
    snapshot = SimpleNamespace(used_password=used, needs_password=needs)
    assert classify(psycopg.OperationalError(failed(text), pgconn=snapshot)) is verdict


@pytest.mark.parametrize(("text", "verdict"), [(row[0], row[4]) for row in TEXTS])
def test_text_of_psycopg2(text: str, verdict: Verdict) -> None:
    assert classify(pytest.importorskip("psycopg2").OperationalError(text)) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (several(failed(WRONG), failed(REFUSED)), REJECTED),
        (several(failed(GERMAN), failed(REFUSED)), SUSPECT),
        (several(failed(GERMAN), "connection timeout expired"), SUSPECT),
        (several(failed(REFUSED), failed(REFUSED)), OTHER),
        (several(failed(REFUSED), "connection timeout expired"), OTHER),
        (several(failed(NO_DATABASE), failed(HBA_TLS)), BARRED),
        (several(failed(GERMAN_REFUSED), failed(GERMAN_REFUSED)), OTHER),
    ],
)
@pytest.mark.parametrize("snapshot", [None, SimpleNamespace(used_password=False, needs_password=False)])
def test_several_attempts_of_psycopg(text: str, verdict: Verdict, snapshot: object) -> None:
    psycopg = pytest.importorskip("psycopg")
    assert classify(psycopg.OperationalError(text, pgconn=snapshot)) is verdict


def test_psycopg_without_a_snapshot_timed_out_or_did_not_resolve() -> None:
    psycopg = pytest.importorskip("psycopg")
    assert classify(psycopg.errors.ConnectionTimeout("connection timeout expired")) is OTHER
    assert classify(psycopg.OperationalError("failed to resolve host 'x': no")) is OTHER
    assert classify(psycopg.OperationalError("couldn't get a connection after 30.00 sec")) is OTHER


def test_real_refused_connections_of_libpq() -> None:
    for name in ("psycopg", "psycopg2"):
        driver = pytest.importorskip(name)
        for host in ("127.0.0.1", "127.0.0.1,127.0.0.2"):
            with pytest.raises(driver.OperationalError) as caught:
                driver.connect(host=host, port=1, user="u", password="p", dbname="d", connect_timeout=5)
            assert classify(caught.value) is OTHER


def test_wrappers_leave_it_to_what_they_wrap() -> None:
    psycopg = pytest.importorskip("psycopg")

    class Wrapper(Exception):
        pass

    for text, verdict in ((GERMAN, SUSPECT), (HBA_TLS, BARRED), (GERMAN_REFUSED, OTHER)):
        inner = psycopg.OperationalError(failed(text))
        django = Wrapper(*inner.args)
        django.__cause__ = inner
        sqlalchemy = Wrapper(f"(psycopg.OperationalError) {inner}")
        sqlalchemy.orig = inner  # type: ignore[attr-defined]
        assert classify(django) is verdict
        assert classify(sqlalchemy) is verdict


def given(names: str, host: str | None = None, port: str | None = None, database: str | None = None) -> Given:
    return Given(frozenset(names.split()), host, port, database)


EVERY = ["psycopg", "psycopg2", "asyncpg", "pg8000"]
ALL = "user password host port database"
URI = "postgresql://u:s%40@h1:1,h2:2/d"


@pytest.mark.parametrize("name", EVERY)
def test_nothing_given(name: str) -> None:
    read = driver_named(name).given
    assert read((), {}) is NOTHING_GIVEN
    assert read((), {"timeout": 5, "autocommit": True, "passfile": "/p"}) is NOTHING_GIVEN
    assert read((), {"host": None, "password": ""}) is NOTHING_GIVEN
    for canonical, keyword in driver_named(name).keywords.items():
        assert read((), {keyword: "x"}).names == {canonical}


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("psycopg", ("",), {}, NOTHING_GIVEN),
        ("psycopg", ("not a conninfo",), {}, NOTHING_GIVEN),
        ("psycopg", (3,), {}, NOTHING_GIVEN),
        ("psycopg", ("dbname=d connect_timeout=5",), {}, given("database", database="d")),
        ("psycopg", ("dbname=d",), {"dbname": "e", "port": 1}, given("database port", port="1", database="e")),
        ("psycopg", ("dbname=d",), {"dbname": None}, given("database", database="d")),
        ("psycopg", (), {"conninfo": URI}, given(ALL, "h1,h2", "1,2", "d")),
        ("psycopg", (), {"hostaddr": "10.0.0.1"}, given("host", "10.0.0.1")),
        ("psycopg", (), {"hostaddr": "10.0.0.1", "host": "h"}, given("host", "h")),
        ("psycopg", (), {"service": "orders"}, given("host port database", "orders")),
        ("psycopg", ("service=orders port=1",), {}, given("host port database", "orders", "1")),
        ("psycopg", ("service=orders",), {"host": "h"}, given("host port database", "h")),
        ("psycopg", ("passfile=/p",), {}, NOTHING_GIVEN),
        ("psycopg", ("postgresql:///d?host=/sock",), {}, given("host database", "/sock", database="d")),
        ("psycopg", ("postgresql://u:s3/cr@h/d",), {}, given("host port database")),
        ("psycopg2", ("user=u password=s",), {}, given("user password")),
        ("psycopg2", (), {"dsn": "host=h"}, given("host", "h")),
        ("psycopg2", (), {"database": "d"}, given("database", database="d")),
        ("psycopg2", (), {"dbname": "d"}, given("database", database="d")),
        ("asyncpg", (URI,), {}, given(ALL, "h1,h2", "1,2", "d")),
        ("asyncpg", (), {"dsn": "postgres://h/", "port": 5}, given("host port", "h", "5")),
        ("asyncpg", (), {"host": ["a", "b"], "port": [1, 2]}, given("host port", "a,b", "1,2")),
        ("asyncpg", (), {"host": Path("/sock")}, given("host", "/sock")),
        ("asyncpg", (), {"password": lambda: "s"}, given("password")),
        ("asyncpg", ("postgres://?database=d",), {}, given("database", database="d")),
        ("asyncpg", (), {"service": "orders"}, given("host port database", "orders")),
        ("asyncpg", (), {"servicefile": "/s"}, given("host port database", "/s")),
        ("pg8000", ("u", "h", "d", 1, "s"), {}, given(ALL, "h", "1", "d")),
        ("pg8000", (), {"unix_sock": "/sock"}, given("host", "/sock")),
    ],
)  # fmt: skip
def test_given(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Given) -> None:
    assert driver_named(name).given(args, kwargs) == expected


def test_the_engine() -> None:
    engine = engine_named("aurora-postgresql")
    assert engine is engine_named("postgres") is engine_named("postgresql")
    assert (engine.default_port, engine.default_database) == (5432, "postgres")


VALUES = {"user": "u", "password": "p", "host": "127.0.0.1", "port": 1, "database": "d"}


@pytest.mark.parametrize("name", ["psycopg", "psycopg2", "pg8000"])
def test_the_keywords_are_the_drivers_own(name: str) -> None:
    driver = driver_named(name)
    pytest.importorskip(driver.module)
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        load(driver, for_async=False)(**{driver.keywords[key]: value for key, value in VALUES.items()})
    assert driver.classify(caught.value) is OTHER


@pytest.mark.parametrize("name", ["psycopg", "asyncpg"])
async def test_the_async_drivers_keywords_are_their_own(name: str) -> None:
    driver = driver_named(name)
    pytest.importorskip(driver.module)
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        await load(driver, for_async=True)(**{driver.keywords[key]: value for key, value in VALUES.items()})
    assert driver.classify(caught.value) is OTHER
