"""Rotations, connects, failing reads and jumping clocks in any order, against a model of which logins the server takes.

Asserted after every connect:
- it succeeds whenever the server takes a login that the secret labels and that can be read (A1, A4), once every
  cool-down is over: whatever happened before, also if the clock jumped back;
- no login is sent twice in it, and each labelled version at most once (A1);
- a login that this endpoint is known to refuse is sent only in a cool-down, or after the source was asked (A2);
- its API calls are bounded (A7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from secretconn import SecretUnavailable
from secretconn._core.rotating import core_of
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from tests.unit.fakes import Bed, Refused, login

STAGES = (CURRENT, PENDING, PREVIOUS)
COOL_DOWN_OVER = 40.0
CALLS = 40
"""API calls of one connect: a question by stage is one, a whole one four; what cannot be read is asked for again."""


class Rotation(RuleBasedStateMachine):
    """A secret, a server, and the library between them."""

    def __init__(self) -> None:
        super().__init__()
        self.bed = Bed(ttl=3600.0)
        self.number = 1
        self.under_way: str | None = None

    @initialize(users=st.sampled_from([("app",), ("app", "app_clone")]), label_stays=st.booleans())
    def choose_the_strategy(self, users: tuple[str, ...], label_stays: bool) -> None:
        self.users, self.label_stays = users, label_stays

    # -- AWS's four steps ---------------------------------------------------------------------------------------------

    def _login_of(self, version: str) -> tuple[str, str]:
        number = int(version[1:])
        return (self.users[(number - 1) % len(self.users)], f"p{number}")

    @rule()
    @precondition(lambda self: self.under_way is None)
    def create_secret(self) -> None:
        self.number += 1
        version = f"v{self.number}"
        user, password = self._login_of(version)
        self.bed.source.put(version, login(password, user=user), PENDING)
        self.under_way = "created"

    @rule()
    @precondition(lambda self: self.under_way == "created")
    def set_secret(self) -> None:
        user, password = self._login_of(f"v{self.number}")
        kept = {other for other in self.bed.server.accepted if other[0] != user}
        self.bed.server.accepted = kept | {(user, password)}
        self.under_way = "set"

    @rule()
    @precondition(lambda self: self.under_way == "set")
    def finish_secret(self) -> None:
        stages = self.bed.source.stages
        stages |= {PREVIOUS: stages[CURRENT], CURRENT: f"v{self.number}"}
        if not self.label_stays:
            del stages[PENDING]
        self.under_way = None

    # -- everything that goes wrong meanwhile -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 2.0, 11.0, COOL_DOWN_OVER, 4000.0, -1.0, -10.0, -100.0, 1e8, -1e8]))
    def time_passes_or_the_clock_jumps(self, seconds: float) -> None:
        self.bed.time.now += seconds

    @rule(down=st.booleans())
    def secrets_manager_fails_or_heals(self, down: bool) -> None:
        self.bed.source.error = OSError("down") if down else None

    @rule(denied=st.booleans())
    def a_stage_becomes_unreadable_or_readable(self, denied: bool) -> None:
        self.bed.source.unreadable = {PENDING: PermissionError("denied")} if denied else {}

    @rule()
    def the_caller_invalidates(self) -> None:
        self.bed.rotating.invalidate()

    # -- connects -----------------------------------------------------------------------------------------------------

    @rule(host=st.sampled_from([None, "one", "two"]), by_task=st.booleans(), rested=st.booleans())
    def connect(self, host: str | None, by_task: bool, rested: bool) -> None:
        """Connect; ``rested`` lets every cool-down end first: in one, a login that is not known yet is not found."""
        bed = self.bed
        bed.server.sent.clear()
        bed.time.now += COOL_DOWN_OVER if rested else 0.0
        state = core_of(bed.rotating).state
        calls, first_read, expected = bed.source.api_calls, state.answer is None, rested and self._a_login_is_accepted()
        arguments = {} if host is None else {"host": host}
        error = _error_of(lambda: asyncio.run(bed.aconnect(**arguments)) if by_task else bed.connect(**arguments))
        if isinstance(error, SecretUnavailable):
            assert first_read
            assert bed.source.error is not None
            return
        assert error is None or error is bed.server.errors[-1]
        assert error is None or f"p{self.number}" not in error.__notes__[0]
        assert len(set(bed.server.sent)) == len(bed.server.sent)
        assert len(bed.server.sent) <= 1 + len(STAGES)
        assert bed.source.api_calls - calls <= CALLS
        if expected and bed.source.error is None:
            assert error is None, (bed.server.sent, bed.server.accepted, bed.source.stages)

    def _a_login_is_accepted(self) -> bool:
        source = self.bed.source
        readable = [stage for stage in STAGES if stage in source.stages and stage not in source.unreadable]
        return any(self._login_of(source.stages[stage]) in self.bed.server.accepted for stage in readable)

    @invariant()
    def nothing_is_shown(self) -> None:
        assert "password=" not in repr(self.bed.rotating)

    @invariant()
    def the_answer_is_whole_in_itself(self) -> None:
        """The current login is the one under the current label, and no tick is from the future."""
        answer = core_of(self.bed.rotating).state.answer
        if answer is not None:
            assert answer.login(CURRENT) is answer.current
            assert all(label.tick <= answer.tick for label in answer.labels.values())


def _error_of(connect: Callable[[], object]) -> Refused | SecretUnavailable | None:
    try:
        connect()
    except (Refused, SecretUnavailable) as error:
        return error
    return None


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=60, stateful_step_count=40)
