"""Redshift: PostgreSQL's protocol; redshift_connector, and PostgreSQL's drivers as well.

It says 28000 where PostgreSQL says 28P01, with the same text (redshift_connector's core.py raises InterfaceError then).
"""

from __future__ import annotations

from . import postgresql
from .arguments import keyword_reader
from .base import PLAIN, Driver, Engine
from .postgresql_errors import classify

__all__ = ["ENGINE", "classify"]

_REDSHIFT_CONNECTOR = Driver(
    name="redshift-connector",
    engine="redshift",
    module="redshift_connector",
    extra="redshift-connector",
    keywords=PLAIN,
    given=keyword_reader(
        PLAIN | {"unix_sock": "host", "db_user": "user", "iam": "user", "credentials_provider": "user"},
        ("user", "database", "password", "port", "host", None, "host"),
    ),
    classify=classify,
)

ENGINE = Engine(
    name="redshift",
    secret_names=frozenset({"redshift", "redshift-serverless"}),
    default_port=5439,
    default_database="dev",
    drivers=(_REDSHIFT_CONNECTOR, *postgresql.ENGINE.drivers),
)
