"""TLS for tokens: what each driver must be told so that a token, which is sent in clear, goes through TLS alone.

The caller's own TLS arguments win; those that switch it off, or leave it to the server, are refused. Without any, the
driver is asked for TLS, and checks the certificate as far as that is its own default. aiomysql, and MariaDB's library
while it checks no certificate, go on without where the server has none; nothing tells them not to (docs/sources.md).
Sources: the drivers' own documentation of these arguments; "SSL Support" in the libpq chapter of the PostgreSQL manual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NoReturn

from secretconn.errors import ConfigurationError

from .conninfo import parse

__all__ = [
    "AskForTLS",
    "asked_of_asyncpg",
    "asked_of_connector",
    "asked_of_libpq",
    "asked_of_mariadb",
    "asked_of_mysqlclient",
    "asked_of_pg8000",
    "asked_of_pymysql",
    "asked_of_redis",
    "asked_with_context",
]

AskForTLS = Callable[[tuple[Any, ...], Mapping[str, Any], Mapping[str, str]], Mapping[str, Any]]
"""Takes the caller's arguments and the environment; answers the keywords to add. Raises ConfigurationError."""

_WEAK = ("disable", "allow", "prefer")
"""Modes of libpq and asyncpg in which a login may go without TLS."""


def asked_of_libpq(args: tuple[Any, ...], kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    """psycopg and psycopg2: ``sslmode``, as a keyword, in the connection string, or PGSSLMODE."""
    text = args[0] if args else kwargs.get("conninfo") or kwargs.get("dsn")
    parts = parse(text) if isinstance(text, str) else {}
    mode = kwargs.get("sslmode") or parts.get("sslmode")
    if mode is None and (kwargs.get("service") or parts.get("service") or environ.get("PGSERVICE")):
        raise ConfigurationError("a service may say any sslmode; name sslmode=verify-full beside it, for tokens")
    return _asked(mode, environ, "sslmode")


def asked_of_asyncpg(args: tuple[Any, ...], kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    """``ssl``: a context, True, or a mode of libpq's; ``sslmode`` in the DSN, or PGSSLMODE."""
    text = args[0] if args else kwargs.get("dsn")
    ssl = kwargs.get("ssl")
    if ssl is None and isinstance(text, str):
        ssl = parse(text, lenient=True).get("sslmode")
    if ssl is False:
        _refuse("ssl=False")
    return _asked(ssl, environ, "ssl")


def _asked(mode: object, environ: Mapping[str, str], keyword: str) -> Mapping[str, Any]:
    if isinstance(mode, str) and mode in _WEAK:
        _refuse(f"{keyword}={mode}")
    insists = bool(mode) or environ.get("PGSSLMODE") in ("require", "verify-ca", "verify-full")
    return {} if insists else {keyword: "require"}


def asked_of_pg8000(args: tuple[Any, ...], kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:  # noqa: ARG001
    """``ssl_context``: a context, or True; None takes no TLS where the server has none."""
    if kwargs.get("ssl_context") is False:
        _refuse("ssl_context=False")
    return {} if kwargs.get("ssl_context") is not None else {"ssl_context": True}


_PYMYSQL = ("ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity")


def asked_of_pymysql(args: tuple[Any, ...], kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:  # noqa: ARG001
    """``ssl``, ``ssl_ca`` and their like. The token's plugin, mysql_clear_password, is always on."""
    if kwargs.get("ssl_disabled") or kwargs.get("ssl") is False:
        _refuse("ssl_disabled=True" if kwargs.get("ssl_disabled") else "ssl=False")
    # A dict that says its default: it checks a certificate as soon as there is a CA, in an option file too.
    return {} if any(kwargs.get(name) for name in _PYMYSQL) else {"ssl": {"check_hostname": True}}


def asked_of_mysqlclient(
    args: tuple[Any, ...],  # noqa: ARG001
    kwargs: Mapping[str, Any],
    environ: Mapping[str, str],  # noqa: ARG001
) -> Mapping[str, Any]:
    """``ssl_mode``. MariaDB's library has mysql_clear_password as a plugin of its own; MySQL's must be told by
    LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN or an option file."""
    mode = str(kwargs.get("ssl_mode") or "").upper()
    if mode in ("DISABLED", "PREFERRED") or kwargs.get("ssl") is False:
        _refuse(f"ssl_mode={mode}" if mode else "ssl=False")
    return {} if mode else {"ssl_mode": "REQUIRED"}


def asked_of_connector(
    args: tuple[Any, ...],  # noqa: ARG001
    kwargs: Mapping[str, Any],
    environ: Mapping[str, str],  # noqa: ARG001
) -> Mapping[str, Any]:
    """``auth_plugin=mysql_clear_password``, with which it refuses a server that has no TLS."""
    if kwargs.get("ssl_disabled"):
        _refuse("ssl_disabled=True")
    return {"auth_plugin": "mysql_clear_password", "ssl_disabled": False}


def asked_of_mariadb(args: tuple[Any, ...], kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:  # noqa: ARG001
    """``ssl``: True, or a dict of its options."""
    if kwargs.get("ssl") is False:
        _refuse("ssl=False")
    return {} if kwargs.get("ssl") else {"ssl": True}


def asked_with_context(
    args: tuple[Any, ...],  # noqa: ARG001
    kwargs: Mapping[str, Any],
    environ: Mapping[str, str],  # noqa: ARG001
) -> Mapping[str, Any]:
    """aiomysql and asyncmy: ``ssl`` is a context; without one there is no TLS."""
    if kwargs.get("ssl") is False:
        _refuse("ssl=False")
    return {} if kwargs.get("ssl") else {"ssl": _any_certificate()}


def asked_of_redis(args: tuple[Any, ...], kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:  # noqa: ARG001
    """``ssl=True``, or a ``rediss://`` URL."""
    url = args[0] if args else kwargs.get("url")
    if isinstance(url, str) and "://" in url:
        return {} if url.startswith("rediss://") else _refuse("redis://", "rediss://")
    if kwargs.get("ssl") is False:
        _refuse("ssl=False")
    return {} if kwargs.get("ssl") else {"ssl": True}


@cache
def _any_certificate() -> Any:
    """As libpq's sslmode=require: encrypted, and the certificate is not looked at."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _refuse(said: str, instead: str = "") -> NoReturn:
    remedy = f"write {instead}" if instead else "leave it out, or ask for a checked certificate (docs/sources.md)"
    raise ConfigurationError(f"{said} lets a token be sent without TLS, where anybody on the way can use it; {remedy}")
