"""Names: what a secret is called, and which source its name asks for (``agent://prod/orders``)."""

from __future__ import annotations

import re
from typing import NamedTuple

from secretconn.errors import ConfigurationError

__all__ = [
    "AGENT",
    "EXTENSION",
    "FILE",
    "KNOWN",
    "SECRETS_MANAGER",
    "TOKENS",
    "SecretName",
    "check_name",
    "check_secret_id",
    "plain_names",
    "secret_name",
]

SECRETS_MANAGER, AGENT, EXTENSION, FILE = "secretsmanager", "agent", "extension", "file"

KNOWN = {
    SECRETS_MANAGER: "secretsmanager://NAME",
    AGENT: "agent://NAME",
    EXTENSION: "extension://NAME",
    FILE: "file:///PATH",
    "rds-iam": "rds-iam://USER@HOST[:PORT]/DATABASE?engine=postgresql",
    "dsql": "dsql://USER@HOST[:PORT]/DATABASE",
    "elasticache-iam": "elasticache-iam://USER@HOST[:PORT]/NUMBER?cache=NAME",
    "memorydb-iam": "memorydb-iam://USER@HOST[:PORT]/NUMBER?cache=CLUSTER",
}
"""Scheme to how it is written."""

TOKENS = ("rds-iam", "dsql", "elasticache-iam", "memorydb-iam")
"""Schemes of logins that are signed here (tokens.py), so that there is no secret."""

LONGEST = 2048
"""Characters of a SecretId, by the Secrets Manager API reference (GetSecretValue)."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<name>.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]+")  # the API reference (CreateSecret); services of AWS begin theirs with rds!
_REMEDY = (
    "Pass the name or the ARN of the secret, not what is in it. A task definition of ECS hands over the content with "
    '"secrets" and the name with "environment" (docs/migrating.md).'
)


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
        ConfigurationError: it can be no secret's id, names an unknown source, or nothing after it. It is never shown.
    """
    check_secret_id(secret_id)
    found = _URL.fullmatch(secret_id)
    scheme, name = (None, secret_id) if found is None else (found["scheme"].lower(), found["name"])
    if scheme is not None and scheme not in KNOWN:
        raise ConfigurationError(
            f"the secret id is a URL of no source of secrets; known are {', '.join(KNOWN.values())}, and a name or ARN "
            f"alone. Your own source goes into source="
        )
    if scheme is not None and (not name or (scheme == FILE and not name.startswith("/"))):
        raise ConfigurationError(f"a secret id that begins with {scheme}:// is written {KNOWN[scheme]}; it names none")
    return SecretName(scheme, name)


def check_secret_id(secret_id: object) -> None:
    """Refuse what is the content of a secret, or anything else that can be no id, for a source of one's own too.

    Raises:
        ConfigurationError: says what it looks like, and shows nothing of it.
    """
    if not isinstance(secret_id, str) or not secret_id:
        raise ConfigurationError("secret_id must be the name or the ARN of a secret")
    why = None
    if secret_id.lstrip("\ufeff \t\r\n").startswith(("{", "[", '"')):
        why = "is JSON"
    elif any(one.isspace() or not one.isprintable() for one in secret_id) and not secret_id.startswith(f"{FILE}://"):
        why = "has a blank or a control character"
    elif len(secret_id) > LONGEST:
        why = f"has more than {LONGEST} characters"
    elif (url := _URL.fullmatch(secret_id)) is not None and "@" in url["name"] and url["scheme"].lower() not in KNOWN:
        why = "is a URL with a user in it"
    if why is not None:
        raise ConfigurationError(f"the secret id {why}, so it can be no secret's. {_REMEDY}")


def check_name(name: str) -> None:
    """Refuse what Secrets Manager has no name for; an ARN is for `secret_arn` to judge.

    Raises:
        ConfigurationError: shows nothing of it.
    """
    if not name.startswith("arn:") and _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"the secret id has a character that no name has; letters, digits and /_+=.@!- are allowed. {_REMEDY}"
        )


def plain_names(secret_id: str) -> tuple[str, ...]:
    """What the secret may be called, likeliest first: an ARN may leave out the six characters in its end."""
    found = _URL.fullmatch(secret_id)
    if found is not None and found["scheme"].lower() == FILE:
        from urllib.parse import unquote

        return (unquote(found["name"]),)
    name = found["name"] if found is not None and found["scheme"].lower() in KNOWN else secret_id
    whole = name.rpartition(":")[2]
    return tuple(dict.fromkeys((whole, re.sub(r"-[A-Za-z0-9]{6}$", "", whole)) if name.startswith("arn:") else (name,)))
