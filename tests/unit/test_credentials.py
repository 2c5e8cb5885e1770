"""Every secret shape becomes Credentials, everything else SecretFormatError, and no content ever shows."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import secretconn
from secretconn import ConfigurationError, Credentials, SecretFormatError
from secretconn._core.parsing import Shape, parse
from secretconn.credentials import Payload

PACKAGE = str(Path(secretconn.__file__).parent)
AWS = {
    "engine": "postgres",
    "host": "db.example",
    "port": 5432,
    "username": "app",
    "password": "s3cret-word",
    "dbname": "orders",
}


def read(content: object, shape: Shape | None = None) -> Credentials:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    return parse(Payload("v1", text), "prod/orders", shape or Shape())


def test_the_json_aws_writes() -> None:
    login = read(AWS)
    assert (login.username, login.password, login.host, login.port) == ("app", "s3cret-word", "db.example", 5432)
    assert (login.database, login.engine, login.ssl) == ("orders", "postgres", None)
    assert (login.secret_id, login.version_id) == ("prod/orders", "v1")


@pytest.mark.parametrize("engine", ["mysql", "aurora-mysql", "mariadb", "postgres", "aurora-postgresql", "postgresql"])
def test_engines_are_kept_as_written(engine: str) -> None:
    assert read(AWS | {"engine": engine, "masterarn": "arn:aws:..."}).engine == engine


def test_a_managed_secret_has_only_user_and_password() -> None:
    login = read({"username": "admin", "password": "p"})
    assert (login.host, login.port, login.database, login.engine) == (None, None, None, None)


@pytest.mark.parametrize(("given", "port"), [("3306", 3306), (3307, 3307), (None, None), ("1", 1), (65535, 65535)])
def test_port_as_number_or_digits(given: object, port: int | None) -> None:
    assert read(AWS | {"port": given}).port == port


@pytest.mark.parametrize(
    ("given", "ssl"), [(True, True), (False, False), ("true", True), ("false", False), (None, None)], ids=repr
)
def test_ssl(given: object, ssl: bool | None) -> None:
    assert read(AWS | {"ssl": given}).ssl is ssl


def test_binary_json_with_and_without_a_byte_order_mark() -> None:
    assert read(json.dumps(AWS).encode()).password == "s3cret-word"
    assert read(b"\xef\xbb\xbf" + json.dumps(AWS).encode()).password == "s3cret-word"


def test_other_key_names() -> None:
    shape = Shape(keys={"username": "db_user", "password": "db_pass", "database": "schema"})
    login = read({"db_user": "u", "db_pass": "p", "host": "h", "schema": "d", "dbname": "no"}, shape)
    assert (login.username, login.password, login.host, login.database) == ("u", "p", "h", "d")


@pytest.mark.parametrize(
    ("text", "password"), [("pw", "pw"), ("pw\n", "pw"), ("pw\r\n", "pw"), ("123", "123"), ("[]", "[]")]
)
def test_plain_text_is_only_a_password(text: str, password: str) -> None:
    login = read(text, Shape(username="app"))
    assert (login.username, login.password) == ("app", password)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({}, "username"),
        (AWS | {"username": None}, "username"),
        (AWS | {"username": ""}, "username"),
        (AWS | {"username": 7}, "username"),
        ({"username": "u"}, "password"),
        (AWS | {"password": ""}, "password"),
        (AWS | {"password": ["s3cret-word"]}, "password"),
        (AWS | {"password": "s3cret-word\ud800"}, "password"),
        (AWS | {"port": "54x2"}, "port"),
        (AWS | {"port": 0}, "port"),
        (AWS | {"port": 65536}, "port"),
        (AWS | {"port": "65536"}, "port"),
        (AWS | {"port": True}, "port"),
        (AWS | {"port": 5432.0}, "port"),
        (AWS | {"port": "9" * 5000}, "port"),
        (AWS | {"host": 5}, "host"),
        (AWS | {"dbname": {}}, "dbname"),
        (AWS | {"engine": 1}, "engine"),
        (AWS | {"ssl": "yes"}, "ssl"),
        (AWS | {"ssl": 1}, "ssl"),
        ("s3cret-word", None),
        ("[1]", None),
        ("", None),
        (b"\xff\xfes3cret-word", None),
        ("[" * 100_000, None),
    ],
)
def test_wrong_content_names_the_key_and_never_the_content(content: object, key: str | None) -> None:
    with pytest.raises(SecretFormatError) as caught:
        read(content)
    error = caught.value
    assert (error.secret_id, error.version_id, error.key) == ("prod/orders", "v1", key)
    assert "prod/orders" in str(error)
    assert "'v1'" in str(error)
    if key is not None:
        assert repr(key) in str(error)
    assert_nothing_shows(error)


def test_a_mapped_key_is_named_as_the_secret_has_it() -> None:
    with pytest.raises(SecretFormatError, match="'db_pass'"):
        read({"username": "u"}, Shape(keys={"password": "db_pass"}))


def test_plain_text_given_json_says_so() -> None:
    with pytest.raises(SecretFormatError, match="leave it out") as caught:
        read(AWS, Shape(username="app"))
    assert_nothing_shows(caught.value)


def test_no_content_at_all() -> None:
    with pytest.raises(SecretFormatError, match="neither"):
        parse(Payload("v1", None), "s", Shape())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"keys": {"user": "x"}},
        {"keys": {"password": ""}},
        {"keys": {"password": 3}},
        {"username": ""},
        {"username": 4},
        {"username": "u", "keys": {"password": "p"}},
    ],
)
def test_a_wrong_shape_is_a_configuration_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Shape(**wrong)  # type: ignore[arg-type]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
likely = st.fixed_dictionaries(
    {},
    optional={key: json_values | st.sampled_from(["app", "5432", 5432, "true"]) for key in (*AWS, "ssl", "masterarn")},
)
shapes = st.sampled_from([Shape(), Shape(username="app"), Shape(keys={"username": "host", "database": "db"})])


@given(st.text() | st.binary() | json_values.map(json.dumps) | likely.map(json.dumps), shapes)
@example("[" * 3000, Shape())
@example('{"username": "\\ud800", "password": "x"}', Shape())
def test_any_content_gives_credentials_or_a_format_error(content: str | bytes, shape: Shape) -> None:
    login = parsed(Payload("v", content), shape)
    if isinstance(login, SecretFormatError):
        assert login.__cause__ is login.__context__ is None
    else:
        assert login.username
        assert login.password
        assert login.password.encode()
        assert login.port is None or 0 < login.port <= 65535
        assert login.host is None or login.host


def parsed(payload: Payload, shape: Shape) -> Credentials | SecretFormatError:
    try:
        return parse(payload, "s", shape)
    except SecretFormatError as error:
        return error


def test_same_login_looks_at_user_and_password_only() -> None:
    one = read(AWS)
    assert one.same_login(read(AWS | {"host": "elsewhere"}))
    assert not one.same_login(read(AWS | {"username": "app_clone"}))
    assert not one.same_login(read(AWS | {"password": "other"}))


def test_frozen_redacted_and_never_pickled() -> None:
    login, payload = read(AWS), Payload("v1", "s3cret-word")
    with pytest.raises(AttributeError):
        login.password = "x"  # type: ignore[misc]
    for held in (login, payload):
        assert "s3cret-word" not in repr(held) + str(held) + f"{held}"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(held, protocol)
        assert copy.copy(held) is held
        assert copy.deepcopy(held) is held
    assert "app" in repr(login)


def assert_nothing_shows(error: BaseException) -> None:
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    ours = "".join(part for part in shown.split("  File ") if part.startswith(f'"{PACKAGE}'))
    assert ours
    assert "s3cret-word" not in ours
    assert "s3cret-word" not in f"{error}{error!r}{error.args}{vars(error)}"
