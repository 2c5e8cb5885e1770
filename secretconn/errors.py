"""secretconn's own errors: for secrets and configuration only.

A driver's exception never becomes one of these; it escapes as the driver raised it, with notes added.

    Exception
    └── SecretConnError
        ├── ConfigurationError (also ValueError)   arguments that cannot work, a driver or engine nobody knows
        │   └── DriverNotInstalled (also ImportError)   the driver is known, its package is not there
        └── SecretError
            ├── SecretUnavailable   the source gave no answer, and no earlier one is held
            └── SecretFormatError (also ValueError)   the secret is there and does not hold a login
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ConfigurationError",
    "DriverNotInstalled",
    "SecretConnError",
    "SecretError",
    "SecretFormatError",
    "SecretUnavailable",
]


class SecretConnError(Exception):
    """Base of everything secretconn raises itself."""


class ConfigurationError(SecretConnError, ValueError):
    """Arguments that contradict each other or name something unknown; raised before any login is tried."""


class DriverNotInstalled(ConfigurationError, ImportError):
    """The driver is one secretconn knows, and its package is not installed. The text has the ``pip install`` line."""


class SecretError(SecretConnError):
    """Base of the two errors about a secret.

    Attributes:
        secret_id: The secret, as the caller named it.
    """

    def __init__(self, message: str, *, secret_id: str) -> None:
        super().__init__(message)
        self.secret_id = secret_id

    def again(self) -> SecretError:
        """An equal error for another caller who waited for the same read: a raised one belongs to one thread."""
        return type(self)(str(self), secret_id=self.secret_id)


class SecretUnavailable(SecretError):
    """The source gave no answer and there is no earlier answer to go on with. ``__cause__`` is the source's error."""


class SecretFormatError(SecretError, ValueError):
    """A version of the secret does not hold a login. Names the version and the key, never the content.

    Attributes:
        secret_id: The secret, as the caller named it.
        version_id: The version that was read, or None where it is not known.
        key: The missing or wrong key, or None where the content as a whole is wrong.
    """

    def __init__(self, message: str, *, secret_id: str, version_id: str | None = None, key: str | None = None) -> None:
        super().__init__(message, secret_id=secret_id)
        self.version_id = version_id
        self.key = key

    def again(self) -> SecretFormatError:
        """See SecretError.again."""
        return type(self)(str(self), secret_id=self.secret_id, version_id=self.version_id, key=self.key)


def given_keywords(arguments: Mapping[str, object]) -> list[str]:
    """Those that were given, as a caller writes them: ``["region=", ...]``."""
    return [f"{name}=" for name, value in arguments.items() if value is not None]
