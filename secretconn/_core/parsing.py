"""Parsing: how each shape of a secret is read into Credentials.

Shapes (AWS Secrets Manager, "JSON structure of AWS Secrets Manager secrets"): AWS's JSON for databases, the RDS-managed
form (username and password only), JSON with other key names, plain text that is only a password, and binary JSON.

Parsing never raises while a frame still holds secret content: the readers below return Credentials or a Problem, and
only `parse`, whose locals are all redacted, turns a Problem into SecretFormatError.

User and password are judged here. The other values are judged when they are used: a caller may say the port himself,
and then it does not matter what the secret has there. Their readers take what Python's ``int()`` takes, and what AWS's
own rotation functions do ("AWS Secrets Manager rotation function templates": ``get_ssl_config``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secretconn.credentials import Credentials, Hidden, Payload, Problem
from secretconn.errors import ConfigurationError

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

SPELLINGS: Mapping[str, frozenset[str]] = {
    "username": frozenset({"user", "username", "dbuser", "dbusername", "uid", "userid", "login", "loginname"}),
    "password": frozenset({"password", "pass", "passwd", "pwd", "dbpassword", "dbpass", "secret"}),
    "host": frozenset({"host", "hostname", "dbhost", "dbhostname", "server", "servername", "endpoint", "address"}),
    "port": frozenset({"port", "dbport"}),
    "database": frozenset({"database", "databasename", "db", "dbname", "dbdatabase", "initialcatalog"}),
}
"""Other keys that people keep a value under, in lower case and without ``_``, ``-`` and blanks."""

MAX_PORT, NO_PORT = 65535, -1


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


def parse(payload: Payload, secret_id: str, shape: Shape) -> Credentials:
    """Read one version's payload into Credentials.

    Raises:
        SecretFormatError: naming the secret, the version and the missing or wrong key, never the content.
    """
    found = _read(payload, secret_id, shape)
    if isinstance(found, Credentials):
        return found
    raise found.error(secret_id, payload.version_id)


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
    return _from_keys(value, secret_id, payload.version_id, shape)


def _text(content: object) -> Hidden[str] | Problem:
    if isinstance(content, bytes | bytearray):
        try:
            return Hidden(bytes(content).decode("utf-8-sig"))
        except UnicodeDecodeError:
            return Problem("is binary and not UTF-8 text; put JSON there, encoded as UTF-8")
    if isinstance(content, str):
        return Hidden(content)
    return Problem("has neither a secret string nor a secret binary")


def _json(content: str) -> object:
    """The JSON value, or None. A JSONDecodeError carries the whole document, so it must not live on."""
    import json  # with `import secretconn` it would be a good part of the cost

    try:
        return json.loads(content.removeprefix("\ufeff"))  # Windows editors put a mark there
    except (ValueError, RecursionError):
        return None


def _plain_text(text: Hidden[str], value: object, secret_id: str, username: str, version: str) -> Credentials | Problem:
    if isinstance(value, dict) and AWS_KEYS["password"] in value:
        return Problem("is JSON with a password in it; username= is for a secret that is only a password, leave it out")
    password = text.content.removesuffix("\n").removesuffix("\r")
    wrong = _wrong_text(password, required=True)
    if wrong is not None:
        return Problem(f"as a plain-text password {wrong}")
    return Credentials(secret_id=secret_id, version_id=version, username=username, password=password)


def _from_keys(value: dict[str, Any], secret_id: str, version: str, shape: Shape) -> Credentials | Problem:
    problem = _login_problem(value, shape)
    if problem is not None:
        return problem
    port, host, database = (value.get(shape.key(name)) for name in ("port", "host", "database"))
    return Credentials(
        secret_id=secret_id,
        version_id=version,
        username=value[shape.key("username")],
        password=value[shape.key("password")],
        host=_text_value(host.strip() if isinstance(host, str) else host, shape.key("host"), _USER_IN_HOST),
        port=_port(port, shape.key("port")),
        database=_text_value(str(database) if type(database) is int else database, shape.key("database")),
        engine=_text_value(value.get(shape.key("engine")), shape.key("engine"))
        or ("redis" if _is_elasticache(value) else None),
        ssl=_ssl(value.get(shape.key("ssl"))),
        problems=_under_other_keys(value, shape),
    )


def _login_problem(value: dict[str, Any], shape: Shape) -> Problem | None:
    for name in ("username", "password"):
        key = shape.key(name)
        if value.get(key) is None:
            if name == "password" and _is_elasticache(value):
                return Problem(f"has no {key!r} yet; ElastiCache's get one with their first rotation", key)
            return _under_other_key(value, shape, name) or Problem(
                f"has no {key!r}; it needs the keys {_needed(shape)}", key
            )
        wrong = _wrong_text(value[key], required=True)
        if wrong is not None:
            return Problem(f"key {key!r} {wrong}", key)
    return None


def _under_other_keys(value: dict[str, Any], shape: Shape) -> dict[str, Problem]:
    """Per part of the address that the secret lacks: that it has one under a key that is not looked at."""
    missing = [name for name in ("host", "port", "database") if value.get(shape.key(name)) is None]
    problems = {name: _under_other_key(value, shape, name) for name in missing}
    return {name: problem for name, problem in problems.items() if problem is not None}


def _under_other_key(value: dict[str, Any], shape: Shape, name: str) -> Problem | None:
    """Names a key of the secret. It is one of a few words, however written, so nothing of the content shows."""
    for key in value:
        if re.sub(r"[_\-\s]", "", key).lower() in SPELLINGS[name] and key not in (shape.key(one) for one in AWS_KEYS):
            keys = {name: key}
            text = f"has no {shape.key(name)!r} but {key!r}; pass keys={keys!r} to RotatingCredentials"
            return Problem(text, shape.key(name))
    return None


def _is_elasticache(value: dict[str, Any]) -> bool:
    """``user_arn`` beside the user: "Automatically rotating passwords for users" in the ElastiCache user guide."""
    return isinstance(value.get("user_arn"), str) and ":elasticache:" in value["user_arn"]


def _needed(shape: Shape) -> str:
    return " and ".join(repr(shape.key(name)) for name in ("username", "password"))


_USER_IN_URL, _USER_IN_HOST = re.compile(r"://.*@", re.DOTALL), re.compile(r".+@", re.DOTALL)
"""A place is shown, so it must have no login in it. libpq's abstract sockets begin with the sign; no host has it."""


def _text_value(value: object, key: str, user: re.Pattern[str] = _USER_IN_URL) -> str | Problem | None:
    wrong, text = None if value is None else _wrong_text(value, required=False), ""
    if isinstance(value, str):
        text = value
        wrong = "has a user in it, as a URL; put the name alone there" if user.search(value) else wrong
    return Problem(f"key {key!r} {wrong}", key) if wrong is not None else text or None


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


def _port(value: Any, key: str) -> int | Problem | None:
    """A number as ``int()`` reads it. None, empty text and 0 mean "none", as they do to the drivers."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = NO_PORT if isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        number = NO_PORT
    if not 0 <= number <= MAX_PORT:
        return Problem(f"key {key!r} must be a port from 1 to {MAX_PORT}, as a number or as its digits", key)
    return number or None


def _ssl(value: object) -> bool | None:
    """True or false in any case; anything else is as good as absent, as it is to AWS's rotation functions."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
