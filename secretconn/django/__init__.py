"""Django: database backends whose login comes from a secret. See docs/django.md.

``"ENGINE": "secretconn.django.postgresql"`` (or ``mysql``, ``postgis``, ``oracle``) and
``"OPTIONS": {"secret": "prod/orders"}``. Any other backend: `rotating`. The logins
of an alias, to look at: `credentials_of`.
"""

from __future__ import annotations

from secretconn.errors import DriverNotInstalled

try:
    import django as _django  # noqa: F401
except ImportError as error:
    raise DriverNotInstalled(f"Django cannot be imported ({error}): pip install 'secretconn[django]'") from error

from secretconn.django.errors import (
    MisconfiguredOperationalError,
    SecretFormatOperationalError,
    SecretOperationalError,
)
from secretconn.django.wrapper import credentials_of, rotating

__all__ = [
    "MisconfiguredOperationalError",
    "SecretFormatOperationalError",
    "SecretOperationalError",
    "credentials_of",
    "rotating",
]
