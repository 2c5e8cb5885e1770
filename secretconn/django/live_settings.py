"""LiveSettings: a ``settings_dict`` that answers what the settings leave out from the secret, at every read.

Only reads by key are answered so. What is stored stays as it was given, therefore every copy (``{**settings_dict}``,
a pickle, Django's error page) holds no password and stays live when it becomes the settings of another connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy as _deepcopy
from typing import Any

from secretconn.credentials import Credentials
from secretconn.django.options import Secret
from secretconn.runtime import at_fork

__all__ = ["LiveSettings", "live"]

FROM_SECRET: Mapping[str, str] = {
    "USER": "username",
    "PASSWORD": "password",
    "HOST": "host",
    "PORT": "port",
    "NAME": "database",
}
"""Django's name for a part of the login to the one in Credentials."""

ADDRESS = ("HOST", "PORT", "NAME")


class LiveSettings(dict[str, Any]):
    """The settings of one alias.

    Args:
        given: What stands in DATABASES for it.
        secret: Its secret.

    Attributes:
        secret: The secret.
        origin: The very dict it was made from.
    """

    def __init__(self, given: Mapping[str, Any], secret: Secret) -> None:
        super().__init__(given)
        self.secret = secret
        self.origin = given
        self._family = object()
        self._unsaid = {key: given[key] for key in FROM_SECRET if key in given and not self.gives(key)}
        self._told: set[int] = set()  # hashes of what was read from the secret

    def __getitem__(self, key: str) -> Any:
        pin = _pin.get()
        if pin is not None and pin.family is self._family and key in pin.instead:
            return pin.instead[key]
        value = super().__getitem__(key)
        if key not in FROM_SECRET or self.gives(key):
            return value
        found = getattr(self._credentials(pin), FROM_SECRET[key])
        if found is None:
            return value
        self._told.add(hash((key, found)))
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        """As dict's; but putting back what was read from the secret, as tests do, says nothing again."""
        if key in self._unsaid and hash((key, value)) in self._told:
            value = self._unsaid[key]
        super().__setitem__(key, value)

    def update(self, *args: Any, **values: Any) -> None:
        """As dict.update, through ``__setitem__``."""
        for key, value in dict(*args, **values).items():
            self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """As dict.get, live."""
        return self[key] if key in self else default  # noqa: SIM401  (dict.get would not go through __getitem__)

    def copy(self) -> LiveSettings:
        """A copy that is live too."""
        twin = LiveSettings(self, self.secret)
        twin._family, twin._unsaid, twin._told = self._family, self._unsaid, self._told
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> LiveSettings:
        """All is copied but the secret: the copy's connections share its RotatingCredentials."""
        given = _deepcopy({key: value for key, value in self.items() if key != "OPTIONS"}, memo)
        options = dict(self["OPTIONS"])
        secret = options.pop("secret")
        given["OPTIONS"] = {**_deepcopy(options, memo), "secret": secret}
        return LiveSettings(given, self.secret)

    def __reduce_ex__(self, protocol: object) -> Any:
        return dict, (dict(self),)

    def gives(self, key: str) -> bool:
        """Whether the settings themselves say this. ``NAME`` None says: no database."""
        value = dict.__getitem__(self, key)
        if value or (value is None and key == "NAME"):
            return True
        return key in ADDRESS and bool(dict.__getitem__(self, "OPTIONS").get("service"))  # libpq's: a whole address

    @contextmanager
    def pinned(self, credentials: Credentials | None = None, **instead: Any) -> Iterator[None]:
        """Within it, in this thread or task, reads answer from this one login (default: the current one).

        Args:
            credentials: The login.
            **instead: Other values for keys.
        """
        token = _pin.set(_Pin(self._family, credentials or self._credentials(_pin.get()), instead))
        try:
            yield
        finally:
            _pin.reset(token)

    def _credentials(self, pin: _Pin | None) -> Credentials:
        if pin is not None and pin.family is self._family:
            return pin.credentials
        return self.secret.credentials.current()


class _Pin:
    """What reads answer from meanwhile."""

    __slots__ = ("credentials", "family", "instead")

    def __init__(self, family: object, credentials: Credentials, instead: Mapping[str, Any]) -> None:
        self.family, self.credentials, self.instead = family, credentials, instead


_pin: ContextVar[_Pin | None] = ContextVar("secretconn_django_pin", default=None)
_lock = threading.Lock()


def live(given: dict[str, Any], alias: str, secret: Secret, databases: dict[str, Any]) -> LiveSettings:
    """The LiveSettings of these settings.

    Django keeps one dict for each alias, shared by the connections of all threads, and its test runner counts on it:
    it sets NAME in place. So the LiveSettings takes that dict's place among the handler's.

    Args:
        given: The settings a connection was made with.
        alias: Its alias.
        secret: Its secret.
        databases: The handler's settings by alias (``django.db.connections.settings``).
    """
    if isinstance(given, LiveSettings):
        return given
    with _lock:
        standing = databases.get(alias)
        if isinstance(standing, LiveSettings) and standing.origin is given:
            return standing
        made = LiveSettings(given, secret)
        if standing is given:
            databases[alias] = made
        return made


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603  (another thread of the parent may have held it)
    _lock = threading.Lock()


at_fork(_after_fork_in_child)
