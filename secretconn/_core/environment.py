"""Environment: the variables by which an operator changes where and how often a secret is read, without code.

An argument in the code always wins. They are read when a RotatingCredentials is made; an empty one counts as not set.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from secretconn._core.settings import DEFAULT_TTL
from secretconn.errors import ConfigurationError
from secretconn.sources.names import AGENT, EXTENSION, FILE, SECRETS_MANAGER

__all__ = ["URLS_MAY_NAME_ALL", "URLS_REFUSED", "VARIABLES", "Environment", "Variable", "environment"]

URLS_REFUSED, URLS_MAY_NAME_ALL = "none", "all"


class Environment(NamedTuple):
    """What the variables say; None (or nothing) for those that are not set.

    Attributes:
        source: "secretsmanager", "agent", "extension" or "file:///FOLDER".
        ttl: Seconds.
        region: A region's name.
        endpoint_url: An address.
        replica_regions: Regions' names.
        remote_agent: Whether the agent may be on another machine.
        urls: What ``plugin=secretconn`` in a SQLAlchemy URL may name: "none", "names" or "all".
    """

    source: str | None = None
    ttl: float | None = None
    region: str | None = None
    endpoint_url: str | None = None
    replica_regions: tuple[str, ...] = ()
    remote_agent: bool = False
    urls: str | None = None


class Variable(NamedTuple):
    """One variable.

    Attributes:
        name: Its name.
        field: The Environment's field.
        meaning: What it decides, in one sentence without an end.
        unit: What is written in it.
        default: What holds without it.
        read: Makes a value of the text; raises ValueError, which tells what it must be.
    """

    name: str
    field: str
    meaning: str
    unit: str
    default: str
    read: Callable[[str], Any]


def environment(environ: Mapping[str, str]) -> Environment:
    """Read all variables.

    Raises:
        ConfigurationError: a value that cannot be; names the variable.
    """
    found: dict[str, Any] = {}
    for variable in VARIABLES:
        text = environ.get(variable.name, "").strip()
        if not text:
            continue
        try:
            found[variable.field] = variable.read(text)
        except ValueError as error:
            shown = repr(text) if "@" not in text else "..."  # somebody's user and password in an address
            raise ConfigurationError(f"environment variable {variable.name}={shown}: it must be {error}") from None
    return Environment(**found)


def _source(text: str) -> str:
    folder = text.removeprefix(f"{FILE}://")
    if text in (SECRETS_MANAGER, AGENT, EXTENSION) or (folder != text and folder.startswith("/")):
        return text
    raise ValueError(f"{SECRETS_MANAGER}, {AGENT}, {EXTENSION} or {FILE}:///FOLDER")


def _ttl(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds) and seconds > 0:
        return seconds
    raise ValueError("a number of seconds greater than 0")


def _region(text: str) -> str:
    if re.fullmatch(r"[a-z]{2,}(?:-[a-z0-9]+)+", text):
        return text
    raise ValueError("the name of a region, such as eu-central-1")


def _regions(text: str) -> tuple[str, ...]:
    try:
        return tuple(_region(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("names of regions with commas between them, such as eu-west-1,eu-north-1") from None


def _yes(text: str) -> bool:
    if text.lower() in ("yes", "no"):
        return text.lower() == "yes"
    raise ValueError("yes or no")


def _urls(text: str) -> str:
    if text in (URLS_REFUSED, "names", URLS_MAY_NAME_ALL):
        return text
    raise ValueError("none, names or all")


def _endpoint(text: str) -> str:
    if re.fullmatch(r"https?://[^\s/@]+[^\s@]*", text):
        return text
    raise ValueError("an address, such as https://vpce-1234.secretsmanager.eu-central-1.vpce.amazonaws.com")


VARIABLES = (
    Variable(
        "SECRETCONN_SOURCE",
        "source",
        "where a secret that is given by name or ARN is read from",
        f"`{SECRETS_MANAGER}`, `{AGENT}`, `{EXTENSION}`, or `{FILE}:///FOLDER`, in which the secret's name is a path",
        f"`{SECRETS_MANAGER}`",
        _source,
    ),
    Variable(
        "SECRETCONN_TTL",
        "ttl",
        "after how long an answer is read again in the background",
        "seconds, greater than 0",
        f"{DEFAULT_TTL:g}",
        _ttl,
    ),
    Variable(
        "SECRETCONN_REGION",
        "region",
        "the region of a secret that is given by name",
        "a region's name",
        "that of boto3 (`AWS_DEFAULT_REGION`, the profile, ...), else `AWS_REGION`; a `profile=` or `session=` in code "
        "comes before it",
        _region,
    ),
    Variable(
        "SECRETCONN_ENDPOINT_URL",
        "endpoint_url",
        "the address of Secrets Manager, of the agent or of the extension",
        "an address",
        "AWS's; `http://localhost:2773` for agent and extension",
        _endpoint,
    ),
    Variable(
        "SECRETCONN_REPLICA_REGIONS",
        "replica_regions",
        "the regions that are asked, in this order, while the secret's own does not answer",
        "regions' names with commas between them",
        "none",
        _regions,
    ),
    Variable(
        "SECRETCONN_REMOTE_AGENT",
        "remote_agent",
        "whether the agent's token may go, over plain HTTP, to an agent on another machine",
        "`yes` or `no`",
        "`no`",
        _yes,
    ),
    Variable(
        "SECRETCONN_URLS",
        "urls",
        "what `plugin=secretconn` in a SQLAlchemy URL may name",
        "`none` (such a URL is refused), `names` (name or ARN), `all` (`file://`, `agent://`, `endpoint_url=` too)",
        "`names`",
        _urls,
    ),
)
"""All of them. docs/environment.md shows them as a table, and a test compares the two."""
