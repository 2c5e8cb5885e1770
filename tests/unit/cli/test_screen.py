"""The demo's panel, drawn on a terminal that is a text."""

from __future__ import annotations

import io
import itertools
from typing import Any

import pytest

from secretconn.cli.demo import screen
from secretconn.cli.demo.board import USUAL, Board
from secretconn.cli.demo.show import Scene
from secretconn.cli.demo.timeline import ASCII
from secretconn.events import Stats


class Terminal:
    def __init__(self) -> None:
        console = pytest.importorskip("rich.console")
        self.file = io.StringIO()
        self.console: Any = console.Console(
            file=self.file, width=100, height=24, force_terminal=True, color_system=None
        )

    def text(self) -> str:
        return self.file.getvalue()


def scene(board: Board, *, frames: int = 1) -> Scene:
    over = itertools.chain([False] * frames, itertools.repeat(True))
    return Scene(
        title="PostgreSQL 18.6",
        crew="8 threads connect",
        seconds=10.0,
        rotations=6,
        board=board,
        over=lambda: next(over),
        stats=lambda: Stats(reads=1000, hits=999, api_calls=7),
        usual_api_calls=lambda: 40,
    )


def test_before_the_first_rotation() -> None:
    lines = screen.body(scene(Board(lambda: 0.0)), ASCII, 96)
    assert lines[0].startswith("before the first ")
    assert lines[1] == "· createSecret  · setSecret  · testSecret  · finishSecret"
    assert any(line.startswith("  connected as ") and "..., version ..." in line for line in lines)


def test_in_the_window_it_says_which_step_and_what_failed() -> None:
    now = [0.0]
    board = Board(lambda: now[0])
    now[0] = 5.0
    board.step(2, "single-user", "createSecret", "new-version", "old-version")
    board.step(2, "single-user", "setSecret", "new-version", "old-version")
    board.failed(USUAL, OSError("refused"))
    lines = screen.body(scene(board), ASCII, 96)
    assert lines[0].startswith("rotation 2/6, single-user ")
    assert lines[0].endswith(" 5/10 s")
    assert abs(lines[0].count("━") - lines[0].count("╌")) <= 1  # half of the time is over
    assert any("1 (100%)" in line for line in lines)
    assert lines[1] == "✓ createSecret  ▸ setSecret  · testSecret  · finishSecret"
    assert all(len(line) <= 96 for line in lines[:2])
    assert len(lines) <= 22  # a terminal of 24 lines, less the panel's border


def test_the_panel_is_drawn_until_it_is_over_and_then_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "FRAME", 0.0)
    terminal, frames = Terminal(), 3
    screen.Screen(terminal.console, ASCII).watch(scene(Board(lambda: 0.0), frames=frames))
    assert terminal.text().count("secretconn demo · PostgreSQL 18.6 · 8 threads connect") >= frames
    assert terminal.text().rstrip().endswith("\x1b[2K")  # the last thing done: its lines are cleared


def test_what_starts_and_how_it_ends_is_said() -> None:
    terminal = Terminal()
    shown = screen.Screen(terminal.console, ASCII)
    shown.starting("PostgreSQL")("PostgreSQL 18.6 on port 5432")
    assert "starting PostgreSQL" in terminal.text()
    assert "✓ PostgreSQL 18.6 on port 5432 (0." in terminal.text()
    shown.end(["first", "secretconn: nothing failed"], good=True)
    assert terminal.text().endswith("first\nsecretconn: nothing failed\n")
