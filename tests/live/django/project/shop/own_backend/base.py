"""PostgreSQL with a fixed application_name, made to rotate."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

import secretconn.django


class Own(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "application_name": "own"}


DatabaseWrapper = secretconn.django.rotating(Own)
