"""How a source is asked, and what of its answer counts as new, as whole, as a problem."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from secretconn._core.answer import Answer, Label, Policy
from secretconn._core.flight import Flight
from secretconn._core.parsing import Shape
from secretconn._core.reading import news_of, parsed_reading, read
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials, Payload
from secretconn.errors import SecretFormatError
from secretconn.sources.base import Reading
from tests.unit.fakes import StageSource, login

ALL = (CURRENT, PENDING, PREVIOUS)
V1 = Credentials("s", "v1", "app", "p1")
BEFORE = Answer(3, 100.0, {CURRENT: Label("v1", 3)}, {"v1": V1}, V1)


def flight(reason: str = "rejected") -> Flight:
    return Flight(reason, tick=7, begun=200.0, deadline=215.0)


def test_one_that_is_malformed_hides_no_other_and_no_failure() -> None:
    failure = PermissionError("no")
    payloads = {"v1": Payload("v1", '{"username": "app", "password": "p1"}'), "v2": Payload("v2", "[]")}
    reading = Reading({CURRENT: "v1", PENDING: "v2", PREVIOUS: "v0"}, payloads, {PREVIOUS: failure})
    parsed = parsed_reading(reading, "s", Shape())
    assert list(parsed.logins) == ["v1"]
    assert parsed.problems.keys() == {PENDING, PREVIOUS}
    assert parsed.problems[PREVIOUS] is failure
    assert isinstance(parsed.problems[PENDING], SecretFormatError)


@pytest.mark.parametrize(
    ("told", "asked", "whole"), [(True, (CURRENT,), True), (False, ALL, True), (False, (CURRENT,), False)]
)
def test_it_is_whole_where_the_source_says_so_or_all_was_asked_for(
    told: bool, asked: tuple[str, ...], whole: bool
) -> None:
    parsed = parsed_reading(Reading({CURRENT: "v1"}, {}, whole=told), "s", Shape())
    news = news_of(parsed, BEFORE, flight(), asked, Policy())
    assert (news.whole, news.tick, news.at) == (whole, 7, 200.0)


def test_what_came_out_of_a_cache_is_as_old_as_what_was_held() -> None:
    parsed = parsed_reading(Reading({CURRENT: "v1"}, {}, cached=True, oldest=50.0), "s", Shape())
    for before, reason, expected in (
        (BEFORE, "ttl", (False, 3, 150.0)),
        (None, "first", (False, -1, 200.0)),
        (BEFORE, "rejected", (True, 7, 200.0)),  # then it was read past the cache
    ):
        news = news_of(parsed, before, flight(reason), ALL, Policy())
        assert (news.whole, news.tick, news.at) == expected


def test_what_was_left_out_is_a_problem() -> None:
    parsed = parsed_reading(Reading({CURRENT: "v1", PENDING: "v2", PREVIOUS: "v0"}, {}), "s", Shape())
    problems = news_of(parsed, BEFORE, flight(), (CURRENT, PENDING), Policy()).problems
    assert {stage: str(problem) for stage, problem in problems.items()} == {
        PENDING: "the source left out the content of AWSPENDING"
    }


def test_a_version_that_is_held_is_not_read_again() -> None:
    for reason in ("ttl", "rejected"):
        source = StageSource(login("p1"))
        assert read(source, reason, ALL, None).payloads.keys() == {"v1"}
        assert read(source, reason, ALL, BEFORE).payloads == MappingProxyType({})
