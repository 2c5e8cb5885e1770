"""connect, aconnect and wrap: what they accept, what they refuse before any login, what they hand to the driver."""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
from dataclasses import replace
from typing import Any

import pytest

import secretconn
from secretconn import ConfigurationError, RotatingCredentials, Runtime, Verdict
from secretconn._core.connector import Connector
from secretconn.engines.base import NOTHING_GIVEN, Driver
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import DRIVER, Bed, Broken, Refused, login


def refused_before_any_login(bed: Bed) -> None:
    assert bed.server.sent == []


@pytest.mark.parametrize("argument", ["user", "password"])
def test_user_and_password_are_refused_and_the_reason_is_told(argument: str) -> None:
    bed = Bed()
    with pytest.raises(TypeError, match="come from secret 's'"):
        bed.connect(**{argument: "mine"})
    with pytest.raises(TypeError, match="come from secret 's'"):
        asyncio.run(bed.aconnect(**{argument: "mine"}))
    refused_before_any_login(bed)
    assert bed.source.reads == 0


def test_what_the_caller_passes_wins_and_the_rest_comes_from_the_secret() -> None:
    bed = Bed()
    bed.source.put("v1", login("p1", port=7, dbname="orders"), "AWSCURRENT")
    bed.connect()
    bed.connect(host="mine", port=9, database="other", timeout=3)
    assert bed.server.arguments == [
        {"host": "db", "port": 7, "database": "orders"},
        {"host": "mine", "port": 9, "database": "other", "timeout": 3},
    ]


def test_none_means_not_given() -> None:
    bed = Bed()
    bed.connect(host=None, port=0, database="")
    assert bed.server.arguments == [{"host": "db", "port": 5432, "database": "postgres"}]


def test_a_partial_s_own_arguments_count_as_given() -> None:
    bed = Bed()
    half = functools.partial(functools.partial(bed.server.connect, host="mine"), port=1)
    secretconn.wrap(half, bed.rotating, driver=DRIVER)(database="d")
    assert bed.server.arguments == [{"host": "mine", "port": 1, "database": "d"}]
    with pytest.raises(TypeError):
        secretconn.wrap(functools.partial(half, user="u"), bed.rotating, driver=DRIVER)()


def test_a_secret_without_host_needs_one_from_the_caller() -> None:
    bed = Bed()
    bed.source.put("v1", {"username": "app", "password": "p1"}, "AWSCURRENT")
    with pytest.raises(ConfigurationError, match="pass host="):
        bed.connect()
    refused_before_any_login(bed)
    assert bed.connect(host="mine") == "connection as app"


def test_a_secret_of_another_engine_is_refused_before_any_login() -> None:
    bed = Bed()
    bed.source.put("v1", login("p1", engine="mysql"), "AWSCURRENT")
    with pytest.raises(ConfigurationError, match="speaks postgresql"):
        bed.connect()
    refused_before_any_login(bed)


@pytest.mark.parametrize("engine", ["aurora-postgresql", "somethingdb"])
def test_a_fitting_or_unknown_engine_is_left_to_the_driver_that_was_chosen(engine: str) -> None:
    bed = Bed()
    bed.source.put("v1", login("p1", engine=engine), "AWSCURRENT")
    assert bed.connect() == "connection as app"


def test_engine_can_be_set_where_the_secret_is_wrong() -> None:
    bed = Bed(engine="postgresql")
    bed.source.put("v1", login("p1", engine="mysql"), "AWSCURRENT")
    assert bed.connect() == "connection as app"


@pytest.mark.parametrize("wrong", ["no-such-driver", types.ModuleType("nothing"), print])
def test_an_unknown_driver_lists_what_is_known(wrong: Any) -> None:
    bed = Bed()
    with pytest.raises(ConfigurationError, match="psycopg"):
        secretconn.connect(bed.rotating, driver=wrong)
    with pytest.raises(ConfigurationError, match="pip install"):
        asyncio.run(secretconn.aconnect(bed.rotating, driver=wrong))


def test_wrap_of_an_unknown_callable_needs_the_driver_named() -> None:
    with pytest.raises(ConfigurationError, match="psycopg"):
        secretconn.wrap(print, Bed().rotating)


def test_an_unknown_engine_lists_what_is_known() -> None:
    bed = Bed()
    bed.source.put("v1", login("p1", engine="somethingdb"), "AWSCURRENT")
    with pytest.raises(ConfigurationError, match="mysql"):
        secretconn.connect(bed.rotating)


def test_a_secret_that_names_no_engine_needs_a_driver() -> None:
    bed = Bed()
    with pytest.raises(ConfigurationError, match="pass driver="):
        secretconn.connect(bed.rotating)
    with pytest.raises(ConfigurationError, match="pass driver="):
        asyncio.run(secretconn.aconnect(bed.rotating))


def test_an_async_callable_is_refused_by_connect_and_a_sync_one_by_aconnect() -> None:
    bed = Bed(engine="postgresql")
    psycopg = pytest.importorskip("psycopg")
    with pytest.raises(ConfigurationError, match="aconnect"):
        secretconn.connect(bed.rotating, driver=psycopg.AsyncConnection.connect)
    with pytest.raises(ConfigurationError, match="connect"):
        asyncio.run(secretconn.aconnect(bed.rotating, driver=psycopg.connect))


def test_reach_beside_a_rotating_credentials_contradicts_it() -> None:
    with pytest.raises(ConfigurationError, match="region="):
        secretconn.connect(Bed().rotating, region="us-east-1")
    with pytest.raises(ConfigurationError, match="client="):
        secretconn.wrap(print, Bed().rotating, client=object())


@pytest.mark.parametrize("setting", [{"retries": -1}, {"patience": "x"}])
def test_settings_of_one_connect_are_checked_too(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        secretconn.wrap(print, Bed().rotating, driver=DRIVER, **setting)  # type: ignore[arg-type]


def test_settings_of_one_connect_win() -> None:
    bed = Bed(retries=1)
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    with pytest.raises(Refused):
        secretconn.wrap(bed.server.connect, bed.rotating, driver=DRIVER, retries=0)()
    patient = Bed()
    patient.rotating.current()
    patient.server.accepted = set()
    with pytest.raises(Refused):
        secretconn.wrap(patient.server.connect, patient.rotating, driver=DRIVER, patience=1.0)()
    assert sum(patient.time.slept) == pytest.approx(1.0)


# -- classify= -------------------------------------------------------------------------------------------------------


def test_classify_has_the_first_word() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted, bed.server.kind = {("app", "p2")}, Broken
    own = {"classify": lambda error: Verdict.REJECTED if isinstance(error, Broken) else None}
    assert secretconn.wrap(bed.server.connect, bed.rotating, driver=DRIVER, **own)() == "connection as app"


def test_classify_none_means_the_driver_s_own_table() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    wrapped = secretconn.wrap(bed.server.connect, bed.rotating, driver=DRIVER, classify=lambda _: None)
    assert wrapped() == "connection as app"


def test_what_the_caller_handles_is_left_out_of_the_judgement_and_put_back() -> None:
    inner, outer, error = ValueError(), KeyError(), Refused()
    inner.__context__, error.__context__ = outer, inner
    seen: list[BaseException | None] = []
    connector = Connector(Bed().rotating, lambda: None, DRIVER, classify=lambda _: seen.append(inner.__context__))
    for handled in (outer, None, TypeError()):
        connector.judge(error, handled)
        assert (error.__context__, inner.__context__) == (inner, outer)
    assert seen == [None, outer, outer]


def test_a_port_that_is_the_engine_s_own_is_the_secret_s_own_address() -> None:
    bed = Bed()
    bed.server.accepted = set()
    with pytest.raises(Refused):
        bed.connect(port=5432)
    assert bed.core.state.own.state is not None


def test_the_driver_s_own_variables_are_those_of_the_runtime() -> None:
    source = MemorySource({"username": "app", "password": "p1"})
    runtime = Runtime(environ={"FAKEHOST": "db"}, spawn=lambda work: work())
    rotating = RotatingCredentials("s", source=source, runtime=runtime)
    looks = replace(DRIVER, variables={"host": ("FAKEHOST",)})
    keywords = Connector(rotating, lambda: None, looks).keywords(NOTHING_GIVEN, rotating.current())
    assert keywords == {"user": "app", "password": "p1", "port": 5432, "database": "postgres"}


@pytest.mark.parametrize("classify", [lambda _: 1 / 0, lambda _: "yes"], ids=["raises", "answers nonsense"])
def test_a_classify_that_fails_is_logged_and_the_driver_s_exception_escapes(
    classify: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bed = Bed()
    bed.rotating.current()
    bed.server.accepted = set()
    with pytest.raises(Refused):
        secretconn.wrap(bed.server.connect, bed.rotating, driver=DRIVER, classify=classify)()
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert record.getMessage() == "secretconn: classify= failed on Refused, which is passed on"
    assert record.exc_info
    assert bed.source.api_calls == 1


def test_what_the_caller_was_handling_does_not_count() -> None:
    """A connect inside ``except`` has the caller's own failure as context, which says nothing about this login."""
    bed = Bed()
    bed.rotating.current()
    bed.server.accepted, bed.server.kind = set(), Broken
    outer = Refused("the caller's own")
    deep = Driver("deep", "postgresql", "m", "x", DRIVER.keywords, DRIVER.given, _deep)
    try:
        raise outer
    except Refused:
        with pytest.raises(Broken) as caught:
            secretconn.wrap(bed.server.connect, bed.rotating, driver=deep)()
    assert caught.value.__context__ is outer  # put back
    assert bed.source.api_calls == 1


def _deep(error: BaseException) -> Verdict:
    while error.__context__ is not None:
        error = error.__context__
    return DRIVER.classify(error)


# -- wrap ------------------------------------------------------------------------------------------------------------


def sync_connect(dsn: str = "", *, user: str, password: str, host: str, port: int = 0, database: str = "") -> str:
    """The docstring."""
    return f"{dsn}{user}@{host}:{port}/{database}"


async def async_connect(
    dsn: str = "", *, user: str, password: str, host: str, port: int = 0, database: str = ""
) -> str:
    return f"{dsn}{user}@{host}:{port}/{database}"


def test_wrap_keeps_name_docstring_and_signature() -> None:
    wrapped = secretconn.wrap(sync_connect, Bed().rotating, driver=DRIVER)
    assert wrapped.__name__ == "sync_connect"
    assert wrapped.__doc__ == "The docstring."
    assert inspect.signature(wrapped) == inspect.signature(sync_connect)
    assert wrapped("x") == "xapp@db:5432/postgres"
    assert not inspect.iscoroutinefunction(wrapped)


async def test_wrap_of_a_coroutine_function_is_one() -> None:
    wrapped = secretconn.wrap(async_connect, Bed().rotating, driver=DRIVER)
    assert inspect.iscoroutinefunction(wrapped)
    assert await wrapped("x") == "xapp@db:5432/postgres"
    half = secretconn.wrap(functools.partial(async_connect, "y"), Bed().rotating, driver=DRIVER)
    assert inspect.iscoroutinefunction(half)
    assert await half() == "yapp@db:5432/postgres"


def test_wrap_of_a_class() -> None:
    class Connection:
        """A connection."""

        def __init__(self, **arguments: Any) -> None:
            self.arguments = arguments

    wrapped = secretconn.wrap(Connection, Bed().rotating, driver=DRIVER)
    assert isinstance(wrapped(), Connection)
    assert wrapped.__doc__ == "A connection."


def test_connectors_are_kept_but_not_without_end() -> None:
    bed = Bed(engine="postgresql")
    bed.rotating.current()
    for number in range(200):
        with pytest.raises(ConfigurationError):
            secretconn.connect(bed.rotating, driver=f"none-{number}")
    psycopg = pytest.importorskip("psycopg")
    for number in range(200):
        with pytest.raises(psycopg.OperationalError):
            secretconn.connect(bed.rotating, driver="psycopg", patience=float(number), host="127.0.0.1", port=1)
    assert len(bed.rotating._connectors) <= 64


def test_a_secret_given_by_name_is_read_where_it_says() -> None:
    source = MemorySource(login("p1"))
    rotating = RotatingCredentials("s", source=source)
    assert secretconn.wrap(sync_connect, rotating, driver=DRIVER)() == "app@db:5432/postgres"
