"""OPTIONS["secret"]: what may stand there."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import ConfigurationError, RotatingCredentials, shared
from secretconn.django.options import secret_of

WHAT = 'OPTIONS["secret"] must be the name or ARN of a secret, a mapping with "id", or a RotatingCredentials, '
INSTANCE = RotatingCredentials("of/a/module", region="eu-west-1")


def test_a_name_is_shared_with_the_rest_of_the_process() -> None:
    assert secret_of("prod/orders").credentials is shared("prod/orders")
    assert secret_of({"id": "prod/orders"}).credentials is shared("prod/orders")
    assert not secret_of("prod/orders").drain


def test_an_instance_and_its_dotted_path() -> None:
    assert secret_of(INSTANCE).credentials is INSTANCE
    found = secret_of({"credentials": INSTANCE, "on_rotation": "drain"})
    assert found.credentials is INSTANCE
    assert found.drain


def test_equal_settings_are_one_object() -> None:
    def made(**more: Any) -> RotatingCredentials:
        keywords = {"id": "a", "ttl": 60.0, "region": "eu-west-1", "keys": {"username": "login"}, **more}
        return secret_of({**keywords, "fallback_stages": ["AWSPENDING"]}).credentials

    assert made() is made() is made(on_rotation="drain")
    assert made() is not made(ttl=61.0)
    assert made() is not made(keys={"username": "name"})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, f"{WHAT}not NoneType"),
        ("", f"{WHAT}not str"),
        (7, f"{WHAT}not int"),
        ({}, 'OPTIONS["secret"] needs either "id" or "credentials"'),
        ({"id": "a", "credentials": INSTANCE}, 'OPTIONS["secret"] needs either "id" or "credentials"'),
        (
            {"id": "a", "on_rotation": "kill"},
            """OPTIONS["secret"]["on_rotation"] must be "keep" or "drain", not 'kill'""",
        ),
        ({"id": "a", "ttl": -1}, "ttl must be a number of seconds greater than 0, not -1"),
        ({"credentials": "no.such.thing"}, """OPTIONS["secret"]["credentials"]: No module named 'no'"""),
        (
            {"credentials": "os.sep"},
            'OPTIONS["secret"]["credentials"] must be a RotatingCredentials or the dotted path of one, not str',
        ),
        (
            {"credentials": INSTANCE, "ttl": 5, "region": "r"},
            'OPTIONS["secret"]: "credentials" already decides about ttl, region',
        ),
    ],
)
def test_what_cannot_be(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        secret_of(value)
    assert str(caught.value) == message


def test_a_keyword_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r'^OPTIONS\["secret"\]: .*nonsense'):
        secret_of({"id": "a", "nonsense": 1})


def test_objects_that_are_no_plain_values_count_as_themselves() -> None:
    class Session:
        __hash__ = None  # type: ignore[assignment]

    one, other = Session(), Session()
    made = [secret_of({"id": "a", "session": session}).credentials for session in (one, one, other)]
    assert made[0] is made[1]
    assert made[0] is not made[2]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nonsense_is_a_configuration_error_or_a_name(value: object) -> None:
    with contextlib.suppress(ConfigurationError):
        assert secret_of(value).credentials.secret_id
