"""Where a callable comes from, what it is called, and whether a driver is there; texts that name what to do."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from secretconn import engines
from secretconn.engines import BUILT_IN, Engine, Registry, is_async, is_installed
from secretconn.engines.loading import homes, load, shown
from secretconn.engines.registry import installed_entry_points
from secretconn.errors import ConfigurationError, DriverNotInstalled
from tests.unit.engines.test_registry import THEIRS, a_driver, registry


class Base:
    __module__ = "base"


class Owner(Base):
    __module__ = "owner"

    def method(self) -> None: ...

    @classmethod
    def made(cls) -> None: ...

    def __call__(self) -> None: ...


Owner.method.__module__ = Owner.made.__func__.__module__ = "function"  # type: ignore[attr-defined]
OWNER = ["owner", "base", "builtins"]


def plain(wrapped: object = None) -> Callable[[], None]:
    def function() -> None: ...

    function.__module__ = "plain"
    if wrapped is not None:
        function.__wrapped__ = wrapped  # type: ignore[attr-defined]
    return function


@pytest.mark.parametrize(
    ("obj", "found"),
    [
        (types.ModuleType("json"), ["json"]),
        (plain(), ["plain", "builtins", "builtins"]),
        (partial(partial(plain())), ["plain", "builtins", "builtins"]),
        (len, ["builtins", "builtins", "builtins"]),  # its __self__ is the module
        (Owner, ["owner", *OWNER]),
        (Owner(), ["owner", *OWNER]),
        (Owner().method, ["function", *OWNER]),
        (Owner.made, ["function", *OWNER]),
        (plain(Owner), ["plain", "builtins", "builtins", "owner", *OWNER]),
        (plain(partial(Owner().method)), ["plain", "builtins", "builtins", "function", *OWNER]),
    ],
    ids=[
        "module",
        "function",
        "partials",
        "builtin",
        "class",
        "object",
        "method",
        "class method",
        "wraps a class",
        "wraps a partial",
    ],
)
def test_homes(obj: object, found: list[str]) -> None:
    assert list(homes(obj)) == found


def test_homes_of_what_wraps_itself_end() -> None:
    function = plain()
    function.__wrapped__ = function  # type: ignore[attr-defined]
    assert list(homes(function)) == ["plain", "builtins", "builtins"] * 16


def test_the_nearest_home_counts_of_the_engine_that_is_asked_for() -> None:
    mysql, postgresql = BUILT_IN[:2]
    function = plain()
    function.__module__ = "psycopg.mine"
    around = plain(function)
    around.__module__ = "pymysql.mine"
    assert registry().driver_of(around).name == registry().driver_of(around, mysql).name == "pymysql"
    assert registry().driver_of(around, postgresql).name == "psycopg"
    with pytest.raises(ConfigurationError) as caught:
        registry().driver_of(function, mysql)
    assert str(caught.value) == (
        "driver of psycopg.mine.plain.<locals>.function is for postgresql, not for mysql; "
        "for that: pymysql, mysqlclient, aiomysql, asyncmy, mysql-connector, mariadb"
    )


class Awaited:
    async def __call__(self) -> None: ...


def test_what_has_to_be_awaited() -> None:
    assert is_async(a_driver(), Awaited())
    assert not is_async(a_driver(), Owner())
    nested = a_driver(aconnect="decoder.JSONDecoder")
    assert is_async(nested, importlib.import_module("json").decoder.JSONDecoder)
    assert not is_async(nested, importlib.import_module("json").JSONEncoder)


def test_what_is_shown_of_a_callable() -> None:
    assert shown(sys) == "module sys"
    assert shown(partial(partial(print, password="s3cr3t"))) == "builtins.print"
    assert shown(Owner) == "owner.Owner"
    assert shown(Owner()) == "owner.Owner"
    assert shown(plain()) == "plain.plain.<locals>.function"


def test_whether_a_driver_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quite_new.py").write_text("raise RuntimeError('not to be run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "a_stub", types.ModuleType("a_stub"))
    monkeypatch.setitem(sys.modules, "without_spec", types.ModuleType("without_spec"))
    for module in ("json", "quite_new", "a_stub"):
        assert is_installed(a_driver(module=module))
    for module in ("no_such_module", "no_such.module", "without_spec.module"):
        assert not is_installed(a_driver(module=module))
    assert "quite_new" not in sys.modules


def test_a_driver_whose_finder_fails_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> None:
        raise ValueError(f"{name}.__spec__ is None")  # as it says of a module that is being imported

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    assert not is_installed(a_driver(module="quite_new"))


def test_loading_from_modules_that_a_package_does_not_import_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a_package" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "a_package" / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("")
    (inner / "deep.py").write_text("def connect(): ...")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        connect = load(a_driver(module="a_package", connect="inner.deep.connect"), for_async=False)
        assert (connect.__module__, connect.__name__) == ("a_package.inner.deep", "connect")
    finally:
        for name in ("a_package", "a_package.inner", "a_package.inner.deep"):
            del sys.modules[name]


def test_text_of_a_driver_that_connects_the_other_way_only() -> None:
    known = registry()
    with pytest.raises(ConfigurationError) as caught:
        known.load(known.driver_named("pymysql"), for_async=True)
    assert str(caught.value) == (
        "pymysql has no async connect; of mysql's drivers these have: aiomysql, asyncmy, mysql-connector"
    )


def test_texts_of_a_driver_that_cannot_be_loaded() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(a_driver(), for_async=True)
    assert str(caught.value) == "fresh has no async connect"
    with pytest.raises(ConfigurationError) as caught:
        load(a_driver(connect="__name__"), for_async=False)
    assert str(caught.value) == "json.__name__ of driver fresh is not callable"
    with pytest.raises(DriverNotInstalled) as missing:
        load(a_driver(module="no_such_module_here"), for_async=False)
    assert str(missing.value) == (
        "fresh cannot be imported (No module named 'no_such_module_here'): pip install 'secretconn[fresh]'"
    )
    assert isinstance(missing.value.__cause__, ImportError)


def test_texts_where_an_engine_has_no_driver() -> None:
    one, two = a_driver(engine="cockroach"), a_driver("second", "cockroach", aconnect="dumps")
    engine = replace(THEIRS, drivers=(one, two))
    for for_async, text in [
        (False, "no driver for cockroach is installed: pip install 'secretconn[fresh]' or pip install"),
        (True, "no async driver for cockroach is installed: pip install 'secretconn[second]'"),
    ]:
        with pytest.raises(DriverNotInstalled) as missing:
            registry().default_driver(engine, for_async=for_async, installed=lambda driver: False)
        assert str(missing.value).startswith(text)
    for for_async, text in [(False, "cockroach has no driver"), (True, "cockroach has no async driver")]:
        with pytest.raises(ConfigurationError) as caught:
            registry().default_driver(replace(THEIRS, drivers=()), for_async=for_async)
        assert str(caught.value) == f"{text} that is known"


def test_the_default_driver_is_looked_for_where_python_looks() -> None:
    engine = replace(THEIRS, drivers=(a_driver(module="no_such_module_here"), a_driver("second")))
    assert registry().default_driver(engine, for_async=False).name == "second"


def test_names_of_the_package() -> None:
    assert engines.ENTRY_POINTS == "secretconn.engines"
    assert engines.Registry is Registry
    with pytest.raises(AttributeError) as caught:
        engines.nosuch  # noqa: B018
    assert str(caught.value) == "module 'secretconn.engines' has no attribute 'nosuch'"


# -- registering -------------------------------------------------------------------------------------------------------


def test_an_engine_takes_the_place_of_one_of_its_name() -> None:
    known = registry()
    known.register(THEIRS)
    changed = replace(THEIRS, default_port=1)
    known.register(changed)
    assert known.engines() == (*BUILT_IN, changed)


def test_a_driver_takes_the_place_of_one_of_its_name_where_it_stands() -> None:
    known = registry()
    for driver in (a_driver(), a_driver("second"), a_driver(extra="other")):
        known.register_driver(driver)
    assert [(driver.name, driver.extra) for driver in known.engine_named("mysql").drivers[-2:]] == [
        ("fresh", "other"),
        ("second", "second"),
    ]
    assert len(known.engine_named("mysql").drivers) == len(BUILT_IN[0].drivers) + 2
    assert known.engines()[1:] == BUILT_IN[1:]


def test_texts_of_what_cannot_be_registered() -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry().register_driver(a_driver(connect=None))
    assert str(caught.value) == "driver 'fresh' has neither a sync nor an async connect"
    with pytest.raises(ConfigurationError, match=r"^unknown engine 'nosuch'; known engines: aurora-mysql, "):
        registry().register_driver(a_driver(engine="nosuch"))


def test_why_an_entry_point_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    offers = [
        ImportError("gone"),
        lambda: 3,
        replace(THEIRS, name="mysql"),
        a_driver("psycopg", "postgresql"),
        a_driver("psycopg", "cockroach"),  # of no engine that is known yet
    ]
    reasons = [
        "ImportError('gone')",
        "ConfigurationError('it gives neither an Engine nor a Driver but int')",
        "ConfigurationError(\"there is an engine 'mysql' already\")",
        "ConfigurationError(\"there is a driver 'psycopg' of postgresql already\")",
        'ConfigurationError("unknown engine',
    ]
    with caplog.at_level(logging.WARNING, "secretconn.engines"):
        registry(*offers).engines()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(reasons)
    for text, reason in zip(told, reasons, strict=True):
        assert text.startswith(f"secretconn: entry point theirs = theirs:it is left out: {reason}")


def test_a_driver_named_like_another_engine_s_is_none_of_that_one_s_business() -> None:
    known = registry(a_driver("psycopg", "mysql"))
    assert known.engines()[0].drivers[-1].name == "psycopg"


def test_an_engine_of_an_entry_point_stands_in_front_and_takes_no_name(caplog: pytest.LogCaptureFixture) -> None:
    greedy = Engine("greedy", frozenset({"postgres"}), None, None, ())
    known = registry(greedy)
    assert known.engines() == (greedy, *BUILT_IN)
    assert known.engine_named("postgres").name == "postgresql"


def test_entry_points_are_those_of_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "theirs-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[secretconn.engines]\ntheirs = theirs:it\n[other]\nx = y:z\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert ("theirs", "theirs:it") in [(point.name, point.value) for point in installed_entry_points()]
    assert not any(point.name == "x" for point in installed_entry_points())
    assert Registry(BUILT_IN)._entry_points is installed_entry_points


def test_text_of_an_unknown_name() -> None:
    known = Registry([replace(THEIRS, drivers=(a_driver(), a_driver("second")))], entry_points=lambda: ())
    with pytest.raises(ConfigurationError) as caught:
        known.engine_named("x")
    assert str(caught.value) == (
        "unknown engine 'x'; known engines: cockroach, crdb; known drivers: fresh (cockroach), second (cockroach); "
        "install one with pip install 'secretconn[psycopg]', the name of the driver in brackets"
    )


def test_a_driver_nobody_knows_is_unknown_to_one_engine_too() -> None:
    for look_up in (registry().driver_named, registry().driver_of):
        with pytest.raises(ConfigurationError, match=r"^unknown driver 'nosuch'; known engines: "):
            look_up("nosuch", BUILT_IN[0])


def test_text_of_damaged_metadata(caplog: pytest.LogCaptureFixture) -> None:
    def damaged() -> list[Any]:
        raise OSError("damaged")

    with caplog.at_level(logging.WARNING, "secretconn.engines"):
        Registry(BUILT_IN, entry_points=damaged).engines()
    assert [record.getMessage() for record in caplog.records] == [
        "secretconn: entry points of group secretconn.engines cannot be read: OSError('damaged')"
    ]


def test_a_lookup_takes_no_lock_once_the_entry_points_are_read() -> None:
    known = registry(THEIRS)
    known.engines()
    found: list[tuple[Engine, ...]] = []
    with known._lock:
        other = threading.Thread(target=lambda: found.append(known.engines()), daemon=True)
        other.start()
        other.join(10)
    assert found == [(THEIRS, *BUILT_IN)]
