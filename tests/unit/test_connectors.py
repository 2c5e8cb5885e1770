"""connect, aconnect, wrap: which secret and driver they choose, that settings arrive, that a choice is kept."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import secretconn
from secretconn import ConfigurationError, Verdict
from secretconn.engines import Driver, is_installed
from tests.unit.fakes import DRIVER, Bed

CLOSED = {"host": "127.0.0.1", "port": 1}


def connect(secret: Any, **arguments: Any) -> Any:
    return secretconn.connect(secret, **arguments)


def aconnect(secret: Any, **arguments: Any) -> Any:
    return asyncio.run(secretconn.aconnect(secret, **arguments))


def wrap(secret: Any, **arguments: Any) -> Any:
    return secretconn.wrap(print, secret, **arguments)


both = pytest.mark.parametrize("call", [connect, aconnect])
all_three = pytest.mark.parametrize("call", [connect, aconnect, wrap])

REACH: dict[str, Any] = {
    "region": "eu-west-1",
    "profile": "mine",
    "endpoint_url": "http://127.0.0.1:1",
    "client": object(),
    "session": object(),
}


@all_three
@pytest.mark.parametrize("keyword", REACH)
def test_what_says_how_a_secret_is_reached_contradicts_a_rotating_credentials(
    call: Callable[..., Any], keyword: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"decides about {keyword}=; leave that out"):
        call(Bed().rotating, **{keyword: REACH[keyword]})


def test_all_that_contradicts_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(Bed().rotating, region="eu-west-1", profile="mine")
    assert str(caught.value) == "the RotatingCredentials already decides about region=, profile=; leave that out"


@all_three
@pytest.mark.parametrize("keyword", REACH)
def test_a_secret_given_by_name_is_reached_as_it_was_said(call: Callable[..., Any], keyword: str) -> None:
    """A file has no use for any of these, so each of them that arrives is refused by its name."""
    with pytest.raises(ConfigurationError, match=f"leave out {keyword}="):
        call("file:///nowhere", **{keyword: REACH[keyword]})


@both
def test_a_driver_named_by_the_caller_is_looked_up_before_the_secret_is_read(call: Callable[..., Any]) -> None:
    bed = Bed()
    with pytest.raises(ConfigurationError, match="nosuch"):
        call(bed.rotating, driver="nosuch")
    assert bed.source.reads == 0


@both
def test_a_connector_is_made_once_for_the_same_arguments(call: Callable[..., Any]) -> None:
    psycopg = pytest.importorskip("psycopg")
    bed = Bed()
    kept = []
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            call(bed.rotating, driver="psycopg", **CLOSED)
        kept += bed.rotating._connectors.values()
    assert len(kept) == 2
    assert kept[0] is kept[1]


def test_connect_and_aconnect_do_not_share_a_connector() -> None:
    psycopg = pytest.importorskip("psycopg")
    bed = Bed()
    for call in (connect, aconnect):
        with pytest.raises(psycopg.OperationalError):
            call(bed.rotating, driver="psycopg", **CLOSED)
    assert len(bed.rotating._connectors) == 2


def test_the_newest_connector_is_kept_where_many_were_made() -> None:
    psycopg = pytest.importorskip("psycopg")
    bed = Bed()
    for number in range(65):
        with pytest.raises(psycopg.OperationalError):
            connect(bed.rotating, driver="psycopg", patience=float(number), **CLOSED)
        assert len(bed.rotating._connectors) == (number % 64) + 1


@both
def test_a_secret_s_engine_chooses_the_first_driver_that_connects_that_way(call: Callable[..., Any]) -> None:
    errors = pytest.importorskip("pymysql.err")
    name = "pymysql" if call is connect else "aiomysql"
    if not is_installed(secretconn.engines.driver_named(name)):
        pytest.skip(f"{name} is not installed")
    bed = Bed(engine="mariadb")
    with pytest.raises(errors.OperationalError):
        call(bed.rotating, **CLOSED)
    assert [connector.driver.name for connector in bed.rotating._connectors.values()] == [name]


@both
def test_classify_of_one_connect_is_asked(call: Callable[..., Any]) -> None:
    psycopg = pytest.importorskip("psycopg")
    heard: list[BaseException] = []

    def classify(error: BaseException) -> Verdict | None:
        heard.append(error)
        return None

    with pytest.raises(psycopg.OperationalError) as caught:
        call(Bed().rotating, driver="psycopg", classify=classify, **CLOSED)
    assert heard == [caught.value]


@both
@pytest.mark.parametrize("setting", [{"retries": -1}, {"patience": -1.0}])
def test_settings_of_one_connect_arrive(call: Callable[..., Any], setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        call(Bed().rotating, driver="psycopg", **setting)


@pytest.mark.parametrize(("call", "driver", "other"), [(connect, "async", "aconnect"), (aconnect, "sync", "connect")])
def test_a_callable_of_the_other_kind_is_refused_and_the_right_call_named(
    call: Callable[..., Any], driver: str, other: str
) -> None:
    psycopg = pytest.importorskip("psycopg")
    given = psycopg.AsyncConnection.connect if driver == "async" else psycopg.connect
    with pytest.raises(ConfigurationError, match=rf"connect is for {other}\(\), not for this$"):
        call(Bed(engine="postgresql").rotating, driver=given)


@both
def test_a_callable_of_the_right_kind_is_called(call: Callable[..., Any]) -> None:
    psycopg = pytest.importorskip("psycopg")
    given = psycopg.connect if call is connect else psycopg.AsyncConnection.connect
    with pytest.raises(psycopg.OperationalError):
        call(Bed().rotating, driver=given, **CLOSED)


@both
def test_a_callable_of_one_s_own_that_wraps_the_driver_s_is_what_is_called(call: Callable[..., Any]) -> None:
    psycopg = pytest.importorskip("psycopg")

    @functools.wraps(psycopg.connect)
    def own(*_args: Any, **arguments: Any) -> str:
        return f"own, as {arguments['user']}"

    @functools.wraps(psycopg.AsyncConnection.connect)
    async def aown(*_args: Any, **arguments: Any) -> str:
        return f"own, as {arguments['user']}"

    assert call(Bed().rotating, driver=own if call is connect else aown) == "own, as app"


def test_wrap_sees_the_driver_from_the_callable() -> None:
    psycopg = pytest.importorskip("psycopg")
    with pytest.raises(psycopg.OperationalError):
        secretconn.wrap(psycopg.connect, Bed().rotating)(**CLOSED)


def test_a_wrapped_function_keeps_its_attributes_and_a_wrapped_class_lends_it_none() -> None:
    def function(**arguments: Any) -> None: ...

    class Class:
        def cursor(self) -> None: ...

    function.apilevel = "2.0"  # type: ignore[attr-defined]
    assert secretconn.wrap(function, Bed().rotating, driver=DRIVER).apilevel == "2.0"  # type: ignore[attr-defined]
    wrapped = secretconn.wrap(Class, Bed().rotating, driver=DRIVER)
    assert wrapped.__name__ == "Class"
    assert not hasattr(wrapped, "cursor")


@pytest.mark.parametrize("argument", [{"user": "mine"}, {"password": "mine"}])
@both
def test_a_login_among_the_arguments_is_refused_and_forgotten(
    call: Callable[..., Any], argument: dict[str, str]
) -> None:
    with pytest.raises(TypeError, match=r"leave them out of the arguments \(and of a DSN\) of psycopg's connect"):
        call(Bed().rotating, driver="psycopg", **argument)


# -- a connect that returns an awaitable, as aiomysql's and asyncmy's do -----------------------------------------------

OPENING = replace(DRIVER, connect=None)


class Connection:
    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.raised = arguments, None

    async def __aenter__(self) -> str:
        return f"entered as {self.arguments['user']}"

    async def __aexit__(self, *raised: Any) -> bool:
        self.raised = raised[0]
        return True


@pytest.mark.parametrize("driver", [OPENING, replace(DRIVER, async_modules=(__name__,))], ids=["all", "by module"])
async def test_it_is_awaited_or_entered(driver: Driver) -> None:
    made: list[Connection] = []

    def opening(**arguments: Any) -> Any:
        async def connection() -> Connection:
            made.append(Connection(**arguments))
            return made[-1]

        return connection()

    wrapped = secretconn.wrap(opening, Bed().rotating, driver=driver)
    assert await wrapped(port=7) is made[0]
    assert made[0].arguments == {"user": "app", "password": "p1", "host": "db", "port": 7, "database": "postgres"}
    async with wrapped() as entered:
        assert entered == "entered as app"
        raise KeyError
    assert made[1].raised is KeyError


def test_a_login_among_its_arguments_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="come from secret"):
        secretconn.wrap(print, Bed().rotating, driver=OPENING)(user="mine")
