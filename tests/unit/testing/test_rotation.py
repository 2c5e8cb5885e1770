"""Rotator by itself: order, pauses, callbacks, refusals, and what its repr and tracebacks show."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest

import secretconn
from secretconn.errors import ConfigurationError
from secretconn.testing import Login, RotationError, RotationStep, Rotator

STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
PASSWORD = "hunter2 is not shown"
PACKAGE = str(Path(secretconn.__file__).parent)


class Client:
    """A Secrets Manager with one secret, that writes down what is asked of it."""

    def __init__(self, content: str) -> None:
        self.content = content
        self.asked: list[str] = []

    def get_secret_value(self, **kwargs: Any) -> dict[str, Any]:
        self.asked.append("get")
        return {"VersionId": "v1", "SecretString": self.content}

    def put_secret_value(self, **kwargs: Any) -> None:
        self.asked.append(f"put {kwargs['VersionStages']}")

    def update_secret_version_stage(self, **kwargs: Any) -> None:
        self.asked.append(f"move {kwargs['VersionStage']}")


class Admin:
    """A database that takes every login."""

    def __init__(self, *, users: tuple[str, ...] = (), accepts: bool = True) -> None:
        self.users = users
        self.accepts = accepts
        self.done: list[str] = []

    def user_exists(self, username: str) -> bool:
        return username in self.users

    def create_user(self, login: Login, like: str) -> None:
        self.done.append(f"create {login.username} like {like}")

    def set_password(self, login: Login) -> None:
        self.done.append(f"set {login.username}")

    def verify(self, login: Login) -> bool:
        self.done.append(f"verify {login.username}")
        return self.accepts


def content(**keys: object) -> str:
    return json.dumps({"username": "orders", "password": PASSWORD, **keys})


def test_rotate_pauses_between_the_steps_only() -> None:
    slept: list[float] = []
    Rotator(Client(content()), "s", admin=Admin(), pause=2.5, sleep=slept.append).rotate()
    assert slept == [2.5, 2.5, 2.5]


def test_pause_and_on_step_are_told_the_step() -> None:
    told: list[str] = []

    def note(kind: str, done: RotationStep) -> None:
        told.append(f"{kind} {done.step}")

    Rotator(
        Client(content()),
        "s",
        admin=Admin(),
        pause=lambda done: note("pause", done),
        on_step=lambda done: note("on", done),
    ).rotate()
    assert told == [word for step in STEPS for word in (f"on {step}", f"pause {step}")][:-1]


def test_steps_does_one_step_at_a_time() -> None:
    client, admin = Client(content()), Admin()
    steps = Rotator(client, "s", admin=admin).steps()
    assert client.asked == []
    assert next(steps).step == "createSecret"
    assert (client.asked, admin.done) == (["get", "put ['AWSPENDING']"], [])
    assert next(steps).step == "setSecret"
    assert admin.done == ["set orders"]
    assert [done.step for done in steps] == STEPS[2:]
    assert client.asked[2:] == ["move AWSCURRENT"]


@pytest.mark.parametrize(
    ("current", "users", "expected"),
    [
        ("orders", (), "create orders_clone like orders"),
        ("orders", ("orders_clone",), "set orders_clone"),
        ("orders_clone", ("orders",), "set orders"),
    ],
)
def test_alternating_users_take_turns(current: str, users: tuple[str, ...], expected: str) -> None:
    admin = Admin(users=users)
    Rotator(Client(content(username=current)), "s", strategy="alternating-users", admin=admin).rotate()
    assert admin.done[0] == expected


def test_rejected_new_login_moves_no_label() -> None:
    client = Client(content())
    with pytest.raises(RotationError, match="testSecret"):
        Rotator(client, "s", admin=Admin(accepts=False)).rotate()
    assert client.asked == ["get", "put ['AWSPENDING']"]


@pytest.mark.parametrize(
    ("text", "settings", "match"),
    [
        (PASSWORD, {"admin": Admin()}, "not a JSON object"),
        (json.dumps([PASSWORD]), {"admin": Admin()}, "not a JSON object"),
        (json.dumps({"pw": PASSWORD}), {"admin": Admin()}, "no username and password"),
        (content(), {}, "no engine and host"),
        (content(), {"strategy": "alternating-users"}, "masterarn"),
    ],
)
def test_refusals_say_why_and_show_no_content(text: str, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(RotationError, match=match) as caught:
        Rotator(Client(text), "s", **settings).rotate()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if frame.filename.startswith(PACKAGE)]
    assert ours
    assert not any(PASSWORD in value for frame in ours for value in (frame.locals or {}).values())


def test_unknown_engine_and_strategy_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="oracle"):
        Rotator(Client(content(engine="oracle", host="h")), "s").rotate()
    with pytest.raises(ConfigurationError, match="strategy"):
        Rotator(Client(content()), "s", strategy="both")  # type: ignore[arg-type]
