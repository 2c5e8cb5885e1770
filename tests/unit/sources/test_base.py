"""What an error of the SDK or the transport means for the next read."""

from __future__ import annotations

from typing import Any

import pytest

from secretconn import sources
from secretconn.sources.base import is_passing, is_throttled, name_of, place_of
from tests.unit.fakes import Answered


class Other(Exception):
    """botocore's ClientError with any response, or none."""

    def __init__(self, response: Any) -> None:
        super().__init__("its text may quote anything")
        self.response = response


class ReadTimeoutError(Exception):
    """As botocore's, which is known by its name."""


class OwnTimeout(ReadTimeoutError):
    pass


def status(code: int) -> Other:
    return Other({"ResponseMetadata": {"HTTPStatusCode": code}})


@pytest.mark.parametrize(
    ("error", "throttled", "passing"),
    [
        (Answered("ThrottlingException"), True, True),
        (status(429), True, True),
        (Answered("InternalServiceError"), False, True),
        (status(500), False, True),
        (status(503), False, True),
        (status(400), False, False),
        (Answered("AccessDeniedException"), False, False),
        (Other({}), False, False),
        (Other(None), False, False),
        (Other({"ResponseMetadata": {"HTTPStatusCode": "503"}}), False, False),
        (ConnectionError(), False, True),
        (TimeoutError(), False, True),
        (OwnTimeout(), False, True),
        (ValueError(), False, False),
    ],
)
def test_what_may_succeed_in_a_moment(error: Exception, throttled: bool, passing: bool) -> None:
    assert (is_throttled(error), is_passing(error)) == (throttled, passing)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (Other({}), "Other"),
        (Other(None), "Other"),
        (Other({"Error": {"Code": ""}}), "Other"),
        (KeyError("x"), "KeyError"),
    ],
)
def test_an_error_is_named_by_its_type(error: Exception, name: str) -> None:
    assert name_of(error) == name


def test_a_name_that_is_no_source_is_told() -> None:
    with pytest.raises(AttributeError, match=r"^module 'secretconn.sources' has no attribute 'Vault'$"):
        _ = sources.Vault  # type: ignore[attr-defined]


def test_a_place_is_text_or_none() -> None:
    source: Any = Other(None)
    assert place_of(source) is None
    source.place = 5
    assert place_of(source) is None
    source.place = "eu-west-1"
    assert place_of(source) == "eu-west-1"
