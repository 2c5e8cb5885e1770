"""Options: what ``secretconn check`` is told."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from secretconn.cli.arguments import number
from secretconn.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be checked. ``arguments`` are more arguments of the driver's connect; ``timeout`` is in seconds."""

    secret: str
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    driver: str | None = None
    engine: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    username: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    timeout: float = 5.0
    look_in: tuple[str, ...] = ()
    all_drivers: bool = False
    login: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; each has the name of its field in Options."""
    add = parser.add_argument
    add("secret", metavar="SECRET", help="its name or ARN; or agent://NAME, extension://NAME, file:///PATH")
    add("--region", help="the region to ask")
    add("--profile", help="a profile of the shared AWS configuration")
    add("--endpoint-url", metavar="URL", help="another address of Secrets Manager, or of the agent")
    add("--driver", help="the driver; default: the first one installed of the secret's engine")
    add("--engine", help="the engine, where the secret names none, as those that RDS manages")
    add("--host", help="instead of the secret's")
    add("--port", type=number(int, 1, 65535), help="instead of the secret's")
    add("--database", help="instead of the secret's")
    add("--username", help="where the secret is plain text that holds only the password")
    append = partial(add, action="append", default=[])
    append("--key", dest="keys", metavar="PART=KEY", help="another key of the secret: username=db_user")
    what = "a further argument of the driver's connect, in JSON or as text: sslmode=require"
    append("--option", dest="arguments", metavar="NAME=VALUE", help=what)
    add("--timeout", type=number(float, 1, 3600), default=5.0, help="seconds for a login; default: %(default)g")
    add("--look-in", type=_listed, default=(), metavar="REGIONS", help="where else to look for a missing secret")
    add("--all-drivers", action="store_true", help="try each driver that is installed, sync and async")
    add("--no-login", dest="login", action="store_false", help="read the secret only")
    add("--json", action="store_true", help="one JSON object on standard output; the steps go to standard error")
    add("--strict", action="store_true", help="exit code 1 for warnings too")


def options(arguments: argparse.Namespace) -> Options:
    """Return the options.

    Raises:
        ConfigurationError: Some of them contradict each other, or are not written NAME=VALUE.
    """
    if arguments.all_drivers and arguments.driver:
        raise ConfigurationError("--all-drivers tries them all; leave --driver out")
    if arguments.all_drivers and arguments.arguments:
        raise ConfigurationError("--option is an argument of one driver; name it by --driver, without --all-drivers")
    values = {one.name: getattr(arguments, one.name) for one in fields(Options)}
    values["keys"] = dict(_pair("--key", text) for text in arguments.keys)
    values["arguments"] = {name: _value(text) for name, text in (_pair("--option", one) for one in arguments.arguments)}
    return Options(**values)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigurationError(f"{option} is written NAME=VALUE")
    return name, value


def _value(text: str) -> Any:
    """Read JSON, or else take the text itself: ``5``, ``true``, ``{"ca": "/ca.pem"}``, ``require``."""
    try:
        return json.loads(text)
    except ValueError:
        return text
