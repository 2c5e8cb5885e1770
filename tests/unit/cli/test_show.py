"""The demo as it is shown: the panel on terminals of several sizes, and line by line, each written to a text."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from secretconn.cli.demo.board import OURS, USUAL, Board
from secretconn.cli.demo.rotations import STEPS
from secretconn.cli.demo.show import Show, body
from secretconn.cli.demo.summary import Run, summary
from secretconn.cli.demo.timeline import ASCII
from secretconn.events import Fetched, Stats

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CLEARED = "\x1b[2K"


class Screen:
    """A Show that writes to a text."""

    def __init__(self, width: int = 100, height: int = 24, *, live: bool = True) -> None:
        console = pytest.importorskip("rich.console")
        self.file = io.StringIO()
        terminal: Any = console.Console(
            file=self.file, width=width, height=height, force_terminal=live, color_system=None
        )
        self.show = Show(terminal, live=live, clock=lambda: 0.0)

    def text(self) -> str:
        return self.file.getvalue()

    def lines(self) -> list[str]:
        return CONTROL.sub("", self.text()).replace("\r", "\n").splitlines()


def run(board: Board) -> Run:
    stats = Stats(reads=1000, hits=999, api_calls=7)
    return Run("PostgreSQL 18.6", "8 threads connect", 10.0, 6, board, lambda: stats, lambda: 40, lasted=10.0)


def in_the_window(strategy: str = "single-user") -> Board:
    now = [0.0]
    board = Board(lambda: now[0])
    now[0] = 5.0
    board.step(2, strategy, "createSecret", "new-version", "old-version")
    board.step(2, strategy, "setSecret", "new-version", "old-version")
    for _ in range(12_345):
        board.opened(OURS, 0.004)
    board.failed(USUAL, OSError("refused"))
    board.saw(Fetched(secret_id="s", version_id="00001111-2222", seconds=0.1, api_calls=2))
    board.user = "orders_79d39e7b"
    return board


def test_before_the_first_rotation() -> None:
    lines = body(run(Board(lambda: 0.0)), ASCII, 96, 21)
    assert lines[0].startswith("before the first ")
    assert lines[1] == "· createSecret  · setSecret  · testSecret  · finishSecret"
    assert any(line.startswith("  connected as ") and "..., version ..." in line for line in lines)


def test_in_the_window_it_says_which_step_and_what_failed() -> None:
    lines = body(run(in_the_window()), ASCII, 96, 21)
    assert lines[0].startswith("rotation 2/6, single-user ")
    assert lines[0].endswith(" 5/10 s")
    assert abs(lines[0].count("━") - lines[0].count("╌")) <= 1  # half of the time is over
    assert any("1 (100%)" in line for line in lines)
    assert lines[1] == "✓ createSecret  ▸ setSecret  · testSecret  · finishSecret"


@pytest.mark.parametrize("strategy", ["single-user", "alternating-users"])
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (200, 50)], ids=str)
def test_the_panel_fits_the_terminal(size: tuple[int, int], strategy: str) -> None:
    """Nothing is cut off, and the last column stays free: a ^C there would move the panel by a line."""
    screen = Screen(*size)
    with screen.show.watching(run(in_the_window(strategy))) as update:
        update()
    frame = screen.lines()
    frame = frame[frame.index(next(line for line in frame if line.startswith("╭"))) :]
    frame = frame[: 1 + next(place for place, line in enumerate(frame) if line.startswith("╰"))]
    assert len(frame) < size[1]
    assert {len(line) for line in frame} == {min(size[0] - 2, 110)}
    assert "…" not in "".join(frame)
    text = " ".join(line.strip("│ ") for line in frame).replace("version ", "")
    for words in (
        "secretconn demo · PostgreSQL 18.6",
        "▸ setSecret",
        "12,345",
        "1 (100%)",
        "finishSecret",
        "5/10 s",
        "b, 00001111, AWSCURRENT",
    ):
        assert words in text
    assert "setSecret-finishSecret" in text  # the legend


def test_a_small_terminal_loses_what_matters_least() -> None:
    all_lines, few = (body(run(in_the_window()), ASCII, 96, height) for height in (40, 15))
    assert len(few) == 15
    assert [line for line in all_lines if line in few] == few
    assert few[0].startswith("rotation 2/6")
    assert any(line.startswith("  failed ") for line in few)
    assert body(run(in_the_window()), ASCII, 96, 1)[0] == few[0]  # and never fails


def test_the_panel_is_drawn_until_it_is_over_and_then_gone() -> None:
    screen = Screen()
    with screen.show.watching(run(Board(lambda: 0.0))) as update:
        for _ in range(3):
            update()
    assert screen.text().count("secretconn demo · PostgreSQL 18.6 · 8 threads connect") >= 3
    assert screen.text().rstrip().endswith(CLEARED)  # the last thing done: its lines are cleared


def test_ctrl_c_clears_the_panel() -> None:
    screen = Screen()
    with pytest.raises(KeyboardInterrupt), screen.show.watching(run(Board(lambda: 0.0))):
        raise KeyboardInterrupt
    assert screen.text().rstrip().endswith(CLEARED)
    assert screen.text().count("\x1b[?25l") == screen.text().count("\x1b[?25h")  # the cursor is back


def test_ctrl_c_while_something_starts_leaves_no_line() -> None:
    screen = Screen()
    with pytest.raises(KeyboardInterrupt), screen.show.starting("PostgreSQL"):
        raise KeyboardInterrupt
    assert "✓" not in screen.text()
    assert screen.text().rstrip().endswith(CLEARED)
    assert screen.text().count("\x1b[?25l") == screen.text().count("\x1b[?25h")


def test_what_starts_and_how_it_ends_is_said() -> None:
    screen = Screen()
    with screen.show.starting("PostgreSQL") as started:
        started("PostgreSQL 18.6 on port 5432")
    assert "starting PostgreSQL" in screen.text()
    assert "✓ PostgreSQL 18.6 on port 5432 (0.0 s)" in screen.text()
    screen.show.end(["first", "secretconn: nothing failed"])
    assert screen.text().endswith("first\nsecretconn: nothing failed\n")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_summary_fits_the_terminal(width: int) -> None:
    screen = Screen(width)
    screen.show.end(summary(run(in_the_window()), ASCII, screen.show.width))
    assert all(len(line) <= width for line in screen.lines())
    assert "FAILED" not in screen.text()
    assert "PASSED: with secretconn 0 of 12,345 connects failed." in " ".join(screen.lines())


def test_plain_writes_a_line_for_each_step_and_no_control_codes() -> None:
    board, screen = Board(lambda: 0.0), Screen(live=False)
    with screen.show.starting("a server") as started:
        started("server at 127.0.0.1:5432")
    with screen.show.watching(run(board)) as update:
        for step in STEPS:
            board.step(1, "single-user", step, "new", "old")
            board.opened(OURS, 0.004)
            board.failed(USUAL, RuntimeError("no"))
            update()
    screen.show.end(["all", "PASSED: x"])
    written = screen.text().splitlines()
    rows = [line.split() for line in written if "single-user" in line]
    assert [row[3] for row in rows] == list(STEPS)
    assert [row[4:] for row in rows] == [["1", "0", "0", "1", "1"]] * 4
    assert written[:2] == ["Starting a server ...", "  server at 127.0.0.1:5432, after 0.0 s"]
    assert written[-1] == "PASSED: x"
    assert not set(screen.text()) & set("\x1b\r\x08")
