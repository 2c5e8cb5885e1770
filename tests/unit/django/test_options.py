"""OPTIONS["secret"]: what may stand there."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import ConfigurationError, RotatingCredentials, shared
from secretconn.django.options import secret_of

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
        (None, "must be the name"),
        ("", "must be the name"),
        (7, "not int"),
        ({}, 'either "id" or "credentials"'),
        ({"id": "a", "credentials": INSTANCE}, 'either "id" or "credentials"'),
        ({"id": "a", "on_rotation": "kill"}, "'kill'"),
        ({"id": "a", "nonsense": 1}, "nonsense"),
        ({"id": "a", "ttl": -1}, "ttl"),
        ({"credentials": "no.such.thing"}, "no"),
        ({"credentials": "os.sep"}, "not str"),
        ({"credentials": INSTANCE, "ttl": 5}, "already decides about ttl"),
    ],
)
def test_what_cannot_be(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        secret_of(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nonsense_is_a_configuration_error_or_a_name(value: object) -> None:
    with contextlib.suppress(ConfigurationError):
        assert secret_of(value).credentials.secret_id
