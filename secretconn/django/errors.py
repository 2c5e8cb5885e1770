"""An unreadable secret, as code written for Django expects to meet it."""

from __future__ import annotations

from django.db.utils import OperationalError

from secretconn.errors import SecretUnavailable

__all__ = ["SecretOperationalError"]


class SecretOperationalError(OperationalError, SecretUnavailable):  # type: ignore[misc]
    """No login is to be had: to Django's own code and to yours the database is unavailable.

    Also a SecretUnavailable. ``__cause__`` is the one that was raised, and behind it the source's error.
    """
