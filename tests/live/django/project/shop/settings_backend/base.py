"""PostgreSQL, connecting as Django's Oracle backend does."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql import base

import secretconn.django

LOGIN = ("user", "password", "host", "port", "dbname")


class Late(base.DatabaseWrapper):
    vendor = "late"  # no pool

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        return {key: value for key, value in params.items() if key not in LOGIN}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        settings = self.settings_dict
        return self.Database.connect(
            user=settings["USER"],
            password=settings["PASSWORD"],
            host=settings["HOST"],
            port=settings["PORT"],
            dbname=settings["NAME"],
            **conn_params,
        )

    def init_connection_state(self) -> None:
        BaseDatabaseWrapper.init_connection_state(self)


DatabaseWrapper = secretconn.django.rotating(Late)
