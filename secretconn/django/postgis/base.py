"""The module Django's loader looks for."""

from __future__ import annotations

from django.contrib.gis.db.backends.postgis import base

from secretconn.django.wrapper import rotating

__all__ = ["DatabaseWrapper"]

DatabaseWrapper = rotating(base.DatabaseWrapper)
