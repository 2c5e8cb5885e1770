"""LiveSettings: reads follow the secret, copies and prints hold nothing of it."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from secretconn import Credentials
from secretconn.django.live_settings import LiveSettings, live
from secretconn.django.options import Secret
from tests.unit.fakes import Bed

GIVEN: dict[str, Any] = {"USER": "", "PASSWORD": "", "HOST": "", "PORT": "", "NAME": "", "TIME_ZONE": None}


def settings(**given: Any) -> LiveSettings:
    credentials = Bed().rotating
    return LiveSettings({**GIVEN, "OPTIONS": {"secret": credentials}, **given}, Secret(credentials))


def test_reads_by_key_come_from_the_secret() -> None:
    found = settings()
    assert [found[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == ["app", "p1", "db", "", ""]
    assert found.get("PASSWORD") == "p1"
    assert found.get("ABSENT", 7) == 7
    assert found["TIME_ZONE"] is None


def test_what_is_given_wins() -> None:
    found = settings(HOST="replica", NAME="orders", PORT="6432")
    assert (found["HOST"], found["NAME"], found["PORT"], found["USER"]) == ("replica", "orders", "6432", "app")
    found["NAME"] = "test_orders"
    assert found["NAME"] == "test_orders"


def test_no_name_stays_no_name() -> None:
    assert settings(NAME=None)["NAME"] is None


def test_a_service_stands_for_the_address_and_not_for_the_login() -> None:
    found = settings(OPTIONS={"service": "orders", "secret": None})
    assert (found["HOST"], found["NAME"], found["USER"]) == ("", "", "app")


def test_copies_hold_no_password() -> None:
    found = settings(OPTIONS={"secret": "a/name"})
    for plain in ({**found}, dict(found), dict(found.items()), json.loads(json.dumps(found)), found | {}):
        assert type(plain) is dict
        assert plain["PASSWORD"] == ""
    assert pickle.loads(pickle.dumps(found)) == dict(found)
    assert "p1" not in repr(found) + str(found)


def test_copies_that_stay_live_share_the_secret() -> None:
    found = settings()
    for twin in (found.copy(), copy.copy(found), copy.deepcopy(found)):
        assert twin["USER"] == "app"
    assert copy.deepcopy(found).secret is found.secret


def test_a_pin_holds_one_login_and_ends() -> None:
    found = settings()
    other = Credentials("s", "v2", "other", "p2")
    with found.pinned(other, OPTIONS={"pool": True}):
        assert (found["USER"], found["PASSWORD"], found["OPTIONS"]) == ("other", "p2", {"pool": True})
        assert settings()["USER"] == "app"
        assert found.copy()["USER"] == "other"
    assert (found["USER"], "pool" in found["OPTIONS"]) == ("app", False)


def test_all_threads_get_the_same_settings() -> None:
    secret = settings().secret
    given = {**GIVEN, "OPTIONS": {"secret": "a"}}
    databases: dict[str, Any] = {"default": given}
    found = live(given, "default", secret, databases)
    assert databases["default"] is found
    assert live(given, "default", secret, databases) is found
    assert live(found, "default", secret, databases) is found


def test_settings_of_another_alias_are_left_alone() -> None:
    databases: dict[str, Any] = {"default": {}}
    live({**GIVEN, "OPTIONS": {}}, "__no_db__", settings().secret, databases)
    assert databases == {"default": {}}
