"""``manage.py check --database``, without Django's settings and without a server."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("django")

from django.core.checks import Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

from secretconn import ConfigurationError
from secretconn.credentials import Problem
from secretconn.django.checks import RotatingValidation
from secretconn.django.live_settings import LiveSettings
from secretconn.django.options import Secret
from tests.unit.fakes import DRIVER, Answered, Bed, Broken, Refused, classify, login

EMPTY = dict.fromkeys(("USER", "PASSWORD", "HOST", "PORT", "NAME"), "")
FULL = {**login("p1"), "dbname": "orders", "engine": "postgres"}


class Stock:
    """Django's own validation, which finds something."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def check(self, **kwargs: Any) -> list[Any]:
        return [("Django's own", kwargs)]


class Validation(RotatingValidation, Stock):
    pass


class Connection:
    """A wrapper of Django's, and the trial that is made like it."""

    Database = replace(DRIVER, classify=lambda error: classify(error.__cause__ or error))
    failure: Exception | None = None
    trials: list[Any]

    def __init__(self, settings_dict: Any, alias: str) -> None:
        self.settings_dict, self.alias, self.closed = settings_dict, alias, False
        if not isinstance(settings_dict, LiveSettings):
            self.trials.append(self)

    def ensure_connection(self) -> None:
        assert not self.closed
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        self.closed = True


def found(content: Any, failure: Exception | None = None, **given: Any) -> list[Any]:
    """What the check says of a secret with this content, or with this error of its source."""
    bed = Bed()
    if isinstance(content, Exception):
        bed.source.error = content
    else:
        bed.source.put("v1", content, "AWSCURRENT")
    settings = {**EMPTY, "OPTIONS": {"pool": True, "x": 1}, **given}
    kind: Any = type("Trying", (Connection,), {"failure": failure, "trials": []})
    connection = kind(LiveSettings(settings, Secret(bed.rotating)), "orders")
    told = Validation(connection).check(databases=["orders"])
    assert all(trial.closed for trial in kind.trials)
    assert all(trial.settings_dict["OPTIONS"] == {"x": 1} and trial.alias == "orders" for trial in kind.trials)
    return told


def driver_error(kind: type[Exception], *notes: str) -> OperationalError:
    error = OperationalError("it said so")
    error.__cause__ = kind()
    for note in notes:
        error.__cause__.add_note(note)
    return error


OWN = [("Django's own", {"databases": ["orders"]})]


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (FULL, {}),
        ({**login("p1"), "dbname": "orders"}, {}),  # names no engine
        ({**FULL, "engine": "unheard-of"}, {}),
        ({"username": "u", "password": "p"}, {"HOST": "h", "NAME": "n"}),
    ],
)
def test_nothing_of_the_secret_is_wrong(content: Any, given: dict[str, Any]) -> None:
    assert found(content, **given) == OWN


@pytest.mark.parametrize(
    ("content", "failure", "expected"),
    [
        (
            ConfigurationError("no region"),
            None,
            Error("no region", hint=None, id="secretconn.E006"),
        ),
        (
            {**login("p1"), "engine": "postgres"},
            None,
            Error(
                "secret 's' does not say NAME, and neither do the settings.",
                hint="Set NAME in DATABASES.",
                id="secretconn.E003",
            ),
        ),
        (
            {"username": "u", "password": "p"},
            None,
            Error(
                "secret 's' does not say HOST and NAME, and neither do the settings.",
                hint="Set HOST and NAME in DATABASES.",
                id="secretconn.E003",
            ),
        ),
        (
            {**FULL, "engine": "mysql"},
            None,
            Error(
                "secret 's' is for 'mysql', and ENGINE speaks postgresql.",
                hint="Take the ENGINE that fits, or the secret that does.",
                id="secretconn.E004",
            ),
        ),
        (FULL, ImproperlyConfigured("no such thing"), Error("no such thing", hint=None, id="secretconn.E006")),
        (
            FULL,
            driver_error(Refused, "one note", "another"),
            Error("the database rejects the login of 's': it said so", hint="one note another", id="secretconn.E005"),
        ),
        (FULL, driver_error(Broken), Warning("no connection: it said so", hint=None, id="secretconn.W001")),
    ],
)
def test_what_is_wrong(content: Any, failure: Exception | None, expected: Any) -> None:
    expected.obj = "DATABASES['orders']"
    assert found(content, failure) == [expected]


def test_a_secret_that_cannot_be_read() -> None:
    (told,) = found(Answered("ResourceNotFoundException"))
    assert (told.id, told.hint) == (
        "secretconn.E001",
        "Look at the secret's name, the region and the permissions.",
    )
    assert told.msg.startswith("secret 's' ")
    assert "ResourceNotFoundException" in told.msg


def test_no_login_in_the_secret() -> None:
    (told,) = found("not JSON at all {")
    assert (told.id, told.hint) == ("secretconn.E002", "docs/troubleshooting.md shows what a secret may look like.")
    assert told.msg.startswith("secret 's'")
    (told,) = found(FULL, Problem("its port is no number", "port").error("s", "v1"))
    assert (told.id, told.hint) == ("secretconn.E002", "docs/troubleshooting.md shows what a secret may look like.")
    assert "its port is no number" in told.msg


def test_two_things_at_once() -> None:
    assert [one.id for one in found({**login("p1"), "engine": "mysql"})] == ["secretconn.E003", "secretconn.E004"]


@pytest.mark.parametrize("options", [{"service": "s"}, {"host": "h", "name": "n"}])
def test_options_may_say_where_it_is(options: dict[str, str]) -> None:
    bed = Bed()
    bed.source.put("v1", {"username": "u", "password": "p"}, "AWSCURRENT")
    settings = LiveSettings({**EMPTY, "OPTIONS": options}, Secret(bed.rotating))
    connection = SimpleNamespace(settings_dict=settings, Database=DRIVER, alias="orders")
    assert Validation(connection)._secret() == []
