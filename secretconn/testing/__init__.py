"""secretconn.testing: real servers, a local Secrets Manager and real rotations, for your tests and for ours.

Nothing is imported before its name is used. ``pip install 'secretconn[testing]'`` brings what the servers need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from secretconn.testing.admins import DatabaseAdmin, MariaDBAdmin, PostgresAdmin
    from secretconn.testing.applications import Application
    from secretconn.testing.errors import RotationError, ServerUnavailable
    from secretconn.testing.existing import ExistingServer
    from secretconn.testing.hooks import forget, stand_in
    from secretconn.testing.logins import Login, new_password
    from secretconn.testing.mariadb import MariaDBServer
    from secretconn.testing.memory import MemorySource
    from secretconn.testing.mysql import MySQLServer
    from secretconn.testing.postgres import PostgresServer
    from secretconn.testing.random_rotations import RandomRotations
    from secretconn.testing.redis import RedisAdmin, RedisServer
    from secretconn.testing.rotation import RotationStep, Rotator, Step, Strategy
    from secretconn.testing.secrets_manager import LocalSecretsManager

_ROOMS = {
    "admins": ("DatabaseAdmin", "MariaDBAdmin", "PostgresAdmin"),
    "applications": ("Application",),
    "errors": ("RotationError", "ServerUnavailable"),
    "existing": ("ExistingServer",),
    "hooks": ("forget", "stand_in"),
    "logins": ("Login", "new_password"),
    "mariadb": ("MariaDBServer",),
    "memory": ("MemorySource",),
    "mysql": ("MySQLServer",),
    "postgres": ("PostgresServer",),
    "random_rotations": ("RandomRotations",),
    "redis": ("RedisAdmin", "RedisServer"),
    "rotation": ("RotationStep", "Rotator", "Step", "Strategy"),
    "secrets_manager": ("LocalSecretsManager",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Application",
    "DatabaseAdmin",
    "ExistingServer",
    "LocalSecretsManager",
    "Login",
    "MariaDBAdmin",
    "MariaDBServer",
    "MemorySource",
    "MySQLServer",
    "PostgresAdmin",
    "PostgresServer",
    "RandomRotations",
    "RedisAdmin",
    "RedisServer",
    "RotationError",
    "RotationStep",
    "Rotator",
    "ServerUnavailable",
    "Step",
    "Strategy",
    "forget",
    "new_password",
    "stand_in",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _ROOM_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
