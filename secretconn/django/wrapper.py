"""What every rotating backend adds to Django's DatabaseWrapper: where the login comes from, and `rotating`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

from secretconn._core.api import wrap
from secretconn._core.rotating import RotatingCredentials
from secretconn.credentials import Credentials
from secretconn.django.checks import RotatingValidation
from secretconn.django.client import RotatingClient
from secretconn.django.creation import RotatingCreation
from secretconn.django.errors import djangos
from secretconn.django.live_settings import ADDRESS, FROM_SECRET, LiveSettings, live
from secretconn.django.options import Secret, secret_of
from secretconn.django.stock import Stock
from secretconn.engines import Driver, driver_of
from secretconn.errors import ConfigurationError
from secretconn.pools import is_outlived

__all__ = ["RotatingWrapper", "credentials_of", "rotating"]

LOGIN = ("USER", "PASSWORD")
CANONICAL = {"USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port", "NAME": "database"}
"""Django's name to the one Driver.keywords is read by."""


class RotatingWrapper(Stock):  # type: ignore[misc]
    """Comes before a backend's DatabaseWrapper among the bases; `rotating` puts them together."""

    settings_dict: LiveSettings
    _secretconn_driver: str | Driver | None = None
    _secretconn_version: str | None = None

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        secret = _secret(settings_dict, alias)
        super().__init__(live(settings_dict, alias, secret, connections.settings), alias)

    def connect(self) -> None:
        """As Django's. A secret that gives no login is an OperationalError, as a database that cannot be reached.

        Raises:
            SecretOperationalError, SecretFormatOperationalError, MisconfiguredOperationalError: see errors.py.
        """
        with djangos(self.alias):
            current = self.settings_dict.secret.credentials.current()
            super().connect()
        self._secretconn_version = current.version_id

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's: all that the driver's connect needs, with the current login.

        Raises:
            As `connect`.
        """
        with djangos(self.alias), self.settings_dict.pinned():
            params: dict[str, Any] = super().get_connection_params()
        params.pop("secret", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As Django's, with the login that is valid now. A login in ``conn_params`` is taken out of it and not used.

        Raises:
            As `connect`, and what the driver raises.
        """
        if any(self.settings_dict.gives(name) for name in LOGIN):  # a test's, or a made user's (Oracle)
            return super().get_new_connection(conn_params)
        with djangos(self.alias):
            driver = self._secretconn_known_driver()
            takes_login = conn_params.pop(driver.keywords["password"], None) is not None  # else it reads the settings
            if not takes_login:  # where a driver takes its login in a form of its own, the backend gives it that form
                driver = replace(driver, adapt=None)
            arguments = self._secretconn_arguments(conn_params, driver, takes_login)
            opening = self._secretconn_opening(super().get_new_connection, conn_params, driver, takes_login)
            return wrap(opening, self.settings_dict.secret.credentials, driver=cast("Any", driver))(**arguments)

    def close_if_unusable_or_obsolete(self) -> None:
        """As Django's, at the bounds of a request. With "drain", a connection made before a rotation is closed too."""
        super().close_if_unusable_or_obsolete()
        secret = self.settings_dict.secret
        if not secret.drain or self.connection is None or self.in_atomic_block:
            return
        if self._secretconn_version is None or is_outlived(secret.credentials, self._secretconn_version):
            self.close()

    def _secretconn_known_driver(self) -> Driver:
        return driver_of(self._secretconn_driver or self.Database)

    def _secretconn_arguments(self, conn_params: dict[str, Any], driver: Driver, takes_login: bool) -> dict[str, Any]:
        """What a caller of the driver's own connect would say: all but what came from the secret."""
        settings, keywords, options = self.settings_dict, driver.keywords, self.settings_dict["OPTIONS"]
        if not takes_login:
            given = {keywords[CANONICAL[name]]: settings[name] for name in ADDRESS if settings.gives(name)}
            return {keyword: value for keyword, value in given.items() if value}
        unsaid = [keywords[CANONICAL[name]] for name in (*LOGIN, *ADDRESS) if name in LOGIN or not settings.gives(name)]
        return {key: value for key, value in conn_params.items() if key not in unsaid or key in options}

    def _secretconn_opening(
        self,
        stock: Callable[[dict[str, Any]], Any],
        conn_params: dict[str, Any],
        driver: Driver,
        takes_login: bool,
    ) -> Callable[..., Any]:
        """The backend's get_new_connection, as a connect that takes the driver's keywords."""
        settings, keywords = self.settings_dict, driver.keywords

        def opening(**params: Any) -> Any:
            try:
                login = _credentials(settings, params, keywords)
                if takes_login and settings["NAME"] is None and keywords["database"] not in conn_params:
                    params.pop(keywords["database"], None)  # Django wants none: it makes or drops a test database
                with settings.pinned(login) if not takes_login else nullcontext():
                    connection = stock(params if takes_login else conn_params)
                settings.secret.accepted(login)
                return connection
            except BaseException:
                params.clear()  # a traceback may show locals, and Django's frame below holds this very dict
                raise

        return opening


def _credentials(settings: LiveSettings, params: dict[str, Any], keywords: Mapping[str, str]) -> Credentials:
    """The login of one attempt, from the driver's keywords."""
    parts: dict[str, Any] = {part: params.get(keywords[CANONICAL[name]]) for name, part in FROM_SECRET.items()}
    return Credentials(secret_id=settings.secret.credentials.secret_id, version_id="", **parts)


def _secret(settings_dict: dict[str, Any], alias: str) -> Secret:
    """The secret of these settings.

    Raises:
        ImproperlyConfigured: there is none, it cannot be, or the settings hold a login besides.
    """
    if isinstance(settings_dict, LiveSettings):
        return settings_dict.secret
    where, options = f"DATABASES[{alias!r}]", settings_dict.get("OPTIONS") or {}
    if "secret" not in options:
        raise ImproperlyConfigured(f'{where}: OPTIONS needs "secret": the name or ARN of the secret with the login')
    said = [name for name in LOGIN if settings_dict.get(name)]
    said += [f'OPTIONS["{name}"]' for name in ("user", "password", "passwd") if options.get(name)]
    if said:
        raise ImproperlyConfigured(
            f"{where}: {' and '.join(said)} must be left out; user and password come from the secret "
            "and change while the application runs"
        )
    try:
        return secret_of(options["secret"])
    except ConfigurationError as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error


def credentials_of(alias: str = DEFAULT_DB_ALIAS) -> RotatingCredentials:
    """Where this process's connections of an alias get their logins: to look at, to prefetch, to subscribe to.

    Opens no connection and reads no secret. A forked child keeps the object and its subscribers; it counts from zero.

    Args:
        alias: The key in DATABASES.

    Raises:
        ConfigurationError: the alias has no secret: it is of another backend.
        ImproperlyConfigured, ConnectionDoesNotExist: its settings are wrong, or there are none.
    """
    settings = connections[alias].settings_dict
    if not isinstance(settings, LiveSettings):
        raise ConfigurationError(f"DATABASES[{alias!r}] has no secret: its ENGINE is {settings['ENGINE']!r}")
    return settings.secret.credentials


def rotating(wrapper: type, *, driver: str | Driver | None = None) -> Any:
    """A DatabaseWrapper like this one, whose login comes from ``OPTIONS["secret"]``.

    A backend of your own is a package with a module ``base``; all it needs to hold is::

        DatabaseWrapper = secretconn.django.rotating(theirs.DatabaseWrapper)

    Args:
        wrapper: A backend's DatabaseWrapper.
        driver: The driver it connects with; seen from its ``Database`` module where left out.
    """
    from secretconn.django.pool import RotatingPool

    first: tuple[type, ...] = (RotatingPool,) if getattr(wrapper, "vendor", None) == "postgresql" else ()
    stock = cast("Any", wrapper)
    return type(
        "DatabaseWrapper",
        (*first, RotatingWrapper, wrapper),
        {
            "__doc__": wrapper.__doc__,
            "__module__": __name__,
            "_secretconn_driver": driver,
            "client_class": type("DatabaseClient", (RotatingClient, stock.client_class), {}),
            "creation_class": type("DatabaseCreation", (RotatingCreation, stock.creation_class), {}),
            "validation_class": type("DatabaseValidation", (RotatingValidation, stock.validation_class), {}),
        },
    )
