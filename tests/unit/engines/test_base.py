"""Walking an exception's causes: bounded, complete, and deaf to what is none of its business."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn.engines import BUILT_IN
from secretconn.engines.base import MAX_CAUSES, MAX_TEXT, Verdict, attribute, judge, text_of, walk_causes


class Hostile(Exception):
    """Everything a classifier may ask raises."""

    @property
    def orig(self) -> object:
        raise RuntimeError("orig")

    errno = sqlstate = pgcode = pgconn = __cause__ = __context__ = orig  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("str")


class Unlike:
    """Neither an exception nor willing to say so."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError("class")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise RuntimeError("bool")


class Said(Exception):
    def __init__(self, verdict: Verdict | None) -> None:
        super().__init__(verdict)
        self.verdict = verdict


def opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, Said):
        return error.verdict
    raise ValueError("an opinion may fail")


def chained(error: BaseException, link: str, other: object) -> BaseException:
    setattr(error, link, other)
    return error


def test_each_cause_is_seen_once_and_cycles_end() -> None:
    first, second, third = ValueError(1), ValueError(2), ValueError(3)
    first.__cause__, first.__context__, second.__context__, third.__cause__ = second, second, third, first
    assert list(walk_causes(first)) == [first, second, third]
    assert list(walk_causes(first, context=False)) == [first, second]


def test_a_long_chain_is_cut() -> None:
    error = last = ValueError(0)
    for number in range(100):
        last.__cause__ = ValueError(number)
        last = last.__cause__
    assert len(list(walk_causes(error))) == MAX_CAUSES


@pytest.mark.parametrize("other", [None, "text", pytest.param(Unlike(), id="unlike"), 3])
def test_an_orig_that_is_no_exception_is_passed_over(other: object) -> None:
    error = chained(ValueError(), "orig", other)
    assert list(walk_causes(error)) == [error]


@pytest.mark.parametrize("link", ["orig", "__cause__", "__context__"])
@pytest.mark.parametrize("verdict", Verdict)
def test_an_opinion_is_heard_through_every_link(link: str, verdict: Verdict) -> None:
    assert judge(chained(RuntimeError(), link, Said(verdict)), opinion) is verdict


@pytest.mark.parametrize("link", ["orig", "__cause__"])
def test_the_gravest_opinion_of_a_chain_counts(link: str) -> None:
    gravest_first = (Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER)
    for grave, light in itertools.combinations(gravest_first, 2):
        assert judge(chained(Said(light), link, Said(grave)), opinion) is grave
        assert judge(chained(Said(grave), link, Said(light)), opinion) is grave


def test_an_older_error_of_the_caller_does_not_overrule() -> None:
    assert judge(chained(Said(Verdict.OTHER), "__context__", Said(Verdict.REJECTED)), opinion) is Verdict.OTHER


def test_no_opinion_is_other() -> None:
    assert judge(Said(None), opinion) is Verdict.OTHER


def test_helpers_survive_hostile_classes() -> None:
    assert attribute(Hostile(), "orig") is None
    assert text_of(Hostile()) == ""
    assert len(text_of(ValueError("x" * MAX_TEXT * 2))) == MAX_TEXT


things = st.one_of(
    st.none(),
    st.integers(),
    st.text(),
    st.binary(),
    st.builds(Unlike),
    st.dictionaries(st.text(max_size=1), st.text(), max_size=2),
    st.sampled_from([1045, "28P01", {"C": "28P01"}, {"C": 1}, "FATAL:  x", (18456, b"x"), float("nan")]),
)
kinds = st.sampled_from([Exception, OSError, ValueError, KeyboardInterrupt, UnicodeDecodeError, Hostile, BaseException])


@st.composite
def errors(draw: st.DrawFn) -> BaseException:
    made: list[BaseException] = []
    for _ in range(draw(st.integers(1, 5))):
        args = draw(st.lists(things, max_size=3))
        try:
            error = draw(kinds)(*args)
        except TypeError:
            error = Exception(*args)
        for name in draw(
            st.sets(
                st.sampled_from(
                    [
                        "errno",
                        "sqlstate",
                        "pgcode",
                        "pgerror",
                        "pgconn",
                        "orig",
                        "args",
                        "code",
                        "details",
                        "driver_error",
                    ]
                )
            )
        ):
            try:
                setattr(error, name, draw(things))
            except (AttributeError, TypeError):
                continue
        made.append(error)
    for error in made:
        if type(error) is not Hostile:
            error.__cause__ = draw(st.sampled_from([None, *made]))
            error.__context__ = draw(st.sampled_from([None, *made]))
            if draw(st.booleans()) and type(error) is not OSError:
                error.orig = draw(st.sampled_from(made))  # type: ignore[attr-defined]
    return made[0]


@given(errors())
def test_no_exception_makes_a_classifier_raise(error: BaseException) -> None:
    for engine in BUILT_IN:
        for driver in engine.drivers:
            assert driver.classify(error) in Verdict


def test_every_link_is_walked_from_every_cause() -> None:
    orig, cause, context = ValueError("orig"), ValueError("cause"), ValueError("context")
    error = chained(ValueError(), "orig", orig)
    error.__cause__, error.__context__ = cause, context
    assert list(walk_causes(error)) == [error, orig, cause, context]
    assert list(walk_causes(error, context=False)) == [error, orig, cause]
