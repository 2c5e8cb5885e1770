"""Settings for Django's own test suite: as SUITE_LOGIN says, with the secret or with the login itself."""

from __future__ import annotations

import json
import os

_DATABASE = json.loads(os.environ["SUITE_LOGIN"])
DATABASES = {alias: json.loads(json.dumps(_DATABASE)) for alias in ("default", "other")}
SECRET_KEY = "suite"
USE_TZ = False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
