"""Database connections that survive credential rotation. See README.md for a start, docs/ for the rest.

All times are float seconds. What is named here is imported when it is first used: half of a secretconn import is
dataclasses and logging, which a process that does not connect needs no more than boto3.
"""

import sys

TYPE_CHECKING = False  # type checkers take it for typing's, whose import alone costs more than all of this
if TYPE_CHECKING:
    from secretconn.connect import aconnect, connect, wrap
    from secretconn.credentials import Credentials
    from secretconn.engines.base import Verdict
    from secretconn.errors import (
        ConfigurationError,
        DriverNotInstalled,
        SecretConnError,
        SecretError,
        SecretFormatError,
        SecretUnavailable,
    )
    from secretconn.events import (
        Event,
        Fetched,
        Recovered,
        Refreshed,
        RefreshFailed,
        Rejected,
        Rotated,
        StaleServed,
        Stats,
    )
    from secretconn.rotating import RotatingCredentials
    from secretconn.runtime import Runtime
    from secretconn.shared import shared

__all__ = [
    "ConfigurationError",
    "Credentials",
    "DriverNotInstalled",
    "Event",
    "Fetched",
    "Recovered",
    "RefreshFailed",
    "Refreshed",
    "Rejected",
    "Rotated",
    "RotatingCredentials",
    "Runtime",
    "SecretConnError",
    "SecretError",
    "SecretFormatError",
    "SecretUnavailable",
    "StaleServed",
    "Stats",
    "Verdict",
    "aconnect",
    "connect",
    "shared",
    "wrap",
]

_HOMES = {
    "connect": ("aconnect", "connect", "wrap"),
    "credentials": ("Credentials",),
    "engines.base": ("Verdict",),
    "errors": (
        "ConfigurationError",
        "DriverNotInstalled",
        "SecretConnError",
        "SecretError",
        "SecretFormatError",
        "SecretUnavailable",
    ),
    "events": (
        "Event",
        "Fetched",
        "Recovered",
        "RefreshFailed",
        "Refreshed",
        "Rejected",
        "Rotated",
        "StaleServed",
        "Stats",
    ),
    "rotating": ("RotatingCredentials",),
    "runtime": ("Runtime",),
    "shared": ("shared",),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{home}"), name)
            globals()[name] = value  # from now on without a detour
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(type(sys)):  # type: ignore[misc]  # a module's class
    """Keeps `secretconn.connect` and `secretconn.shared` the functions, which have the names of their modules.

    The import system sets each submodule as an attribute of its package, whoever imports it and whenever.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, type(sys))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
