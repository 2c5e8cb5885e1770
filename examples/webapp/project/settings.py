"""Settings, all from the environment. There is no password among them, and none in the environment.

| variable | |
|---|---|
| WEBAPP_SECRET | name or ARN of the secret with the database's login; must be set |
| WEBAPP_ENGINE | postgresql (default) or mysql |
| AWS_REGION | the region, for secrets that are given by name |
| DJANGO_ALLOWED_HOSTS | host names the application answers to, separated by commas |
| WEBAPP_DJANGO_KEY_SECRET | name or ARN of a secret whose string is Django's SECRET_KEY; else a random one |
| WEBAPP_HTTPS | 1 behind a proxy that ends TLS and sets X-Forwarded-Proto itself: secure cookies, HSTS |
| WEBAPP_TLS_CA | the file with the authorities the database's certificate is verified with; empty: not verified |
| WEBAPP_THREADS | gunicorn's threads in each worker, default 16; all but two of them may wait for the database |
| WEBAPP_CONN_MAX_AGE | Django's CONN_MAX_AGE in seconds; 0 (default): every request logs in |
| WEBAPP_DEV_ROTATOR_URL | only for development: where rotator.py listens; the status page has buttons then |
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from project.connecting import TIMEOUTS, verified

BASE_DIR = Path(__file__).resolve().parent.parent
BACKENDS = {"postgresql": "secretconn.django.postgresql", "mysql": "secretconn.django.mysql"}


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"set {name}: the name or ARN of the secret with the database's login")
    return value


def _engine(name: str) -> str:
    if name not in BACKENDS:
        raise ImproperlyConfigured(f"WEBAPP_ENGINE must be one of {', '.join(BACKENDS)}, not {name!r}")
    return name


def _secret_key(secret: str) -> str:
    """Django's key; read once, before gunicorn forks, so that all workers have the same."""
    if not secret:
        return secrets.token_urlsafe(50)
    from aws_secretsmanager_caching import SecretCache

    return str(SecretCache().get_secret_string(secret))


# boto3 looks at AWS_DEFAULT_REGION alone; ECS and Lambda set AWS_REGION.
if os.environ.get("AWS_REGION"):
    os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])

ENGINE = _engine(os.environ.get("WEBAPP_ENGINE", "postgresql"))
if ENGINE == "mysql":
    import pymysql  # and not mysqlclient, which with MariaDB's library takes `ssl` and still talks to a server without

    pymysql.install_as_MySQLdb()

TLS = verified(ENGINE, os.environ.get("WEBAPP_TLS_CA", ""))
DATABASES = {
    "default": {
        "ENGINE": BACKENDS[ENGINE],
        "OPTIONS": {"secret": {"id": _required("WEBAPP_SECRET"), "on_rotation": "drain"}, **TIMEOUTS[ENGINE], **TLS},
        "CONN_MAX_AGE": int(os.environ.get("WEBAPP_CONN_MAX_AGE", "0")),
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DEBUG = False
SECRET_KEY = _secret_key(os.environ.get("WEBAPP_DJANGO_KEY_SECRET", ""))
ALLOWED_HOSTS = [
    host.strip() for host in os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",") if host.strip()
]
DATABASE_THREADS = int(os.environ.get("WEBAPP_THREADS", "16")) - 2
DEV_ROTATOR_URL = os.environ.get("WEBAPP_DEV_ROTATOR_URL", "")

INSTALLED_APPS = ["django.contrib.messages", "django.contrib.staticfiles", "customers", "status"]
MIDDLEWARE = [
    "project.middleware.Health",  # first: probes come by IP address, over plain HTTP
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "project.middleware.ContentSecurityPolicy",
    "status.middleware.Count",
    "project.middleware.Limit",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"  # no session, no table
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # from where they stand: nothing is collected, nothing is written
USE_TZ = True
TIME_ZONE = "UTC"

HTTPS = os.environ.get("WEBAPP_HTTPS", "") == "1"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} [{process}] {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {name: {"handlers": ["console"], "level": "INFO"} for name in ("django", "secretconn", "webapp")},
}
