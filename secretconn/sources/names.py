"""Names: what a secret is called, and which source its name asks for (``agent://prod/orders``)."""

from __future__ import annotations

import re
from typing import NamedTuple

from secretconn.errors import ConfigurationError

__all__ = ["AGENT", "EXTENSION", "FILE", "KNOWN", "SECRETS_MANAGER", "SecretName", "secret_name"]

SECRETS_MANAGER, AGENT, EXTENSION, FILE = "secretsmanager", "agent", "extension", "file"

KNOWN = {
    SECRETS_MANAGER: "secretsmanager://NAME",
    AGENT: "agent://NAME",
    EXTENSION: "extension://NAME",
    FILE: "file:///PATH",
}
"""Scheme to how it is written."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<name>.*)", re.DOTALL)


class SecretName(NamedTuple):
    """A secret id taken apart.

    Attributes:
        scheme: Which source it asks for, or None for a plain name or ARN.
        name: The secret's name or ARN, or the path of the file.
    """

    scheme: str | None
    name: str


def secret_name(secret_id: str) -> SecretName:
    """Take an id apart. An ARN has colons and is no URL.

    Raises:
        ConfigurationError: a scheme nobody knows, or nothing after it.
    """
    found = None if secret_id.startswith("arn:") else _URL.fullmatch(secret_id)
    if found is None:
        return SecretName(None, secret_id)
    scheme, name = found["scheme"].lower(), found["name"]
    if scheme not in KNOWN:
        raise ConfigurationError(
            f"{found['scheme']}:// is no source of secrets; known are {', '.join(KNOWN.values())}, and a name or ARN "
            f"alone. Your own source goes into source="
        )
    if not name or (scheme == FILE and not name.startswith("/")):
        raise ConfigurationError(f"{secret_id!r} names no secret; it is written {KNOWN[scheme]}")
    return SecretName(scheme, name)
