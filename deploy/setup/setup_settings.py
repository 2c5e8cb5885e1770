"""The web application's settings with the main login: for `manage.py migrate`, which the application's user may not."""

from __future__ import annotations

import os

from project.settings import *  # noqa: F403
from project.settings import DATABASES, ENGINE, TLS

MAIN = {"id": os.environ["SETUP_MAIN_SECRET"], "engine": ENGINE, "region": os.environ.get("AWS_REGION") or None}
DATABASES["default"] |= {
    "OPTIONS": {"secret": MAIN, **TLS},  # no time limits: a migration may take long
    "HOST": os.environ["SETUP_HOST"],  # a secret that RDS manages holds user and password alone
    "PORT": os.environ.get("SETUP_PORT", ""),
    "NAME": os.environ["SETUP_DATABASE"],
}
