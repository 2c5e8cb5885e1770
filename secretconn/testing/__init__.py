"""secretconn.testing: real servers, a local Secrets Manager and real rotations, for your tests and for ours.

Nothing heavy is imported here. ``pip install 'secretconn[testing]'`` brings what the servers need.
"""

from __future__ import annotations

from secretconn.testing.admins import DatabaseAdmin, MariaDBAdmin, PostgresAdmin
from secretconn.testing.applications import Application
from secretconn.testing.errors import RotationError, ServerUnavailable
from secretconn.testing.logins import Login, new_password
from secretconn.testing.mariadb import MariaDBServer
from secretconn.testing.postgres import PostgresServer
from secretconn.testing.rotation import RotationStep, Rotator, Step, Strategy
from secretconn.testing.secrets_manager import LocalSecretsManager

__all__ = [
    "Application",
    "DatabaseAdmin",
    "LocalSecretsManager",
    "Login",
    "MariaDBAdmin",
    "MariaDBServer",
    "PostgresAdmin",
    "PostgresServer",
    "RotationError",
    "RotationStep",
    "Rotator",
    "ServerUnavailable",
    "Step",
    "Strategy",
    "new_password",
]
