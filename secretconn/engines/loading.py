"""From a driver's description to its connect callable, and from a callable to the modules it comes from."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from secretconn.errors import ConfigurationError, DriverNotInstalled

from .base import Driver, attribute

__all__ = ["connect_path", "homes", "is_async", "is_installed", "lives_in", "load", "pip_line", "shown"]


def is_async(driver: Driver, connect: Callable[..., Any]) -> bool:
    """Whether what this connect callable of that driver returns must be awaited.

    aiomysql's and asyncmy's connect are plain functions that return an awaitable, so the function alone does not tell.
    """
    while isinstance(connect, partial):
        connect = connect.func
    if driver.connect is None:
        return True
    if inspect.iscoroutinefunction(connect) or inspect.iscoroutinefunction(attribute(type(connect), "__call__")):
        return True
    if any(home == one or home.startswith(f"{one}.") for one in driver.async_modules for home in homes(connect)):
        return True
    module = sys.modules.get(driver.module)
    if module is None or driver.aconnect is None:
        return False
    target: object = module
    for part in driver.aconnect.split("."):
        target = attribute(target, part)
    return target is not None and target == connect


def is_installed(driver: Driver) -> bool:
    """Whether the driver's module can be found. Its own code is not run; parent packages may be."""
    if driver.module in sys.modules:
        return True
    import importlib.util  # not for those whose driver is there already

    try:
        return importlib.util.find_spec(driver.module) is not None
    except (ImportError, ValueError):  # a parent is missing, or a stub in sys.modules has no __spec__
        return False


def load(driver: Driver, *, for_async: bool, others: Iterable[Driver] = ()) -> Callable[..., Any]:
    """Import the driver and return its connect callable.

    Args:
        driver: Which one.
        for_async: Whether to return the callable whose result is awaited.
        others: Drivers to name where this one cannot connect that way.

    Raises:
        DriverNotInstalled: It cannot be imported; the text has the ``pip install`` line.
        ConfigurationError: It has no connect of that kind.
    """
    path = connect_path(driver, for_async)
    if path is None:
        raise ConfigurationError(_wrong_kind(driver, for_async, others))
    try:
        found: Any = importlib.import_module(driver.module)  # waits where another thread is importing it just now
        place = driver.module
        for part in path.split("."):
            place = f"{place}.{part}"
            # "aio.connect" of mysql.connector: a submodule that importing the package does not load
            found = getattr(found, part) if hasattr(found, part) else importlib.import_module(place)
    except ImportError as error:
        raise DriverNotInstalled(f"{driver.name} cannot be imported ({error}): {pip_line(driver)}") from error
    if not callable(found):
        raise ConfigurationError(f"{driver.module}.{path} of driver {driver.name} is not callable")
    return found  # type: ignore[no-any-return]


def pip_line(driver: Driver) -> str:
    """The command that installs the driver."""
    return f"pip install 'secretconn[{driver.extra}]'"


def connect_path(driver: Driver, for_async: bool) -> str | None:
    return driver.aconnect if for_async else driver.connect


def _wrong_kind(driver: Driver, for_async: bool, others: Iterable[Driver]) -> str:
    kind = "async" if for_async else "sync"
    able = ", ".join(one.name for one in others if one.engine == driver.engine and connect_path(one, for_async))
    return f"{driver.name} has no {kind} connect" + (
        f"; of {driver.engine}'s drivers these have: {able}" if able else ""
    )


def lives_in(home: str, driver: Driver) -> bool:
    """Whether a module's dotted name is the driver's module or inside it."""
    return any(home == module or home.startswith(f"{module}.") for module in (driver.module, *driver.other_modules))


def homes(obj: object) -> Iterator[str]:
    """The modules a callable may come from: its own, its class's and its bases', those of what it wraps."""
    for _ in range(16):  # partials and wrappers nest; a __wrapped__ may point at itself
        if isinstance(obj, partial):
            obj = obj.func
            continue
        if isinstance(obj, ModuleType):
            yield obj.__name__
            return
        yield from _modules(obj)
        owner = attribute(obj, "__self__")
        if owner is not None and not isinstance(owner, ModuleType):
            yield from _bases(owner)
        else:
            yield from _bases(obj)
        obj = attribute(obj, "__wrapped__")
        if obj is None:
            return


def _modules(obj: object) -> Iterator[str]:
    if isinstance(module := attribute(obj, "__module__"), str):
        yield module


def _bases(obj: object) -> Iterator[str]:
    kind = obj if isinstance(obj, type) else type(obj)
    for base in kind.__mro__:
        yield from _modules(base)


def shown(obj: object) -> str:
    """A callable's dotted name. Not its repr: a partial's repr shows its arguments, and with them a password."""
    if isinstance(obj, ModuleType):
        return f"module {obj.__name__}"
    while isinstance(obj, partial):
        obj = obj.func
    name = attribute(obj, "__qualname__") or type(obj).__qualname__
    return f"{attribute(obj, '__module__')}.{name}"
