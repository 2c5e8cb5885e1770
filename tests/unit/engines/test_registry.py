"""Names, modules and callables lead to drivers; third parties can add theirs and break nothing."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from secretconn.engines import BUILT_IN, Driver, Engine, Registry, is_async, load
from secretconn.engines.base import NOTHING_GIVEN, Verdict
from secretconn.errors import ConfigurationError, DriverNotInstalled


@dataclass
class Point:
    offer: Any
    name: str = "theirs"
    value: str = "theirs:it"

    def load(self) -> Any:
        if isinstance(self.offer, Exception):
            raise self.offer
        return self.offer


def registry(*points: Any) -> Registry:
    return Registry(BUILT_IN, entry_points=lambda: [Point(point) for point in points])


def a_driver(name: str = "fresh", engine: str = "mysql", module: str = "json", **changes: Any) -> Driver:
    made = Driver(
        name=name,
        engine=engine,
        module=module,
        extra=name,
        keywords={},
        given=lambda args, kwargs: NOTHING_GIVEN,
        classify=lambda error: Verdict.OTHER,
        connect="loads",
    )
    return replace(made, **changes)


THEIRS = Engine("cockroach", frozenset({"crdb"}), 26257, None, (a_driver(engine="cockroach"),))


@pytest.mark.parametrize("name", ["mysql", "MariaDB", "aurora-mysql", "postgres", "postgresql", " aurora-postgresql "])
def test_engines_by_family_and_by_what_secrets_say(name: str) -> None:
    assert registry().engine_named(name) in BUILT_IN


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("psycopg", "psycopg"),
        ("psycopg3", "psycopg"),
        ("psycopg2-binary", "psycopg2"),
        ("PyMySQL", "pymysql"),
        ("MySQLdb", "mysqlclient"),
        ("mysql.connector", "mysql-connector"),
        ("mysql_connector", "mysql-connector"),
        ("mysql-connector-python", "mysql-connector"),
        ("pg8000", "pg8000"),
        ("pg8000.dbapi", "pg8000"),
    ],
)
def test_drivers_by_the_names_users_type(typed: str, name: str) -> None:
    assert registry().driver_named(typed).name == name
    assert registry().driver_of(typed).name == name


def test_extras_are_named_like_drivers() -> None:
    assert all(driver.extra == driver.name for engine in BUILT_IN for driver in engine.drivers)


def test_a_url_in_the_place_of_a_name_is_not_shown() -> None:
    for find in (registry().engine_named, registry().driver_named, registry().driver_of):
        with pytest.raises(ConfigurationError, match=r"unknown (driver|engine) '\.\.\.'"):
            find("postgresql://app:xyzzy@db/orders")


def test_unknown_names_list_the_known() -> None:
    for look_up in (registry().engine_named, registry().driver_named, registry().driver_of):
        with pytest.raises(ConfigurationError, match=r"(?s)'nosuch'.*mariadb.*psycopg2.*pip install 'secretconn\["):
            look_up("nosuch")


CALLABLES = [
    ("psycopg", "connect", "psycopg", False),
    ("psycopg", "AsyncConnection.connect", "psycopg", True),
    ("psycopg", "Connection", "psycopg", False),
    ("psycopg2", "connect", "psycopg2", False),
    ("psycopg2.extensions", "connection", "psycopg2", False),
    ("asyncpg", "connect", "asyncpg", True),
    ("pg8000", "connect", "pg8000", False),
    ("pg8000.dbapi", "connect", "pg8000", False),
    ("pg8000.native", "Connection", "pg8000", False),
    ("pymysql", "connect", "pymysql", False),
    ("pymysql.connections", "Connection", "pymysql", False),
    ("MySQLdb", "connect", "mysqlclient", False),
    ("MySQLdb.connections", "Connection", "mysqlclient", False),
    ("mysql.connector", "connect", "mysql-connector", False),
    ("mysql.connector", "MySQLConnection", "mysql-connector", False),
    ("mysql.connector.aio", "connect", "mysql-connector", True),
    ("mariadb", "connect", "mariadb", False),
    ("aiomysql", "connect", "aiomysql", True),
    ("asyncmy", "connect", "asyncmy", True),
]


@pytest.mark.parametrize(("module", "path", "name", "awaited"), CALLABLES)
def test_drivers_by_their_modules_and_callables(module: str, path: str, name: str, awaited: bool) -> None:
    pytest.importorskip(module)
    found: Any = importlib.import_module(module)
    assert registry().driver_of(found).name == name
    for part in path.split("."):
        found = getattr(found, part)

    @wraps(found)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return found(*args, **kwargs)

    for obj in (found, partial(found, port=1), partial(partial(found), host="h"), wrapped):
        assert registry().driver_of(obj).name == name
    assert is_async(registry().driver_of(found), found) is awaited
    assert is_async(registry().driver_of(found), partial(partial(found), host="h")) is awaited


def test_a_subclass_elsewhere_belongs_to_the_driver_of_its_base() -> None:
    psycopg = pytest.importorskip("psycopg")

    class Mine(psycopg.AsyncConnection[Any]):  # type: ignore[misc]
        pass

    assert registry().driver_of(Mine).name == registry().driver_of(Mine.connect).name == "psycopg"
    assert is_async(registry().driver_named("psycopg"), Mine.connect)


def test_what_connects_to_nothing_known_is_refused_without_its_arguments() -> None:
    for obj in (print, partial(print, password="s3cr3t"), lambda: None, 3, None, sys):
        with pytest.raises(ConfigurationError) as caught:
            registry().driver_of(obj)
        assert "s3cr3t" not in str(caught.value)


def test_a_driver_of_another_engine_is_refused() -> None:
    mysql, postgresql = BUILT_IN[:2]
    assert registry().driver_of("psycopg", postgresql).name == "psycopg"
    with pytest.raises(ConfigurationError, match=r"for postgresql, not for mysql.*pymysql"):
        registry().driver_of("psycopg", mysql)


@pytest.mark.parametrize(
    ("family", "for_async", "there", "name"),
    [
        ("postgres", False, {"psycopg", "psycopg2"}, "psycopg"),
        ("postgres", False, {"asyncpg", "pg8000"}, "pg8000"),
        ("postgres", True, {"asyncpg", "psycopg2"}, "asyncpg"),
        ("postgres", True, {"asyncpg", "psycopg"}, "psycopg"),
        ("mysql", False, {"aiomysql", "mariadb", "mysql-connector"}, "mysql-connector"),
        ("mysql", True, {"pymysql", "asyncmy", "mysql-connector"}, "asyncmy"),
    ],
)
def test_the_first_installed_driver_is_the_default(family: str, for_async: bool, there: set[str], name: str) -> None:
    engine = registry().engine_named(family)
    found = registry().default_driver(engine, for_async=for_async, installed=lambda driver: driver.name in there)
    assert found.name == name


def test_none_installed_gives_the_pip_lines() -> None:
    with pytest.raises(DriverNotInstalled, match=r"async .*pip install 'secretconn\[psycopg\]' or .*\[asyncpg\]'$"):
        registry().default_driver(BUILT_IN[1], for_async=True, installed=lambda driver: False)


def test_loading() -> None:
    assert load(a_driver(), for_async=False) is importlib.import_module("json").loads
    assert load(a_driver(connect="decoder.JSONDecoder.decode"), for_async=False)
    with pytest.raises(DriverNotInstalled, match=r"pip install 'secretconn\[fresh\]'"):
        load(a_driver(module="no_such_module_here"), for_async=False)
    with pytest.raises(ConfigurationError, match=r"pg8000 has no async connect.*: psycopg, asyncpg$"):
        load(registry().driver_named("pg8000"), for_async=True)
    with pytest.raises(ConfigurationError, match=r"asyncpg has no sync connect.*: psycopg, psycopg2, pg8000$"):
        load(registry().driver_named("asyncpg"), for_async=False)


def test_loading_a_submodule_the_package_does_not_import() -> None:
    pytest.importorskip("mysql.connector")
    connect = load(registry().driver_named("mysql-connector"), for_async=True)
    assert connect is importlib.import_module("mysql.connector.aio").connect


def test_an_awaitable_returning_connect_of_a_driver_with_both() -> None:
    both = a_driver(aconnect="dumps")
    json = importlib.import_module("json")
    assert is_async(both, json.dumps)
    assert not is_async(both, json.loads)


def test_every_callable_of_a_driver_without_a_sync_connect_is_awaited() -> None:
    assert is_async(a_driver(connect=None, aconnect="dumps"), lambda: None)


def test_registering() -> None:
    known = registry()
    known.register_driver(a_driver())
    assert known.driver_of(importlib.import_module("json")).name == "fresh"
    assert known.engine_named("mysql").drivers[-1].name == "fresh"
    known.register_driver(a_driver(extra="other"))
    assert [driver.extra for driver in known.engine_named("mysql").drivers].count("other") == 1
    known.register(THEIRS)
    assert known.engine_named("crdb") is THEIRS
    for wrong in (a_driver(engine="nosuch"), a_driver(connect=None)):
        with pytest.raises(ConfigurationError):
            known.register_driver(wrong)


def test_entry_points_are_read_late_and_once() -> None:
    reads: list[int] = []

    def points() -> list[Point]:
        reads.append(1)
        return [Point(THEIRS), Point(lambda: a_driver("second"))]

    known = Registry(BUILT_IN, entry_points=points)
    known.engine_named("postgres")
    known.driver_named("psycopg")
    assert reads == []
    assert known.engine_named("crdb") is THEIRS
    assert known.driver_named("second").engine == "mysql"
    assert THEIRS in known.engines()
    assert reads == [1]


def test_a_broken_entry_point_is_told_and_breaks_no_other(caplog: pytest.LogCaptureFixture) -> None:
    taken = replace(THEIRS, name="mysql")
    broken = [ImportError("gone"), lambda: 3, taken, a_driver("psycopg", "postgresql"), a_driver(engine="nosuch")]
    known = registry(*broken, THEIRS)
    with caplog.at_level(logging.WARNING, "secretconn.engines"):
        assert known.engine_named("crdb") is THEIRS
    assert len(caplog.records) == len(broken)
    assert all("theirs = theirs:it is left out" in record.getMessage() for record in caplog.records)
    assert known.engine_named("mysql").drivers == BUILT_IN[0].drivers


def test_damaged_metadata_is_told_and_the_built_in_engines_stay(caplog: pytest.LogCaptureFixture) -> None:
    def points() -> list[Point]:
        raise OSError("damaged")

    with caplog.at_level(logging.WARNING, "secretconn.engines"):
        assert Registry(BUILT_IN, entry_points=points).engines() == BUILT_IN
    assert "cannot be read" in caplog.text


def test_importing_it_loads_no_driver_and_no_boto() -> None:
    names = {driver.module.partition(".")[0] for engine in BUILT_IN for driver in engine.drivers} | {
        "boto3",
        "botocore",
    }
    code = f"import sys, secretconn.engines as e; e.engines(); print(sorted({names!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_threads_that_load_a_driver_at_once_wait_for_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = ModuleType("gate_of_slow_driver")
    gate.importing, gate.go_on = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gate_of_slow_driver", gate)
    code = "import gate_of_slow_driver as gate\ngate.importing.set()\ngate.go_on.wait(10)\ndef connect(): ...\n"
    (tmp_path / "slow_driver.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    driver = replace(BUILT_IN[0].drivers[0], name="slow", module="slow_driver")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load, driver, for_async=False)
        assert gate.importing.wait(10)
        second = pool.submit(load, driver, for_async=False)
        wait([second], timeout=0.05)  # time to fail in; it must not be done with a module that is half there
        gate.go_on.set()
        assert first.result(10) is second.result(10)
    del sys.modules["slow_driver"]  # not by monkeypatch, which would put it back
