"""The module Django's loader looks for. Django's Oracle backend takes the login from the settings when it connects."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.oracle import base
from django.utils.functional import cached_property

from secretconn.django.oracle import driver
from secretconn.django.wrapper import rotating

__all__ = ["DatabaseWrapper"]

_Rotating: Any = rotating(base.DatabaseWrapper, driver=driver.ORACLEDB)


class DatabaseCreation(base.DatabaseWrapper.creation_class):  # type: ignore[misc]
    """Django's makes a test user with a password of its own; its main connection keeps logging in by the secret."""

    @cached_property  # type: ignore[untyped-decorator]
    def _maindb_connection(self) -> Any:
        given = {**settings.DATABASES[self.connection.alias], "USER": "", "PASSWORD": ""}
        return type(self.connection)(given, alias=self.connection.alias)


class DatabaseWrapper(_Rotating):  # type: ignore[misc]
    """Django's, whose login comes from the secret. Without its pool, which would keep one password for good."""

    creation_class = DatabaseCreation

    @property
    def is_pool(self) -> bool:
        """False.

        Raises:
            ImproperlyConfigured: OPTIONS["pool"] is set.
        """
        if self.settings_dict["OPTIONS"].get("pool"):
            raise ImproperlyConfigured(
                f'DATABASES[{self.alias!r}]: OPTIONS["pool"] of Oracle keeps one password for good; leave it out '
                "and set CONN_MAX_AGE instead"
            )
        return False
