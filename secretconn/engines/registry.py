"""Registry: a set of engines, those third parties add, and how a name or a callable leads to one."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from secretconn.errors import ConfigurationError, DriverNotInstalled

from . import loading
from .base import Driver, Engine
from .loading import connect_path, homes, is_installed, lives_in, pip_line, shown

__all__ = ["ENTRY_POINTS", "Registry"]

ENTRY_POINTS = "secretconn.engines"
"""The entry point group in which packages offer an Engine, a Driver, or a callable that returns one."""

logger = logging.getLogger("secretconn.engines")


class EntryPoint(Protocol):
    """The part of ``importlib.metadata.EntryPoint`` that is used."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> Any: ...


def installed_entry_points() -> Iterable[EntryPoint]:
    """Those of the installed packages."""
    import importlib.metadata  # 20 ms that most processes never need

    return importlib.metadata.entry_points(group=ENTRY_POINTS)


class Registry:
    """A set of engines. Lookups take no lock; changes replace the whole tuple.

    Entry points are read once, and only when a lookup fails without them or all engines are asked for: reading them
    costs milliseconds. They only add; a name that is taken keeps its meaning.

    Args:
        known: The engines to begin with.
        entry_points: Gives the entry points to read.
    """

    def __init__(
        self, known: Iterable[Engine], *, entry_points: Callable[[], Iterable[EntryPoint]] = installed_entry_points
    ) -> None:
        self._engines = tuple(known)
        self._entry_points = entry_points
        self._entry_points_read = False
        self._entry_points_begun = False
        self._lock = threading.RLock()

    def engines(self) -> tuple[Engine, ...]:
        """Every engine known, those of entry points included."""
        self._read_entry_points()
        return self._engines

    def engine_named(self, name: str) -> Engine:
        """The engine with this family name, or for which a secret's ``engine`` key says this.

        Raises:
            ConfigurationError: Nobody knows it; the text lists what is known.
        """
        wanted = name.strip().lower()
        for engines in self._twice():
            for engine in reversed(engines):  # a later one may take over a name an earlier one's secrets use
                if wanted == engine.name or wanted in engine.secret_names:
                    return engine
        raise ConfigurationError(f"unknown engine {_shown(name)}; {self._known()}")

    def driver_named(self, name: str, engine: Engine | None = None) -> Driver:
        """The driver users call this: its name, module or an alias.

        Args:
            name: ``"psycopg"``, ``"MySQLdb"``, ``"mysql.connector"``.
            engine: Only this engine's, where given.

        Raises:
            ConfigurationError: Nobody knows it, or it belongs to another engine.
        """
        wanted = name.strip().lower().replace("_", "-")
        return self._find(lambda driver: wanted in _names(driver), engine, f"driver {_shown(name)}")

    def driver_of(self, obj: object, engine: Engine | None = None) -> Driver:
        """The driver that a name, a module or a connect callable belongs to.

        Args:
            obj: A name, a driver's module, or something that connects: function, bound classmethod, class, or a
                ``functools.partial`` of one.
            engine: Only this engine's drivers, where given.

        Raises:
            ConfigurationError: It is none that is known, or belongs to another engine.
        """
        if isinstance(obj, Driver):
            return obj
        if isinstance(obj, str):
            return self.driver_named(obj, engine)
        nearest = next((home for home in homes(obj) if any(lives_in(home, one) for one in self._drivers(engine))), None)
        if nearest is None:  # of no driver, or of another engine's
            nearest = next((home for home in homes(obj) if any(lives_in(home, one) for one in self._drivers(None))), "")
        return self._find(lambda driver: lives_in(nearest, driver), engine, f"driver of {shown(obj)}")

    def default_driver(
        self, engine: Engine, *, for_async: bool, installed: Callable[[Driver], bool] | None = None
    ) -> Driver:
        """The first of the engine's drivers that is installed and connects that way.

        Args:
            engine: Whose drivers, in their documented order.
            for_async: Whether the connect must be awaitable.
            installed: Says whether a driver is there; by default its module is searched, not imported.

        Raises:
            DriverNotInstalled: None is; the text has the ``pip install`` line of each.
        """
        there = installed or is_installed
        able: dict[str, Driver] = {}
        for driver in self._drivers(engine):
            if connect_path(driver, for_async) and driver.name not in able:
                if there(driver):
                    return driver
                able[driver.name] = driver
        kind = "async " if for_async else ""
        if not able:
            raise ConfigurationError(f"{engine.name} has no {kind}driver that is known")
        lines = " or ".join(pip_line(driver) for driver in able.values())
        raise DriverNotInstalled(f"no {kind}driver for {engine.name} is installed: {lines}")

    def load(self, driver: Driver, *, for_async: bool) -> Callable[..., Any]:
        """Import the driver and return its connect callable.

        Raises:
            DriverNotInstalled: It cannot be imported; the text has the ``pip install`` line.
            ConfigurationError: It has no connect of that kind; the text names the engine's drivers that do.
        """
        others = [one for engine in self._engines if engine.name == driver.engine for one in engine.drivers]
        return loading.load(driver, for_async=for_async, others=others)

    def register(self, engine: Engine) -> None:
        """Add an engine, in place of one with the same name if there is one."""
        with self._lock:
            self._engines = (*(one for one in self._engines if one.name != engine.name), engine)

    def register_driver(self, driver: Driver) -> None:
        """Add a driver to its engine, behind the others, or in place of the one with the same name.

        Raises:
            ConfigurationError: Its engine is unknown, or it can connect neither way.
        """
        if driver.connect is None and driver.aconnect is None:
            raise ConfigurationError(f"driver {driver.name!r} has neither a sync nor an async connect")
        with self._lock:
            engine = self.engine_named(driver.engine)
            drivers = [driver if one.name == driver.name else one for one in engine.drivers]
            if driver not in drivers:
                drivers.append(driver)
            changed = replace(engine, drivers=tuple(drivers))
            self._engines = tuple(changed if one.name == engine.name else one for one in self._engines)

    def _find(self, fits: Callable[[Driver], bool], engine: Engine | None, what: str) -> Driver:
        for driver in self._drivers(engine):
            if fits(driver):
                return driver
        if engine is not None and (other := next(filter(fits, self._drivers(None)), None)) is not None:
            names = ", ".join(driver.name for driver in engine.drivers)
            raise ConfigurationError(f"{what} is for {other.engine}, not for {engine.name}; for that: {names}")
        raise ConfigurationError(f"unknown {what}; {self._known()}")

    def _drivers(self, engine: Engine | None) -> Iterator[Driver]:
        """All drivers, or this engine's as it is now, with those of entry points last."""
        if engine is not None:
            yield from engine.drivers
        for engines in self._twice():
            for one in engines:
                if engine is None or one.name == engine.name:
                    yield from one.drivers

    def _twice(self) -> Iterator[tuple[Engine, ...]]:
        """The engines, and again after the entry points have been read."""
        yield self._engines
        self._read_entry_points()
        yield self._engines

    def _known(self) -> str:
        drivers = [f"{driver.name} ({engine.name})" for engine in self._engines for driver in engine.drivers]
        names = sorted({name for engine in self._engines for name in (engine.name, *engine.secret_names)})
        return (
            f"known engines: {', '.join(names)}; known drivers: {', '.join(drivers)}; "
            "install one with pip install 'secretconn[psycopg]', the name of the driver in brackets"
        )

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        with self._lock:
            if self._entry_points_begun:  # read meanwhile, or an entry point looks up an engine itself
                return
            self._entry_points_begun = True
            try:
                offered = tuple(self._entry_points())
            except Exception as error:  # noqa: BLE001 - damaged metadata of an unrelated package
                logger.warning("secretconn: entry points of group %s cannot be read: %r", ENTRY_POINTS, error)
                offered = ()
            for point in offered:
                self._add(point)
            self._entry_points_read = True

    def _add(self, point: EntryPoint) -> None:
        try:
            offer = point.load()
            if not isinstance(offer, (Engine, Driver)):
                offer = offer()
            self._accept(offer)
        except Exception as error:  # noqa: BLE001 - one broken package must not take the others down
            logger.warning("secretconn: entry point %s = %s is left out: %r", point.name, point.value, error)

    def _accept(self, offer: object) -> None:
        if isinstance(offer, Engine):
            if any(one.name == offer.name for one in self._engines):
                raise ConfigurationError(f"there is an engine {offer.name!r} already")
            self._engines = (offer, *self._engines)  # in front: what is already known wins
        elif isinstance(offer, Driver):
            for engine in self._engines:
                if engine.name == offer.engine and any(one.name == offer.name for one in engine.drivers):
                    raise ConfigurationError(f"there is a driver {offer.name!r} of {engine.name} already")
            self.register_driver(offer)
        else:
            raise ConfigurationError(f"it gives neither an Engine nor a Driver but {type(offer).__name__}")


def _names(driver: Driver) -> set[str]:
    return {driver.name, driver.module.lower(), *driver.aliases}


def _shown(name: str) -> str:
    """The name; not that of a DSN or URL in the wrong place, which may have a password in it."""
    return repr(name) if re.fullmatch(r"[\w.+ -]*", name) else "'...'"
