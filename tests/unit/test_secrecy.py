"""Rule 9: no password in repr, str, log, event, note, exception, pickle, or the locals of our frames."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import secretconn
from secretconn import ConfigurationError, SecretFormatError, SecretUnavailable
from tests.unit.fakes import DRIVER, Bed, Refused

OURS = str(Path(secretconn.__file__).parent)
WORD = "xyzzy-"
SECRET = {"username": "app", "password": WORD + "1", "host": "db"}


def walk(value: object, depth: int = 4) -> str:
    """What an error reporter would store of a local variable: its repr, and the insides of containers."""
    parts = [repr(value)]
    if depth and isinstance(value, dict):
        parts += [walk(inner, depth - 1) for pair in value.items() for inner in pair]
    elif depth and isinstance(value, list | tuple | set):
        parts += [walk(inner, depth - 1) for inner in value]
    return " ".join(parts)


def assert_silent(error: BaseException, *, ours: bool = True) -> None:
    """Nothing of a password in the error, its chain, or the locals of our frames in its traceback.

    Args:
        error: What was raised.
        ours: Whether a frame of ours must be among them, so that the check has something to look at.
    """
    looked_at = 0
    seen: list[BaseException] = [error]
    for one in seen:
        assert WORD not in f"{one}{one!r}{walk(one.args)}{getattr(one, '__notes__', '')}"
        seen += [link for link in (one.__cause__, one.__context__) if link is not None and link not in seen]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(OURS):
                looked_at += 1
                for name, value in frame.f_locals.items():
                    assert WORD not in walk(value), f"{name} in {frame.f_code.co_name}"
    assert looked_at or not ours
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert not any(WORD in part for part in shown.split("  File ") if f'"{OURS}' in part)


def rejected(bed: Bed) -> None:
    bed.server.accepted = set()
    bed.connect()


def rejected_twice(bed: Bed) -> None:
    bed.rotating.current()
    bed.source.rotate("v2", SECRET | {"password": WORD + "2"})
    bed.server.accepted = set()
    bed.connect()


def source_fails_after_a_rejection(bed: Bed) -> None:
    bed.rotating.current()
    bed.server.accepted = set()
    bed.source.error = OSError(WORD)
    bed.connect()


def rejected_async(bed: Bed) -> None:
    bed.server.accepted = set()
    asyncio.run(bed.aconnect())


def password_given(bed: Bed) -> None:
    bed.connect(password=WORD)


def password_given_async(bed: Bed) -> None:
    asyncio.run(bed.aconnect(password=WORD))


def password_given_to_connect(bed: Bed) -> None:
    bed.rotating._engine = "postgresql"
    secretconn.connect(bed.rotating, driver="psycopg", password=WORD)


def dsn_with_password(bed: Bed) -> None:
    secretconn.connect(bed.rotating, f"postgresql://u:{WORD}@h/d", driver="psycopg")


def dsn_with_password_async(bed: Bed) -> None:
    asyncio.run(secretconn.aconnect(bed.rotating, f"postgresql://u:{WORD}@h/d", driver="asyncpg"))


def no_host(bed: Bed) -> None:
    bed.source.put("v1", {"username": "app", "password": WORD}, "AWSCURRENT")
    bed.connect()


def other_engine(bed: Bed) -> None:
    bed.source.put("v1", SECRET | {"engine": "mysql"}, "AWSCURRENT")
    bed.connect()


def other_engine_later(bed: Bed) -> None:
    connect = secretconn.wrap(bed.server.connect, bed.rotating, driver=DRIVER)
    bed.rotating.refresh()
    bed.server.accepted = {("app", WORD + "1")}
    connect()
    bed.source.rotate("v2", SECRET | {"engine": "mysql"})
    bed.rotating.refresh()
    connect()


def malformed(bed: Bed) -> None:
    bed.source.put("v1", json.dumps(SECRET)[:-1] + WORD, "AWSCURRENT")
    bed.rotating.current()


def wrong_key(bed: Bed) -> None:
    bed.source.put("v1", SECRET | {"port": WORD}, "AWSCURRENT")
    bed.connect()


def nul_in_the_password(bed: Bed) -> None:
    bed.source.put("v1", SECRET | {"password": f"{WORD}\0"}, "AWSCURRENT")
    bed.connect()


def the_host_under_another_key(bed: Bed) -> None:
    bed.source.put("v1", {"username": "app", "password": WORD, "hostname": "db"}, "AWSCURRENT")
    bed.connect()


CASES: list[tuple[Callable[[Bed], None], type[Exception]]] = [
    (rejected, Refused),
    (rejected_twice, Refused),
    (source_fails_after_a_rejection, Refused),
    (rejected_async, Refused),
    (password_given, TypeError),
    (password_given_async, TypeError),
    (password_given_to_connect, TypeError),
    (dsn_with_password, TypeError),
    (dsn_with_password_async, TypeError),
    (no_host, ConfigurationError),
    (other_engine, ConfigurationError),
    (other_engine_later, ConfigurationError),
    (malformed, SecretFormatError),
    (wrong_key, SecretFormatError),
    (nul_in_the_password, SecretFormatError),
    (the_host_under_another_key, SecretFormatError),
]


@pytest.mark.parametrize(("case", "kind"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_nothing_shows(case: Callable[[Bed], None], kind: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bed = Bed()
    bed.source.put("v1", SECRET, "AWSCURRENT")
    with pytest.raises(kind) as caught:
        case(bed)
    assert_silent(caught.value)
    assert WORD not in caplog.text
    assert WORD not in walk([vars(record) for record in caplog.records])
    assert WORD not in walk(bed.events)
    for thing in (bed.rotating, bed.rotating.stats(), bed.source, DRIVER, secretconn.wrap):
        assert WORD not in f"{thing}{thing!r}"


def test_the_state_that_is_kept_shows_nothing() -> None:
    bed = Bed()
    bed.source.put("v1", SECRET, "AWSCURRENT")
    bed.server.accepted = {("app", WORD + "2")}
    bed.rotating.current()
    bed.source.put("v2", SECRET | {"password": WORD + "2"}, "AWSPENDING")
    bed.connect()
    state = bed.core.state
    assert state.own.state is not None
    assert WORD not in f"{state.answer!r}{state.own.state!r}{bed.rotating.current()}"


def test_a_failing_read_of_the_source_tells_its_kind_and_not_its_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bed = Bed()
    bed.source.error = OSError(WORD)
    with pytest.raises(SecretUnavailable) as caught:
        bed.rotating.current()
    assert WORD not in f"{caught.value}{caplog.text}{bed.events}"


def test_the_check_itself_can_fail() -> None:
    error = RuntimeError(WORD)
    with pytest.raises(AssertionError):
        assert_silent(error)
