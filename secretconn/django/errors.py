"""A secret that gives no login, as code written for Django expects to meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

from secretconn.errors import ConfigurationError, SecretFormatError, SecretUnavailable

__all__ = ["MisconfiguredOperationalError", "SecretFormatOperationalError", "SecretOperationalError", "djangos"]


class SecretOperationalError(OperationalError, SecretUnavailable):  # type: ignore[misc]
    """No login is to be had: to Django's own code and to yours the database is unavailable.

    Also a SecretUnavailable. ``__cause__`` is the one that was raised, and behind it the source's error.
    """


class SecretFormatOperationalError(OperationalError, SecretFormatError):  # type: ignore[misc]
    """The secret is there and does not hold a login. Also a SecretFormatError; ``__cause__`` is the one raised."""


class MisconfiguredOperationalError(OperationalError, ImproperlyConfigured, ConfigurationError):  # type: ignore[misc]
    """The secret and the settings do not fit, or nobody says where it is read.

    An OperationalError, because a command that can do without the database (``makemigrations``) goes on after one.
    """


@contextmanager
def djangos(alias: str) -> Iterator[None]:
    """Within it, errors about the secret of an alias are raised as Django's, caused by ours."""
    try:
        yield
    except OperationalError:
        raise
    except SecretUnavailable as error:
        raise SecretOperationalError(str(error), secret_id=error.secret_id) from error
    except SecretFormatError as error:
        raise SecretFormatOperationalError(
            str(error), secret_id=error.secret_id, version_id=error.version_id, key=error.key
        ) from error
    except ConfigurationError as error:
        raise MisconfiguredOperationalError(f"DATABASES[{alias!r}]: {error}") from error
