"""The first connection of a process: its driver is imported while the secret is read."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import secretconn
from secretconn.testing import MemorySource
from tests.unit.fakes import login

DRIVER = "import gate\ngate.importing()\n{} connect(**keywords):\n    return keywords['user']\n"


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Drivers that call ``gate.importing`` in the middle of their import."""
    (tmp_path / "psycopg2.py").write_text(DRIVER.format("def"))
    (tmp_path / "asyncpg.py").write_text(DRIVER.format("async def"))
    gate = types.ModuleType("gate")
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] in ("psycopg2", "asyncpg")}
    for name in kept:
        del sys.modules[name]
    monkeypatch.setitem(sys.modules, "gate", gate)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield gate
    for name in ("psycopg2", "asyncpg"):
        sys.modules.pop(name, None)
    sys.modules.update(kept)


@pytest.fixture
def source() -> MemorySource:
    return MemorySource({**login("p1"), "engine": "postgres"})


def connect(rotating: secretconn.RotatingCredentials, driver: str | None) -> Any:
    if driver == "asyncpg":
        return asyncio.run(secretconn.aconnect(rotating, driver=driver))
    return secretconn.connect(rotating, driver=driver)


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_the_driver_is_imported_while_the_secret_is_read(driver: str, gate: Any, source: MemorySource) -> None:
    reading, imported = threading.Event(), threading.Event()
    source.on_read = lambda: (reading.set(), imported.wait(10))
    importer: list[int] = []

    def importing() -> None:
        assert reading.wait(10), "the read has not begun"
        importer.append(threading.get_ident())
        imported.set()

    gate.importing = importing
    rotating = secretconn.RotatingCredentials("s", source=source)
    assert connect(rotating, driver) == "app"
    assert (source.reads, importer) == (1, [threading.get_ident()])
    stats = rotating.stats()
    assert (stats.fetches, stats.connects, stats.reads, stats.hits) == (1, 1, 1, 0)  # it had to wait, or might have


@pytest.mark.parametrize(
    ("bad", "error", "told"),
    [
        ({"user": "mine"}, TypeError, "user and password come from secret 's'"),
        ({"async_": True}, secretconn.ConfigurationError, "async_"),
        ({"retries": -1}, secretconn.ConfigurationError, "retries must be a whole number from 0, not -1"),
        ({"retries": "2", "patience": 5.0}, secretconn.ConfigurationError, "retries must be .*, not '2'"),
        ({"patience": -1.0}, secretconn.ConfigurationError, "patience must be a number of seconds from 0, not -1.0"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_arguments_is_told_before_a_read(
    bad: dict[str, Any], error: type[Exception], told: str, gate: Any, source: MemorySource
) -> None:
    gate.importing = lambda: None
    at_once = secretconn.Runtime(spawn=lambda work: work())
    rotating = secretconn.RotatingCredentials("s", source=source, runtime=at_once)
    with pytest.raises(error, match=told):
        secretconn.connect(rotating, driver="psycopg2", **bad)
    assert source.reads == 0


async def test_so_is_a_driver_without_an_async_connect(gate: Any, source: MemorySource) -> None:
    gate.importing = lambda: None
    rotating = secretconn.RotatingCredentials("s", source=source)
    with pytest.raises(secretconn.ConfigurationError, match="async"):
        await secretconn.aconnect(rotating, driver="psycopg2")
    assert source.reads == 0


def test_a_read_that_fails_meanwhile_is_told_and_not_repeated(gate: Any, source: MemorySource) -> None:
    failed = threading.Event()
    source.error = PermissionError("not yours")
    gate.importing = lambda: failed.wait(10)
    rotating = secretconn.RotatingCredentials("s", source=source)
    rotating.subscribe(lambda event: failed.set() if isinstance(event, secretconn.RefreshFailed) else None)
    with pytest.raises(secretconn.SecretUnavailable) as caught:
        connect(rotating, "psycopg2")
    assert caught.value.__cause__ is source.error
    assert source.reads == 1
    source.error = None
    assert connect(rotating, "psycopg2") == "app"


def test_a_driver_that_cannot_be_imported_leaves_nothing_behind(gate: Any, source: MemorySource) -> None:
    def importing() -> None:
        raise ImportError("no libpq here")

    gate.importing = importing
    rotating = secretconn.RotatingCredentials("s", source=source)
    with pytest.raises(secretconn.DriverNotInstalled):
        connect(rotating, "psycopg2")
    gate.importing = lambda: None
    assert connect(rotating, "psycopg2") == "app"
    assert source.reads == 1
