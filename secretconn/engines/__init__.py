"""Engines: one file for each database family, and the registry that finds them. Imports no driver.

The families' own modules are imported with known.py, when one is first looked up: not everybody who imports secretconn
connects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import NOTHING_GIVEN, Classify, Driver, Engine, Given, Verdict, judge, walk_causes
from .loading import is_async, is_installed, pip_line

if TYPE_CHECKING:
    from .known import (
        BUILT_IN,
        default_driver,
        driver_named,
        driver_of,
        engine_named,
        engines,
        load,
        register,
        register_driver,
    )
    from .registry import ENTRY_POINTS, Registry

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

_IN_REGISTRY = ("ENTRY_POINTS", "Registry")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".registry" if name in _IN_REGISTRY else ".known", __name__), name)
