"""Parsing: how each shape of a secret is read into Credentials.

Shapes (AWS Secrets Manager, "JSON structure of AWS Secrets Manager secrets"): AWS's JSON for databases, the RDS-managed
form (username and password only), JSON with other key names, plain text that is only a password, and binary JSON.

Parsing never raises while a frame still holds secret content: the readers below return Credentials or a Problem, and
only `parse`, whose locals are all redacted, turns a Problem into SecretFormatError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from secretconn.credentials import Credentials, Payload
from secretconn.errors import ConfigurationError, SecretFormatError

__all__ = ["Shape", "parse"]

AWS_KEYS: Mapping[str, str] = {
    "engine": "engine",
    "host": "host",
    "port": "port",
    "username": "username",
    "password": "password",
    "database": "dbname",
    "ssl": "ssl",
}
"""What a login is made of, and the key AWS's own JSON keeps it under."""

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Shape:
    """How to read a secret that is not in AWS's own JSON.

    Attributes:
        username: The user, when the secret is plain text that holds only the password.
        keys: What a login is made of ("username", "password", "host", "port", "database", "engine", "ssl") to the
            secret's own key for it. Names left out keep AWS's key (``database`` is ``dbname``).

    Raises:
        ConfigurationError: a name in ``keys`` that is no part of a login, a key that is no text, or both arguments.
    """

    username: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.username is not None and (not isinstance(self.username, str) or not self.username):
            raise ConfigurationError("username= must be a non-empty text: the user whose password the secret holds")
        if self.username is not None and self.keys:
            raise ConfigurationError(
                "give username= (the secret is plain text, only a password) or keys= (the secret is JSON), not both"
            )
        for name, key in self.keys.items():
            if name not in AWS_KEYS:
                raise ConfigurationError(f"keys= names {name!r}; a login is made of: {', '.join(AWS_KEYS)}")
            if not isinstance(key, str) or not key:
                raise ConfigurationError(f"keys={{{name!r}: ...}} must name a key of the secret as non-empty text")

    def key(self, name: str) -> str:
        """The secret's key for one part of a login."""
        return self.keys.get(name, AWS_KEYS[name])


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a payload is not a login. Holds no content."""

    sentence: str
    key: str | None = None


def parse(payload: Payload, secret_id: str, shape: Shape) -> Credentials:
    """Read one version's payload into Credentials.

    Raises:
        SecretFormatError: naming the secret, the version and the missing or wrong key, never the content.
    """
    found = _read(payload, secret_id, shape)
    if isinstance(found, Credentials):
        return found
    raise SecretFormatError(
        f"secret {secret_id!r}, version {payload.version_id!r}: {found.sentence}",
        secret_id=secret_id,
        version_id=payload.version_id,
        key=found.key,
    )


def _read(payload: Payload, secret_id: str, shape: Shape) -> Credentials | Problem:
    text = _text(payload.content)
    if isinstance(text, Problem):
        return text
    value = _json(text.content)
    if shape.username is not None:
        return _plain_text(text, value, secret_id, shape.username, payload.version_id)
    if not isinstance(value, dict):
        return Problem(
            "is not a JSON object. Put AWS's JSON there (username, password, host, ...), or, "
            "if it is only a password, pass username="
        )
    return _from_keys(cast("dict[str, Any]", value), secret_id, payload.version_id, shape)


def _text(content: object) -> Payload | Problem:
    if isinstance(content, bytes | bytearray):
        try:
            return Payload("", bytes(content).decode("utf-8-sig"))
        except UnicodeDecodeError:
            return Problem("is binary and not UTF-8 text; put JSON there, encoded as UTF-8")
    if isinstance(content, str):
        return Payload("", content)
    return Problem("has neither a secret string nor a secret binary")


def _json(content: object) -> object:
    """The JSON value, or None. A JSONDecodeError carries the whole document, so it must not live on."""
    import json  # with `import secretconn` it would be a good part of the cost

    try:
        return json.loads(cast("str", content))
    except (ValueError, RecursionError):
        return None


def _plain_text(text: Payload, value: object, secret_id: str, username: str, version: str) -> Credentials | Problem:
    if isinstance(value, dict) and AWS_KEYS["password"] in value:
        return Problem("is JSON with a password in it; username= is for a secret that is only a password, leave it out")
    password = cast("str", text.content).removesuffix("\n").removesuffix("\r")
    wrong = _wrong_text(password, required=True)
    if wrong is not None:
        return Problem(f"as a plain-text password {wrong}")
    return Credentials(secret_id=secret_id, version_id=version, username=username, password=password)


def _from_keys(value: dict[str, Any], secret_id: str, version: str, shape: Shape) -> Credentials | Problem:
    problem = _first_problem(value, shape)
    if problem is not None:
        return problem
    port, ssl = value.get(shape.key("port")), value.get(shape.key("ssl"))
    return Credentials(
        secret_id=secret_id,
        version_id=version,
        username=value[shape.key("username")],
        password=value[shape.key("password")],
        host=value.get(shape.key("host")) or None,
        port=None if port is None else int(port),
        database=value.get(shape.key("database")) or None,
        engine=value.get(shape.key("engine")) or ("redis" if _is_elasticache(value) else None),
        ssl=ssl if ssl is None or isinstance(ssl, bool) else ssl == "true",
    )


def _first_problem(value: dict[str, Any], shape: Shape) -> Problem | None:
    for name, check in _CHECKS.items():
        key = shape.key(name)
        required = name in ("username", "password")
        if value.get(key) is None:
            if required:
                if name == "password" and _is_elasticache(value):
                    return Problem(f"has no {key!r} yet; ElastiCache's get one with their first rotation", key)
                return Problem(f"has no {key!r}; it needs the keys {_needed(shape)}", key)
            continue
        wrong = check(value[key], required)
        if wrong is not None:
            return Problem(f"key {key!r} {wrong}", key)
    return None


def _is_elasticache(value: dict[str, Any]) -> bool:
    """``user_arn`` beside the user: "Automatically rotating passwords for users" in the ElastiCache user guide."""
    return isinstance(value.get("user_arn"), str) and ":elasticache:" in value["user_arn"]


def _needed(shape: Shape) -> str:
    return " and ".join(repr(shape.key(name)) for name in ("username", "password"))


def _wrong_text(value: object, required: bool) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if required and not value:
        return "is empty"
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate: the driver's own error would quote the password
        return "is not valid Unicode text"
    return None


def _wrong_port(value: object, _required: bool) -> str | None:
    wrong = f"must be a port from 1 to {MAX_PORT}, as a number or as its digits"
    if isinstance(value, str):
        value = int(value) if len(value) <= len(str(MAX_PORT)) and value.isascii() and value.isdigit() else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_PORT:
        return wrong
    return None


def _wrong_ssl(value: object, _required: bool) -> str | None:
    return None if isinstance(value, bool) or value in ("true", "false") else 'must be true, false, "true" or "false"'


_CHECKS: Mapping[str, Callable[[object, bool], str | None]] = {
    "username": _wrong_text,
    "password": _wrong_text,
    "host": _wrong_text,
    "port": _wrong_port,
    "database": _wrong_text,
    "engine": _wrong_text,
    "ssl": _wrong_ssl,
}
