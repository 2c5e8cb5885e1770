"""Redshift: PostgreSQL's protocol with one code of its own; redshift_connector, and PostgreSQL's drivers as well."""

from __future__ import annotations

from . import postgresql
from .arguments import keyword_reader
from .base import Driver, Engine, Verdict, judge, text_of
from .postgresql_errors import classify as classify_postgresql

__all__ = ["ENGINE", "classify"]

_PLAIN = {"user": "user", "password": "password", "host": "host", "port": "port", "database": "database"}
_LOGIN_REFUSED = "password authentication failed"


def classify(error: BaseException) -> Verdict:
    """Say whether the server refused this login. Never raises."""
    verdict = classify_postgresql(error)
    return judge(error, _opinion) if verdict is Verdict.SUSPECT else verdict


def _opinion(error: BaseException) -> Verdict | None:
    """Redshift says 28000 where PostgreSQL says 28P01 (redshift_connector's core.py raises InterfaceError for it)."""
    return Verdict.REJECTED if _LOGIN_REFUSED in text_of(error) else Verdict.SUSPECT


_REDSHIFT_CONNECTOR = Driver(
    name="redshift-connector",
    engine="redshift",
    module="redshift_connector",
    extra="redshift-connector",
    keywords=_PLAIN,
    given=keyword_reader(
        _PLAIN | {"unix_sock": "host", "db_user": "user", "iam": "user", "credentials_provider": "user"},
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
