"""``manage.py dbshell``: the client program gets one whole login, read when it starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from secretconn.django.live_settings import LiveSettings
from secretconn.django.stock import Stock

__all__ = ["RotatingClient"]


class RotatingClient(Stock):  # type: ignore[misc]
    """Comes before a backend's DatabaseClient, which decides what goes on the command line and what does not."""

    @classmethod
    def settings_to_cmd_args_env(cls, settings_dict: dict[str, Any], parameters: Iterable[str]) -> Any:
        """As Django's; user and password are those of one version, even if a rotation happens in between."""
        if not isinstance(settings_dict, LiveSettings):
            return super().settings_to_cmd_args_env(settings_dict, parameters)
        with settings_dict.pinned():
            return super().settings_to_cmd_args_env(settings_dict, parameters)
