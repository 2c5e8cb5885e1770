"""Every secret shape becomes Credentials, everything else SecretFormatError, and no content ever shows."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

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


def test_aws_s_own_key_comes_before_another_spelling_of_it() -> None:
    login = read(AWS | {"hostname": "elsewhere", "database": "another"})
    assert (login.host, login.database, login.problems) == ("db.example", "orders", {})


def test_a_managed_secret_has_only_user_and_password() -> None:
    login = read({"username": "admin", "password": "p"})
    assert (login.host, login.port, login.database, login.engine) == (None, None, None, None)


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ("3306", 3306),
        (3307, 3307),
        ("1", 1),
        (65535, 65535),
        (" 5432 ", 5432),
        (5432.0, 5432),
        ("5_432", 5432),
        ("\uff15\uff14", 54),
        *((absent, None) for absent in (None, "", "  ", 0, "0")),
    ],
    ids=repr,
)
def test_port_as_int_reads_it(given: object, port: int | None) -> None:
    assert read(AWS | {"port": given}).port == port


@pytest.mark.parametrize(
    ("given", "ssl"),
    [
        *((true, True) for true in (True, "true", "True", "TRUE")),
        *((false, False) for false in (False, "false", "False")),
        *((absent, None) for absent in (None, "", "yes", "require", 1, {})),
    ],
    ids=repr,
)
def test_ssl(given: object, ssl: bool | None) -> None:
    assert read(AWS | {"ssl": given}).ssl is ssl


def test_binary_json_with_and_without_a_byte_order_mark() -> None:
    assert read(json.dumps(AWS).encode()).password == "s3cret-word"
    assert read(b"\xef\xbb\xbf" + json.dumps(AWS).encode()).password == "s3cret-word"
    assert read("\ufeff" + json.dumps(AWS)).password == "s3cret-word"


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
    assert (login.secret_id, login.version_id) == ("prod/orders", "v1")


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


UNUSABLE = [
    *(("port", "port", port) for port in ("54x2", 65536, "65536", -1, True, "9" * 5000, float("inf"), [], {})),
    *(("host", "host", host) for host in (5, 0, True, ["db"], "\ud800")),
    *(("dbname", "database", database) for database in ({}, True, 1.5, "\ud800")),
    *(("engine", "engine", engine) for engine in (1, [])),
]


@pytest.mark.parametrize(("key", "name", "value"), UNUSABLE, ids=lambda value: repr(value)[:20])
def test_a_value_that_cannot_be_used_is_refused_where_it_is_used(key: str, name: str, value: object) -> None:
    login = read(AWS | {key: value})
    assert (login.username, login.password) == ("app", "s3cret-word")
    assert "app" in repr(login)
    assert login == login.__copy__()
    with pytest.raises(SecretFormatError, match=f"prod/orders.*'v1'.*'{key}'") as caught:
        getattr(login, name)
    assert (caught.value.secret_id, caught.value.version_id, caught.value.key) == ("prod/orders", "v1", key)
    assert_nothing_shows(caught.value)
    assert getattr(login, "ssl" if name == "port" else "port") == (None if name == "port" else 5432)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("host", "host", "app:xyzzy@db"),
        ("host", "host", "app@db"),
        *(
            (name, key, "postgresql://app:xyzzy@db:5432/orders")
            for name, key in (("host", "host"), ("engine", "engine"))
        ),
        ("database", "dbname", "postgresql://app:xyzzy@db:5432/orders"),
    ],
)
def test_a_place_with_a_login_in_it_is_none_and_never_shown(name: str, key: str, value: str) -> None:
    login = read(AWS | {key: value})
    assert "xyzzy" not in repr(login)
    with pytest.raises(SecretFormatError, match=f"'{key}' has a user in it") as caught:
        getattr(login, name)
    assert "xyzzy" not in str(caught.value)


def test_what_looks_alike_is_taken() -> None:
    login = read(AWS | {"host": "@abstract", "dbname": "orders@2"})
    assert (login.host, login.database) == ("@abstract", "orders@2")


def test_blanks_around_a_host_are_left_out_and_a_number_may_name_a_database() -> None:
    login = read(AWS | {"host": " db.example\n", "dbname": 0})
    assert (login.host, login.database) == ("db.example", "0")
    assert read(AWS | {"host": "  "}).host is None
    assert read(AWS | {"dbname": " orders "}).database == " orders "


@pytest.mark.parametrize("key", ["user", "userName", "db_user", "DB-User", "Username", "uid"])
def test_the_user_under_another_key_is_named_with_what_to_pass(key: str) -> None:
    with pytest.raises(SecretFormatError) as caught:
        read({key: "app", "password": "s3cret-word"})
    assert f"has no 'username' but {key!r}; pass keys={{'username': {key!r}}}" in str(caught.value)
    assert caught.value.key == "username"
    assert read({key: "app", "password": "p"}, Shape(keys={"username": key})).username == "app"


@pytest.mark.parametrize("key", ["pass", "passwd", "Password", "pwd", "db_password"])
def test_so_is_the_password(key: str) -> None:
    with pytest.raises(SecretFormatError, match=f"pass keys={{'password': '{key}'}}") as caught:
        read({"username": "app", key: "s3cret-word"})
    assert_nothing_shows(caught.value)


@pytest.mark.parametrize(
    ("name", "key"), [("host", "hostname"), ("host", "db_host"), ("port", "db_port"), ("database", "database")]
)
def test_an_address_under_another_key_is_noted(name: str, key: str) -> None:
    login = read({"username": "u", "password": "p", key: "x"})
    assert getattr(login, name) is None
    assert f"pass keys={{'{name}': '{key}'}}" in login.problems[name].sentence
    mapped = read({"username": "u", "password": "p", key: "5"}, Shape(keys={name: key}))
    assert name not in mapped.problems
    assert str(getattr(mapped, name)) == "5"


def test_a_key_that_has_another_meaning_already_is_no_other_spelling() -> None:
    login = read({"username": "u", "password": "p", "db": "orders"}, Shape(keys={"engine": "db"}))
    assert dict(login.problems) == {}


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
        for name in ("host", "port", "database", "engine"):
            value = tried(login, name)
            assert value is None or value
            assert name != "port" or value is None or 0 < value <= 65535


def tried(login: Credentials, name: str) -> Any:
    try:
        return getattr(login, name)
    except SecretFormatError:
        return None


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
    with pytest.raises(AttributeError):
        del login.password
    for held in (login, payload):
        assert not hasattr(held, "__dict__")
        with pytest.raises(TypeError):
            asdict(held)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="cannot be pickled"):
            held.__getstate__()
        assert "s3cret-word" not in repr(held) + str(held) + f"{held}"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(held, protocol)
        assert copy.copy(held) is held
        assert copy.deepcopy(held) is held
    assert "app" in repr(login)


def encoded_by_flask(login: Credentials) -> str:
    flask = pytest.importorskip("flask")
    with flask.Flask("app").app_context():
        return str(flask.jsonify(login).data)


def encoded_by_pydantic(login: Credentials) -> str:
    core = pytest.importorskip("pydantic_core")
    return str(core.to_json(login, serialize_unknown=True))


def encoded_by_json(login: Credentials) -> str:
    return json.dumps(login, default=lambda other: [vars(other), other])


@pytest.mark.parametrize("encode", [encoded_by_flask, encoded_by_pydantic, encoded_by_json, pprint.pformat, str])
def test_no_encoder_shows_the_password(encode: Callable[[Credentials], str]) -> None:
    try:
        shown = encode(read(AWS))
    except TypeError as error:
        shown = f"{error}"
    assert "s3cret-word" not in shown


def test_equal_values_make_equal_logins() -> None:
    one = read(AWS)
    assert one == read(AWS)
    assert hash(one) == hash(read(AWS))
    assert one != read(AWS | {"password": "other"})
    assert one != read(AWS | {"port": 1})
    assert one != "app"


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    assert not hasattr(read(AWS), "passwd")


def assert_nothing_shows(error: BaseException) -> None:
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    ours = "".join(part for part in shown.split("  File ") if part.startswith(f'"{PACKAGE}'))
    assert ours
    assert "s3cret-word" not in ours
    assert "s3cret-word" not in f"{error}{error!r}{error.args}{vars(error)}"
