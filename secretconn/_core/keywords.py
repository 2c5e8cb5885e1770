"""Keywords: what the driver's connect is told of a login, decided from the secret, the caller, driver and engine alone.

What the caller says wins over the secret, the secret over what the driver finds for itself (PGDATABASE, an option
file), and that over the engine's default: a library's default must not open another database than the driver would.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from secretconn.credentials import Credentials, Problem
from secretconn.engines.base import Driver, Engine, Given
from secretconn.errors import ConfigurationError

__all__ = ["keywords"]


def keywords(
    credentials: Credentials, given: Given, driver: Driver, engine: Engine, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """The driver's keywords for a login: user and password always, the rest where the caller has not said it.

    Args:
        credentials: The login.
        given: What the caller's own arguments say.
        driver: How the driver calls its keywords, and where it looks for itself.
        engine: The secret's engine: Redshift's default port holds for psycopg as well.
        environ: The variables that the driver reads.

    Raises:
        ConfigurationError: nobody names a host.
        SecretFormatError: a value that is needed is one the driver cannot carry or nobody can use, or it stands under
            another key than the one that is looked at.
    """
    values = _place(credentials, given, driver, engine, environ)  # raises before a password is in our locals
    values["user"], values["password"] = credentials.username, credentials.password
    for name in values:
        problem = _unsendable(driver, name, values[name])
        if problem is not None:
            values.clear()
            raise problem.error(credentials.secret_id, credentials.version_id)
    names = driver.keywords
    return {names[name]: value for name, value in values.items()}


def _place(
    credentials: Credentials, given: Given, driver: Driver, engine: Engine, environ: Mapping[str, str]
) -> dict[str, str | int]:
    """Canonical name to value of what the driver is told of host, port and database."""
    told: dict[str, str | int] = {}
    for name in ("host", "port", "database"):
        if name in given.names:
            continue
        value: str | int | None = getattr(credentials, name)
        if value is None and not _driver_looks(given, driver, name, environ):
            value = _default(credentials, driver, engine, name)
        if value is not None:
            told[name] = value
    return told


def _driver_looks(given: Given, driver: Driver, name: str, environ: Mapping[str, str]) -> bool:
    """Whether the driver itself finds this one."""
    return given.option_file or any(environ.get(variable) for variable in driver.variables.get(name, ()))


def _default(credentials: Credentials, driver: Driver, engine: Engine, name: str) -> str | int | None:
    defaults: Mapping[str, str | int | None] = {"port": engine.default_port, "database": engine.default_database}
    default, problem = defaults.get(name), credentials.problems.get(name)
    if problem is not None and (name == "host" or default is not None):
        raise problem.error(credentials.secret_id, credentials.version_id)
    if name == "host":
        raise ConfigurationError(
            f"secret {credentials.secret_id!r} names no host (RDS-managed secrets do not); "
            f"pass {driver.keywords['host']}="
        )
    return default


def _unsendable(driver: Driver, name: str, value: object) -> Problem | None:
    """What of a value the driver cannot carry: it would end there, or what follows would be read as something else."""
    if not isinstance(value, str):
        return None
    for character in driver.forbidden.get(name, ""):
        if character in value:
            shown = "NUL" if character == "\0" else repr(character)
            return Problem(f"its {name} has a {shown} character, which {driver.name} cannot carry", name)
    return None
