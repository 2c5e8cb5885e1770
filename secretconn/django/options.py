"""OPTIONS["secret"]: from what stands in the settings to one RotatingCredentials per process."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secretconn._core.rotating import RotatingCredentials
from secretconn._core.shared import shared
from secretconn.credentials import Credentials
from secretconn.errors import ConfigurationError

__all__ = ["Secret", "secret_of"]

KEEP, DRAIN = "keep", "drain"


@dataclass(frozen=True, slots=True)
class Secret:
    """What OPTIONS["secret"] says.

    Attributes:
        credentials: Where logins come from.
        drain: Whether connections made before a rotation are replaced when nobody uses them.
    """

    credentials: RotatingCredentials
    drain: bool = False

    def accepted(self, login: Credentials) -> None:
        """Keep the login that the database took last, for programs that connect by themselves."""
        _accepted[self.credentials] = login

    @property
    def last_accepted(self) -> Credentials | None:
        """That login. Within a rotation it may be another than the current one."""
        return _accepted.get(self.credentials)


_accepted: weakref.WeakKeyDictionary[RotatingCredentials, Credentials] = weakref.WeakKeyDictionary()


def secret_of(value: object) -> Secret:
    """Read OPTIONS["secret"].

    Args:
        value: A name or ARN; a RotatingCredentials; or a mapping with ``id`` and any keyword of RotatingCredentials,
            or with ``credentials``: a RotatingCredentials or the dotted path of one. ``on_rotation`` beside them is
            "keep" or "drain".

    Raises:
        ConfigurationError: it is none of these.
    """
    if isinstance(value, RotatingCredentials):
        return Secret(value)
    if isinstance(value, str) and value:
        return Secret(shared(value))
    if isinstance(value, Mapping):
        return _from_mapping(dict(value))
    raise ConfigurationError(
        'OPTIONS["secret"] must be the name or ARN of a secret, a mapping with "id", or a RotatingCredentials, '
        f"not {type(value).__name__}"
    )


def _from_mapping(value: dict[str, Any]) -> Secret:
    on_rotation = value.pop("on_rotation", KEEP)
    if on_rotation not in (KEEP, DRAIN):
        raise ConfigurationError(f'OPTIONS["secret"]["on_rotation"] must be "keep" or "drain", not {on_rotation!r}')
    if ("id" in value) == ("credentials" in value):
        raise ConfigurationError('OPTIONS["secret"] needs either "id" or "credentials"')
    if "credentials" in value:
        credentials = _existing(value.pop("credentials"))
        if value:
            raise ConfigurationError(f'OPTIONS["secret"]: "credentials" already decides about {", ".join(value)}')
    else:
        credentials = _made(value)
    return Secret(credentials, drain=on_rotation == DRAIN)


def _existing(value: object) -> RotatingCredentials:
    found = value
    if isinstance(value, str):
        from django.utils.module_loading import import_string

        try:
            found = import_string(value)
        except ImportError as error:
            raise ConfigurationError(f'OPTIONS["secret"]["credentials"]: {error}') from error
    if not isinstance(found, RotatingCredentials):
        raise ConfigurationError(
            'OPTIONS["secret"]["credentials"] must be a RotatingCredentials or the dotted path of one, '
            f"not {type(found).__name__}"
        )
    return found


_made_by_settings: dict[object, RotatingCredentials] = {}


def _made(keywords: dict[str, Any]) -> RotatingCredentials:
    """One for equal settings: every thread has a connection of its own, and all of them share this."""
    if set(keywords) == {"id"}:
        return shared(keywords["id"])
    key = _key(keywords)
    found = _made_by_settings.get(key)
    if found is not None:
        return found
    secret_id = keywords.pop("id")
    try:
        made = RotatingCredentials(secret_id, **keywords)
    except TypeError as error:
        raise ConfigurationError(f'OPTIONS["secret"]: {error}') from error
    return _made_by_settings.setdefault(key, made)


def _key(value: object) -> object:
    """Hashable, equal for equal settings; objects that are not plain values count as themselves."""
    if isinstance(value, Mapping):
        return frozenset((name, _key(one)) for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_key(one) for one in value)
    try:
        hash(value)
    except TypeError:
        return id(value)  # RotatingCredentials keeps it alive
    return value
