"""The demo's pure parts: arguments, counts, timeline, summary, exit code, and what is written line by line."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace

import pytest

from secretconn import testing
from secretconn.cli.bed import ENGINES, check_installed
from secretconn.cli.connections import QUESTIONS
from secretconn.cli.demo import add_parser, rotate
from secretconn.cli.demo.board import CELL, FAILED, OK, OURS, RECOVERED, USUAL, Board, Counts
from secretconn.cli.demo.rotations import STEPS, Schedule, meaning
from secretconn.cli.demo.summary import Run, exit_code, footnote, summary, verdict
from secretconn.cli.demo.timeline import ASCII, BLOCKS, axis, cells, rotations, span
from secretconn.errors import ConfigurationError
from secretconn.events import Fetched, Recovered, Rejected, Rotated, Stats
from secretconn.testing import RotationStep


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(clock)


def rotated(board: Board, clock: Clock, number: int = 1, strategy: str = "single-user") -> None:
    for step in STEPS:
        board.step(number, strategy, step, f"new-{number}", f"new-{number - 1}")
        clock.now += 0.5


def result(board: Board, **changed: object) -> Run:
    stats = Stats(reads=1000, hits=999, api_calls=7)
    made = Run("PostgreSQL 18.6", "8 threads connect", 2.0, 6, board, lambda: stats, lambda: 40, lasted=2.0)
    return replace(made, **changed)  # type: ignore[arg-type]


def rejected() -> Rejected:
    return Rejected(secret_id="s", version_id="old", stages=("AWSCURRENT",), suspect=False, seconds=0.1)


def recovered() -> Recovered:
    return Recovered(secret_id="s", version_id="new-1", stages=("AWSPENDING",), attempts=2, seconds=0.1)


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["demo", *words])


def test_defaults_stay_under_a_minute() -> None:
    arguments = parse()
    assert arguments.engine == "postgresql"
    assert (arguments.workers, arguments.rotations, arguments.plain) == (8, 3, False)
    assert arguments.seconds <= 50


def test_arguments() -> None:
    arguments = parse("--engine", "mariadb", "--seconds", "6.5", "--workers", "3", "--rotations", "1", "--plain")
    assert (arguments.engine, arguments.seconds, arguments.workers) == ("mariadb", 6.5, 3)
    assert (arguments.rotations, arguments.plain) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--seconds", "soon"),
        ("--workers", "0"),
        ("--workers", "201"),
        ("--rotations", "-1"),
        ("--rotations", "1.5"),
    ],
)
def test_bad_arguments(words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        parse(*words)


def test_missing_packages_are_named_with_the_pip_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_installed(["no_moto", "json", "no_rich"])
    assert str(caught.value) == "no_moto and no_rich are not installed: pip install 'secretconn[demo]'"
    check_installed(["json"])


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_needs_its_own_driver_and_can_be_started_and_asked(name: str) -> None:
    engine = ENGINES[name]
    assert engine.driver in engine.modules
    assert hasattr(testing, engine.server)
    assert engine.family in QUESTIONS


def test_the_schedule_fills_the_time() -> None:
    schedule = Schedule(30.0, 3)
    assert schedule.strategies == ("single-user",) * 3 + ("alternating-users",) * 3
    times = list(schedule.times())
    assert len(times) == len(schedule.strategies) * len(STEPS)
    assert times == sorted(times)
    assert 25.0 < times[-1] < 30.0
    assert 1.0 <= times[3] - times[1] <= 2.0  # the window
    assert times[4] - times[3] > 2.0  # the rest between two rotations


def test_every_step_has_a_meaning() -> None:
    for strategy, step in itertools.product(("single-user", "alternating-users"), STEPS):
        assert meaning(strategy, step).endswith(".")


def test_rotations_stop_with_the_reason_when_one_fails(board: Board, clock: Clock) -> None:
    class Broken:
        def steps(self) -> object:
            yield RotationStep("createSecret", "s", "new", "old", "orders")
            raise OSError("the database is gone")

    trouble = rotate(Schedule(2.0, 1), lambda strategy: Broken(), board, list, clock.sleep)
    assert trouble == "OSError: the database is gone"
    assert [mark.step for mark in board.marks] == ["createSecret"]
    assert exit_code(result(board, trouble=trouble)) == 1


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_slow_steps_shorten_no_window_and_every_rotation_ends(board: Board, clock: Clock, seconds: float) -> None:
    class Slow:
        def steps(self) -> object:
            for step in STEPS:
                clock.now += seconds
                yield RotationStep(step, "s", "new", "old", "orders")  # type: ignore[arg-type]

    schedule = Schedule(20.0, 1)
    assert rotate(schedule, lambda strategy: Slow(), board, list, clock.sleep) is None
    assert [mark.step for mark in board.marks] == [*STEPS, *STEPS]
    _, changed, _, finished = board.marks[:4]
    assert finished.at - changed.at == pytest.approx(0.35 * 10.0 + 2 * seconds, abs=0.4)
    assert board.now == pytest.approx(20.0 + 8 * seconds, abs=1.5)


def test_counts(board: Board) -> None:
    for seconds in (0.010, 0.030, 0.020):
        board.opened(OURS, seconds)
    board.saw(rejected())
    board.saw(recovered())
    board.failed(USUAL, RuntimeError("no"))
    ours = board.counts(OURS)
    assert (ours.connects, ours.opened, ours.failed, ours.rejected, ours.recovered) == (3, 3, 0, 1, 1)
    assert (ours.median, ours.slowest) == (0.020, 0.030)
    board.opened(OURS, 0.500, in_task=True)
    assert (board.counts(OURS).median, board.counts(OURS).slowest) == (0.020, 0.500)
    assert (board.counts(USUAL).connects, board.counts(USUAL).failed) == (1, 1)


def test_counts_of_a_moment_stay_what_they_are(board: Board) -> None:
    board.opened(OURS, 0.01)
    before = board.counts(OURS)
    board.failed(OURS, RuntimeError("no"))
    board.saw(recovered())
    assert (before.row, board.counts(OURS).row) == ((1, 0, 0), (2, 1, 1))
    assert before.cells == {0: OK}


@pytest.mark.parametrize("is_open", [False, True])
def test_a_turn_that_raises_is_counted_and_ends_there(board: Board, is_open: bool) -> None:
    with board.turn(OURS) as opened:
        if is_open:
            opened()
        raise RuntimeError("no")
    counts = board.counts(OURS)
    assert (counts.opened, counts.broken, counts.failed) == ((1, 1, 0) if is_open else (0, 0, 1))
    assert counts.first_error == "RuntimeError: no"


def test_a_cell_shows_the_worst(board: Board, clock: Clock) -> None:
    board.opened(OURS, 0.01)
    clock.now += CELL
    board.opened(OURS, 0.01)
    board.saw(recovered())
    board.opened(OURS, 0.01)
    clock.now += CELL
    board.failed(OURS, RuntimeError("no"))
    board.opened(OURS, 0.01)
    assert board.counts(OURS).cells == {0: OK, 1: RECOVERED, 2: FAILED}


def test_version_in_use_and_its_stage(board: Board) -> None:
    board.saw(Fetched(secret_id="s", version_id="old", seconds=0.1, api_calls=2))
    board.user = "orders"
    assert board.login == ("orders", "old", "AWSCURRENT")
    board.step(1, "single-user", "createSecret", "new-1", "old")
    board.saw(recovered())
    assert board.login == ("orders", "new-1", "AWSPENDING")
    board.step(1, "single-user", "finishSecret", "new-1", "old")
    assert board.login == ("orders", "new-1", "AWSCURRENT")
    board.step(2, "alternating-users", "createSecret", "new-2", "new-1")
    board.step(2, "alternating-users", "finishSecret", "new-2", "new-1")
    assert board.login == ("orders", "new-1", "AWSPREVIOUS")
    board.saw(Rotated(secret_id="s", version_id="new-2", previous_version_id="new-1", username_changed=True))
    assert board.login == ("orders", "new-2", "AWSCURRENT")


def test_failures_are_told_apart_by_rotation(board: Board, clock: Clock) -> None:
    assert board.during == ""
    board.failed(USUAL, RuntimeError("before"), board.during)
    board.step(1, "single-user", "setSecret", "new", "old")
    during = board.during
    board.step(1, "single-user", "finishSecret", "new", "old")
    board.failed(USUAL, RuntimeError("begun in the window"), during)
    board.failed(USUAL, RuntimeError("after"), board.during)
    assert board.counts(USUAL).failed_in == {"": 2, "single-user": 1}
    assert footnote(board.counts(USUAL)).endswith("1 during single-user rotations and 2 between rotations.")
    assert footnote(Counts()).endswith("It did not fail.")


@pytest.mark.parametrize("glyphs", [ASCII, BLOCKS])
def test_glyphs_can_be_told_apart_without_colour(glyphs: object) -> None:
    shown = [glyphs.outcome(outcome) for outcome in (None, OK, RECOVERED, FAILED)]  # type: ignore[attr-defined]
    assert len(set(shown)) == 4


def test_cells_are_merged_to_the_worst() -> None:
    seen = {0: OK, 1: FAILED, 2: OK, 5: RECOVERED}
    assert cells(seen, ASCII, first=0, width=8) == ".X.  r"
    assert cells(seen, ASCII, first=0, width=8, per=2) == "X.r"
    assert cells(seen, ASCII, first=2, width=2) == "."


def test_span_fits() -> None:
    assert span(10.0, 80) == 1
    assert span(30.0, 66) == 2
    assert 10_000.0 / CELL / span(10_000.0, 66) <= 66


def test_rotations_are_drawn_with_their_windows(board: Board, clock: Clock) -> None:
    clock.now += 1.0
    rotated(board, clock)
    assert rotations(board.marks, ASCII, now=5.0, first=0, width=40) == "    1-====="
    assert rotations(board.marks[:2], ASCII, now=3.0, first=0, width=40) == "    1-======="
    assert rotations(board.marks, ASCII, now=5.0, first=6, width=40) == "====="


def test_axis() -> None:
    assert axis(ASCII, first=0, width=44, every=5.0) == f"{'|0s':20}{'|5s':20}|10s"
    assert axis(ASCII, first=19, width=10, every=5.0) == " |5s"


def test_summary_of_a_good_run(board: Board, clock: Clock) -> None:
    board.opened(OURS, 0.004)
    rotated(board, clock)
    rotated(board, clock, 2, "alternating-users")
    board.saw(rejected())
    board.saw(recovered())
    for _ in range(1200):
        board.opened(OURS, 0.004)
    board.failed(USUAL, RuntimeError("password authentication failed"))
    lines = summary(result(board, lasted=4.0), ASCII, 80)
    assert lines[-1] == "PASSED: with secretconn 0 of 1,201 connects failed. Without *: 1 of 1."
    assert lines[0] == "PostgreSQL 18.6, 2 rotations in 4 s (1 single-user, 1 alternating-users)."
    table = {line[2:28].strip(): line[28:].split() for line in lines if line.startswith("  ")}
    assert table["failed"] == ["0", "1", "(100%)"]
    assert table["logins rejected"] == ["1", "0"]
    assert table["recovered at once"] == ["1", "0"]
    assert table["calls to Secrets Manager"] == ["7", "40"]
    assert table["answered from the cache"] == ["99.9%"]
    assert any(line.startswith("secretconn ") and "r" in line[10:] for line in lines)
    assert any(line.startswith("without *") and "X" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_exit_code_0_needs_a_connect(board: Board) -> None:
    assert exit_code(result(board)) == 1
    board.opened(OURS, 0.004)
    assert exit_code(result(board)) == 0


def test_failures_of_the_other_side_do_not_count(board: Board) -> None:
    board.opened(OURS, 0.004)
    board.failed(USUAL, RuntimeError("no"))
    assert exit_code(result(board)) == 0


@pytest.mark.parametrize("connected", [False, True])
def test_a_failed_connect_or_query_is_exit_code_1(board: Board, connected: bool) -> None:
    board.opened(OURS, 0.004)
    if connected:
        board.broke(OURS, TimeoutError("too late"))
    else:
        board.failed(OURS, TimeoutError("too late"))
    bad = result(board, interrupted=True)
    assert exit_code(bad) == 1
    assert verdict(bad).startswith("FAILED: ")
    assert summary(bad, ASCII, 80)[-3] == "First failure with secretconn: TimeoutError: too late"


def test_ctrl_c_leaves_a_summary(board: Board) -> None:
    board.opened(OURS, 0.004)
    ended = result(board, interrupted=True)
    assert exit_code(ended) == 130
    assert verdict(ended).startswith("INTERRUPTED: with secretconn 0 of 1 connects failed.")


def test_summary_of_nothing(board: Board) -> None:
    assert verdict(result(board, lasted=0.0)).startswith("FAILED: with secretconn 0 of 0 connects failed.")
    assert summary(result(board, lasted=0.0), ASCII, 20)
