"""``manage.py check --database default``: what is wrong with a secret, in Django's own words for it.

secretconn.E001   the secret cannot be read
secretconn.E002   the secret does not hold a login
secretconn.E003   neither the secret nor the settings say where the database is
secretconn.E004   the secret is for another kind of database
secretconn.E005   the database rejects the login
secretconn.E006   Secrets Manager cannot be asked as it is set up (no region, unknown profile)
secretconn.W001   the database cannot be reached, for another reason than the login
"""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import Error as DatabaseError

from secretconn.credentials import Credentials
from secretconn.django.stock import Stock
from secretconn.engines import Verdict, driver_of, engine_named
from secretconn.errors import ConfigurationError, SecretFormatError, SecretUnavailable

__all__ = ["RotatingValidation"]

_SHAPES = "docs/troubleshooting.md shows what a secret may look like."


class RotatingValidation(Stock):  # type: ignore[misc]
    """Comes before a backend's DatabaseValidation."""

    def check(self, **kwargs: Any) -> list[Any]:
        """As Django's. Where the secret is at fault there is nothing else to say."""
        return self._secret() or self._login() or super().check(**kwargs)

    def _secret(self) -> list[Any]:
        credentials = self.connection.settings_dict.secret.credentials
        try:
            return self._fit(credentials.current())
        except SecretUnavailable as error:
            why = f" ({_named(error.__cause__)})" if error.__cause__ is not None else ""
            return [self._found("E001", f"{error}{why}", "Look at the secret's name, the region and the permissions.")]
        except SecretFormatError as error:
            return [self._found("E002", str(error), _SHAPES)]
        except ConfigurationError as error:
            return [self._found("E006", str(error), None)]

    def _fit(self, login: Credentials) -> list[Any]:
        settings, found = self.connection.settings_dict, []
        missing = [name for name in ("HOST", "NAME") if not settings.gives(name) and not settings[name]]
        missing = [name for name in missing if name.lower() not in settings["OPTIONS"]]
        if missing:
            text = f"secret {login.secret_id!r} does not say {' and '.join(missing)}, and neither do the settings."
            found.append(self._found("E003", text, f"Set {' and '.join(missing)} in DATABASES."))
        named = settings.secret.credentials.engine or login.engine
        try:
            speaks = driver_of(self.connection.Database).engine
            fits = not named or any(one.engine == speaks for one in engine_named(named).drivers)
        except ConfigurationError:  # one that is not known: nothing to compare
            return found
        if not fits:
            text = f"secret {login.secret_id!r} is for {named!r}, and ENGINE speaks {speaks}."
            found.append(self._found("E004", text, "Take the ENGINE that fits, or the secret that does."))
        return found

    def _login(self) -> list[Any]:
        """Log in once, beside the pool: it would only say that it waited in vain."""
        settings = self.connection.settings_dict
        options = {key: value for key, value in settings["OPTIONS"].items() if key != "pool"}
        trial = type(self.connection)({**settings, "OPTIONS": options}, self.connection.alias)
        try:
            trial.ensure_connection()
        except SecretFormatError as error:  # a value that is judged only now that it is used
            return [self._found("E002", str(error), _SHAPES)]
        except ImproperlyConfigured as error:
            return [self._found("E006", str(error), None)]
        except DatabaseError as error:
            rejected = driver_of(trial.Database).classify(error) is Verdict.REJECTED
            name = "E005" if rejected else "W001"
            text = f"the database rejects the login of {_secret_id(settings)}" if rejected else "no connection"
            return [self._found(name, f"{text}: {error}".strip(), _notes(error))]
        finally:
            trial.close()
        return []

    def _found(self, name: str, text: str, hint: str | None) -> Any:
        kind = checks.Error if name.startswith("E") else checks.Warning
        return kind(text, hint=hint, obj=f"DATABASES[{self.connection.alias!r}]", id=f"secretconn.{name}")


def _secret_id(settings: Any) -> str:
    return repr(settings.secret.credentials.secret_id)


def _notes(error: BaseException) -> str | None:
    """What secretconn tried, as it noted on the driver's error."""
    return " ".join(getattr(error.__cause__, "__notes__", ())) or None


def _named(cause: BaseException) -> str:
    """An error's type, and its code where it is the SDK's. Not its text, which may quote anything."""
    response = getattr(cause, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return f"{type(cause).__name__}: {code}" if code else type(cause).__name__
