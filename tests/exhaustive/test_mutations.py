"""Each rule, taken out, breaks what it is there for. docs/rules.md lists the counterexamples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from secretconn._core import reader, recovery, rules
from secretconn._core.rules import Refusal
from secretconn._core.state import SecretState
from secretconn.credentials import PENDING
from tests.exhaustive.explore import Broken, explore
from tests.exhaustive.world import Setup

ONE = Setup(rotations=1)
FAILING = Setup(rotations=1, failures=1)
GOES = Setup(rotations=1, label_stays=False)
REJECTER = Setup(rotations=1, rejecter=True)
LAGGING = Setup(rotations=1, lagging=True)
CROWD = Setup(rotations=1, connects=2)
TWO = Setup()

Patch = tuple[Any, str, Any]


def no(*_: Any, **__: Any) -> None:
    return None


def start_with_current(state: Any, answer: Any, now: float, policy: Any) -> Any:
    return rules.Start(answer.current, state)


def keep_for_ever(state: Any, answer: Any, now: float, policy: Any) -> Any:
    return rules.Start(answer.current if state is None or state.accepted is None else state.accepted, state)


def pending_first(question: Callable[..., Any]) -> Callable[..., Any]:
    def asked(state: Any, answer: Any, tried: Any, since: int, refused_at: int, policy: Any) -> Any:
        return question(state, answer, tried, since, refused_at, policy._replace(current=PENDING))

    return asked


def all_at_once(state: Any, answer: Any, tried: Any, since: int, refused_at: int, policy: Any) -> Any:
    return tried.stages if answer.whole <= refused_at else None


def never_whole(question: Callable[..., Any]) -> Callable[..., Any]:
    def asked(state: Any, answer: Any, tried: Any, *rest: Any) -> Any:
        stages = question(state, answer, tried, *rest)
        return stages if stages is None or len(stages) == 1 else None

    return asked


def last_refusal_only(rejected: Callable[..., Any]) -> Callable[..., Any]:
    def state(before: Any, credentials: Any, tick: int) -> Any:
        after = rejected(before, credentials, tick)
        return replace(after, refused={**after.refused, credentials.version_id: Refusal(tick, tick)})

    return state


def forget_all(cleared: Callable[..., Any]) -> Callable[..., Any]:
    return lambda state, begun: cleared(state, 2**62)


def one_login(after: Callable[..., Any]) -> Callable[..., Any]:
    def limited(self: Any, login: Any, verdict: Any) -> Any:
        other = yield from after(self, login, verdict)
        return other if len(self._tried.sent) < 2 else None

    return limited


def no_patience(ask: Callable[..., Any]) -> Callable[..., Any]:
    def impatient(self: Any, *arguments: Any) -> Any:
        self._settings = self._settings._replace(policy=self._settings.policy._replace(read_patience=0.0))
        return ask(self, *arguments)

    return impatient


def old_answers_count(other: Callable[..., Any]) -> Callable[..., Any]:
    def offered(self: Any, answer: Any) -> Any:
        return other(self, answer) or rules.any_other(self._endpoint.state, answer, self._tried)

    return offered


RULES: dict[str, tuple[Patch, str, Setup]] = {
    "4a: start with what was accepted": ((rules, "start", start_with_current), "I4", ONE),
    "4b: newer, without a call": ((rules, "newer", no), "I3", ONE),
    "4b: AWSPENDING of an older answer is a login": (
        (recovery._Inquiry, "_offered", old_answers_count(recovery._Inquiry._offered)),
        "I",
        TWO,
    ),
    "4c: AWSCURRENT is asked first": ((rules, "question", pending_first(rules.question)), "I3", GOES),
    "4c: one stage at a time": ((rules, "question", all_at_once), "I3", ONE),
    "4c: a whole answer last": ((rules, "question", never_whole(rules.question)), "I1", LAGGING),
    "4c: what cannot be read is asked again": ((rules, "unreadable", no), "I1", Setup(rotations=1, failures=2)),
    "4c: asked once for a crowd": ((rules, "rejected", last_refusal_only(rules.rejected)), "I3", CROWD),
    "4d: the cool-down": ((rules, "is_quiet", lambda state, now: False), "I3", REJECTER),
    "4d: of this endpoint alone": ((SecretState, "endpoint", lambda self, *_: self.own), "I", REJECTER),
    "4e: probation ends": ((rules, "start", keep_for_ever), "I4", Setup(ttl=True)),
    "4f: no login that is known to be refused": ((rules, "is_refused", lambda state, login: False), "I4", CROWD),
    "4e: begun before the refusal": ((rules, "cleared", forget_all(rules.cleared)), "I", CROWD),
    "5: a round, not a login": ((recovery._Inquiry, "after", one_login(recovery._Inquiry.after)), "I1", TWO),
    "5: no login twice": ((rules.Tried, "allows", lambda self, login: True), "I2", REJECTER),
    "2: throttled is not refused": ((reader.Reader, "ask", no_patience(reader.Reader.ask)), "I1", FAILING),
}


@pytest.mark.parametrize("rule", RULES)
def test_without_it(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (owner, name, instead), broken, setup = RULES[rule]
    monkeypatch.setattr(owner, name, instead)
    with pytest.raises(Broken, match=broken) as failure:
        explore(setup)
    print(f"{rule}:\n{failure.value}\n")
