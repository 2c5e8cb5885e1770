"""Django's wrapper and pool without a server: one version's login, nothing of it in a traceback, draining.

In a process of its own, because Django's settings are one for the process. Nothing listens at the secret's address.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = '''
import json, socket, traceback
from django.conf import settings
from secretconn import RotatingCredentials
from secretconn.testing.memory import MemorySource

with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]

def login(number):
    return {"engine": "postgres", "host": "127.0.0.1", "port": port, "dbname": "orders",
            "username": f"user-{number}", "password": f"s3cret-{number}"}

source = MemorySource(login(1))
credentials = RotatingCredentials("s", source=source)

def options(**more):
    return {"secret": {"credentials": credentials, **more}}

POOL = {"min_size": 0, "max_size": 1, "timeout": 0.3}
engine = {"ENGINE": "secretconn.django.postgresql"}
settings.configure(DATABASES={
    "default": {**engine, "OPTIONS": options()},
    "keeping": {**engine, "OPTIONS": options()},
    "draining": {**engine, "OPTIONS": options(on_rotation="drain")},
    "pooled": {**engine, "OPTIONS": {**options(on_rotation="drain"), "pool": POOL}},
})

import django
django.setup()
from django.db import connections, transaction
from secretconn.django.live_settings import LiveSettings
from secretconn.django import pool as pools

def rotate():
    number = source.reads + 1
    source.rotate(f"v{number}", login(number))
    credentials.refresh()

def shown(open_it):
    """What an error page shows of Django's frames and ours, causes included. The driver's own hold its arguments."""
    try:
        open_it()
    except Exception as error:
        frames = [frame for one in chain(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
        ours = [frame for frame in frames if frame.f_globals["__name__"].split(".")[0] in ("secretconn", "django")]
        where = [f"{frame.f_code.co_qualname}: {name}" for frame in ours
                 for name, value in frame.f_locals.items() if "s3cret" in text(value)]
        return {"type": type(error).__name__, "holding": where, "frames": len(ours)}

def text(value):
    try:
        return repr(value)
    except Exception:  # an object whose __init__ failed
        return ""

def chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

class Between(LiveSettings):
    """A rotation is noticed between reading the user and reading the password."""
    def __getitem__(self, key):
        value = super().__getitem__(key)
        if key in ("USER", "PASSWORD"):
            rotate()
        return value

class Connection:
    closed = 0
    def close(self):
        self.closed += 1

class Pool:
    closed, drained = False, 0
    def drain(self):
        self.drained += 1
    def close(self):
        self.closed = True

told = {}
default = connections["default"]
told["connect"] = shown(default.ensure_connection)
told["pooled"] = shown(connections["pooled"].ensure_connection)
pool = connections["pooled"].pool
told["pool_is_drained"] = pool in pools._draining
told["pool_keeps"] = sorted(pool.kwargs)
told["pool_shows_password"] = "s3cret" in repr(pool.kwargs) + str(pool.conninfo)
connections["pooled"].close_pool()

usual = default.settings_dict
default.settings_dict = Between(usual, usual.secret)
params = default.get_connection_params()
told["one_version"] = params["user"].split("-")[1] == params["password"].split("-")[1]
told["params"] = sorted(params)
default.settings_dict = usual

def closes(alias, version, in_atomic):
    wrapper = connections[alias]
    wrapper.connection, wrapper._secretconn_version = Connection(), version
    wrapper.autocommit, wrapper.in_atomic_block = True, in_atomic
    opened = wrapper.connection
    wrapper.close_if_unusable_or_obsolete()
    wrapper.connection, wrapper.in_atomic_block = None, False
    return opened.closed

now = credentials.current().version_id
told["closes"] = {
    "draining, of the current version": closes("draining", now, False),
    "draining, of an older version": closes("draining", "old", False),
    "draining, of an older version, in a transaction": closes("draining", "old", True),
    "keeping, of an older version": closes("keeping", "old", False),
}

def connected():
    """What connect() remembers of the login: the connection is closed after a rotation, and not before."""
    wrapper = connections["draining"]
    wrapper.get_new_connection = lambda params: Connection()
    wrapper.set_autocommit = lambda *args, **more: None
    wrapper.init_connection_state = lambda: None
    wrapper.connect()
    wrapper.close_at, opened, seen = None, wrapper.connection, []
    for step in (lambda: None, rotate):
        step()
        wrapper.close_if_unusable_or_obsolete()
        seen.append(opened.closed)
    return seen

told["connected"] = connected()

fake = Pool()
pools._drain_on_rotation(fake, connections["pooled"].settings_dict.secret)
pools._drain_on_rotation(fake, connections["pooled"].settings_dict.secret)
rotate()
told["drained"] = [fake.drained]
fake.closed = True
rotate()
told["drained"].append(fake.drained)
fake.closed = False
connections["pooled"]._connection_pools["pooled"] = fake
connections["pooled"].close_pool()
fake.closed = False
rotate()
told["drained"].append(fake.drained)
connections["pooled"].close_pool()
told["makes_a_pool_to_close_it"] = "pooled" in connections["pooled"]._connection_pools
print(json.dumps(told))
'''


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    for needed in ("django", "psycopg", "psycopg_pool"):
        pytest.importorskip(needed)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("how", "error"), [("connect", "OperationalError"), ("pooled", "OperationalError")])
def test_no_frame_of_a_failed_connect_shows_the_password(told: dict[str, Any], how: str, error: str) -> None:
    assert (told[how]["type"], told[how]["holding"]) == (error, [])
    assert told[how]["frames"] >= 6  # or there was nothing to look at


def test_a_pool_is_handed_no_login(told: dict[str, Any]) -> None:
    assert not {"user", "password", "host", "port", "dbname"}.intersection(told["pool_keeps"])
    assert not told["pool_shows_password"]


def test_connection_parameters_are_of_one_version_and_hold_no_secret_option(told: dict[str, Any]) -> None:
    assert told["one_version"]
    assert {"user", "password", "host", "port", "dbname"} <= set(told["params"])
    assert "secret" not in told["params"]


def test_what_is_closed_at_the_bounds_of_a_request(told: dict[str, Any]) -> None:
    assert told["closes"] == {
        "draining, of the current version": 0,
        "draining, of an older version": 1,
        "draining, of an older version, in a transaction": 0,
        "keeping, of an older version": 0,
    }


def test_a_connection_is_closed_after_the_rotation_that_follows_it(told: dict[str, Any]) -> None:
    assert told["connected"] == [0, 1]


def test_a_pool_is_drained_once_a_rotation_until_it_is_closed(told: dict[str, Any]) -> None:
    assert told["pool_is_drained"]
    assert told["drained"] == [1, 1, 1]
    assert not told["makes_a_pool_to_close_it"]
