"""Options: what ``secretconn check`` is told, and what of it goes where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secretconn._core.environment import Environment
from secretconn.errors import ConfigurationError

__all__ = ["REGION_VARIABLES", "Options", "add_arguments", "options", "regions_around"]

TIMEOUT = 5.0
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be checked.

    Attributes:
        secret: Name, ARN, or an id with a scheme.
        region, profile, endpoint_url: How Secrets Manager is reached.
        driver, engine: As in connect().
        host, port, database: What the application passes besides the secret.
        username, keys: For secrets of other shapes, as in RotatingCredentials.
        arguments: More arguments of the driver's connect.
        timeout: Seconds for a login.
        look_in: Further regions to look into where the secret is not in the one that is asked.
        all_drivers: Try each driver that is installed, sync and async.
        login: Whether to log in at all.
    """

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
    timeout: float = TIMEOUT
    look_in: tuple[str, ...] = ()
    all_drivers: bool = False
    login: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them all."""
    add = parser.add_argument
    add("secret", metavar="SECRET", help="its name or ARN; or agent://NAME, extension://NAME, file:///PATH")
    add("--region", help="the region to ask")
    add("--profile", help="a profile of the shared AWS configuration")
    add("--endpoint-url", metavar="URL", help="another address of Secrets Manager, or of the agent")
    add("--driver", help="the driver; default: the first one installed of the secret's engine")
    add("--engine", help="the engine, where the secret names none, as those that RDS manages")
    add("--host", help="instead of the secret's")
    add("--port", type=_port, help="instead of the secret's")
    add("--database", help="instead of the secret's")
    add("--username", help="where the secret is plain text that holds only the password")
    add("--key", action="append", default=[], metavar="PART=KEY", help="another key of the secret: username=db_user")
    add(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further argument of the driver's connect, in JSON or as text: sslmode=require",
    )
    add("--timeout", type=_seconds, default=TIMEOUT, help="seconds for a login; default: %(default)g")
    add("--look-in", default="", metavar="REGIONS", help="where else to look for a secret that is not there")
    add("--all-drivers", action="store_true", help="try each driver that is installed, sync and async")
    add("--no-login", action="store_true", help="read the secret only")
    add("--json", action="store_true", help="one JSON object on standard output; the steps go to standard error")
    add("--strict", action="store_true", help="exit code 1 for warnings too")


def options(arguments: argparse.Namespace) -> Options:
    """From what argparse made of the words.

    Raises:
        ConfigurationError: Some of them do not go together.
    """
    if arguments.all_drivers and arguments.driver:
        raise ConfigurationError("--all-drivers tries them all; leave --driver out")
    if arguments.all_drivers and arguments.option:
        raise ConfigurationError("--option is an argument of one driver; name it by --driver, without --all-drivers")
    return Options(
        secret=arguments.secret,
        region=arguments.region,
        profile=arguments.profile,
        endpoint_url=arguments.endpoint_url,
        driver=arguments.driver,
        engine=arguments.engine,
        host=arguments.host,
        port=arguments.port,
        database=arguments.database,
        username=arguments.username,
        keys=dict(_pair("--key", text) for text in arguments.key),
        arguments={name: _value(text) for name, text in (_pair("--option", one) for one in arguments.option)},
        timeout=arguments.timeout,
        look_in=tuple(part.strip() for part in arguments.look_in.split(",") if part.strip()),
        all_drivers=arguments.all_drivers,
        login=not arguments.no_login,
    )


def regions_around(
    asked: str | None, options: Options, around: Environment, environ: Mapping[str, str], profile_region: str | None
) -> list[str]:
    """The regions that somebody named, but for the one that was asked: where a missing secret may be meant to be."""
    named = [
        around.region,
        *(environ.get(variable) for variable in REGION_VARIABLES),
        profile_region,
        *around.replica_regions,
        *options.look_in,
    ]
    return [region for region in dict.fromkeys(named) if region and region != asked]


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigurationError(f"{option} is written NAME=VALUE")
    return name, value


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself: ``5``, ``true``, ``{"ca": "/ca.pem"}``, ``require``."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.0 < seconds <= 3600.0:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("must be greater than 0 and at most 3600")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port <= 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("must be from 1 to 65535")
    return port
