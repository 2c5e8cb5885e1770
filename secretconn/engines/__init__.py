"""Engines: one file for each database family, and the registry that finds them. Imports no driver."""

from __future__ import annotations

from .base import NOTHING_GIVEN, Classify, Driver, Engine, Given, Verdict, judge, walk_causes
from .loading import is_async, is_installed, pip_line
from .registry import BUILT_IN, ENTRY_POINTS, Registry

__all__ = [
    "BUILT_IN",
    "ENTRY_POINTS",
    "NOTHING_GIVEN",
    "Classify",
    "Driver",
    "Engine",
    "Given",
    "Registry",
    "Verdict",
    "default_driver",
    "driver_named",
    "driver_of",
    "engine_named",
    "engines",
    "is_async",
    "is_installed",
    "judge",
    "load",
    "pip_line",
    "register",
    "register_driver",
    "walk_causes",
]

_registry = Registry(BUILT_IN)

engines = _registry.engines
engine_named = _registry.engine_named
driver_named = _registry.driver_named
driver_of = _registry.driver_of
default_driver = _registry.default_driver
register = _registry.register
register_driver = _registry.register_driver
load = _registry.load
