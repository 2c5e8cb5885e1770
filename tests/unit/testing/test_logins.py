"""Logins and new passwords: long, awkward, and never shown."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn.testing.logins import AWKWARD, Login, new_password


@given(seed=st.integers(), length=st.integers(20, 80), exclude=st.text(alphabet=AWKWARD + "abcXYZ019"))
def test_password_has_its_length_and_every_awkward_character_but_the_excluded(
    seed: int, length: int, exclude: str
) -> None:
    password = new_password(length, exclude=exclude, choice=random.Random(seed).choice)
    assert len(password) == length
    assert set(AWKWARD) - set(exclude) <= set(password)
    assert not set(exclude) & set(password)
    assert password.isascii()
    assert password.isprintable()
    assert password == password.strip()


def test_passwords_differ() -> None:
    assert new_password() != new_password()


@pytest.mark.parametrize(("length", "exclude"), [(19, ""), (32, "".join(map(chr, range(33, 127))))])
def test_impossible_wishes_are_refused(length: int, exclude: str) -> None:
    with pytest.raises(ValueError, match="at least 20 characters"):
        new_password(length, exclude=exclude)


def test_repr_hides_the_password() -> None:
    assert repr(Login("orders", "hunter2")) == "Login(username='orders')"
