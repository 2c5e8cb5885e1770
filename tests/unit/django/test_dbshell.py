"""``dbshell``: the client program gets the user and the password of one version, whatever is rotated in between."""

from __future__ import annotations

from typing import Any

import pytest

from secretconn.django.client import RotatingClient
from secretconn.django.live_settings import LiveSettings
from secretconn.django.options import Secret
from tests.unit.fakes import Bed, login

GIVEN: dict[str, Any] = {"USER": "", "PASSWORD": "", "HOST": "", "PORT": "", "NAME": "orders"}


class RotatedInBetween(LiveSettings):
    """A rotation is noticed as soon as the user, or the password, was read."""

    bed: Bed

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key in ("USER", "PASSWORD"):
            version = f"v{self.bed.source.reads + 1}"
            self.bed.source.rotate(version, login(f"password-{version}", user=f"user-{version}"))
            self.bed.rotating.refresh()
        return value


@pytest.mark.parametrize(("engine", "variable"), [("postgresql", "PGPASSWORD"), ("mysql", "MYSQL_PWD")])
def test_user_and_password_are_of_one_version(engine: str, variable: str) -> None:
    pytest.importorskip("django")
    client = pytest.importorskip(f"django.db.backends.{engine}.client").DatabaseClient
    rotating: Any = type("DatabaseClient", (RotatingClient, client), {})
    bed = Bed()
    bed.source.put("v1", login("password-v1", user="user-v1"), "AWSCURRENT")
    settings = RotatedInBetween({**GIVEN, "OPTIONS": {"secret": bed.rotating}}, Secret(bed.rotating))
    settings.bed = bed
    words, environment = rotating.settings_to_cmd_args_env(settings, [])
    (user,) = [word.removeprefix("--user=") for word in words if "user-v" in word]
    assert environment[variable].removeprefix("password-") == user.removeprefix("user-")
    assert not any("password-v" in word for word in words)  # other users of the machine see the command line
    assert bed.rotating.current().username != user  # it was rotated, or this test shows nothing


def test_settings_without_a_secret_are_left_to_django() -> None:
    pytest.importorskip("django")
    client = pytest.importorskip("django.db.backends.postgresql.client").DatabaseClient
    rotating: Any = type("DatabaseClient", (RotatingClient, client), {})
    given = {**GIVEN, "USER": "me", "OPTIONS": {}}
    assert rotating.settings_to_cmd_args_env(given, ["-l"]) == (["psql", "-U", "me", "-l", "orders"], None)
