"""Database connections that survive credential rotation. See README.md for a start, docs/ for the rest.

All times are float seconds. Neither boto3 nor any driver is imported before the first connection.
"""

from secretconn._core.api import aconnect, connect, wrap
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.shared import shared
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
from secretconn.runtime import Runtime

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
