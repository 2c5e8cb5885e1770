"""Database connections that survive credential rotation. See README.md for a start, docs/ for the rest.

All times are float seconds.
"""

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
