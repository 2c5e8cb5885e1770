"""The demo on a terminal: a panel that is drawn anew eight times a second, with rich."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from secretconn.cli.demo.rotations import meaning
from secretconn.cli.demo.show import Scene
from secretconn.cli.demo.summary import comparison, legend, timeline_lines
from secretconn.cli.demo.timeline import Glyphs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["Screen", "body"]

FRAME = 0.125
"""Seconds between two pictures."""

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
STYLES = (
    (r"(?m)^rotation  .*$", "magenta"),
    (r"━━(?= setSecret)", "magenta"),
    (r"(?m)^rotation \d+/\d+, [a-z-]+", "bold"),
    (r"▸ \w+", "bold cyan"),
    (r"(?m)^ {28,}secretconn .*", "bold"),
    (r"(?m)^  failed +0\b", "bold green"),
    (r"[\d,]+ \(\d+%\)", "bold red"),
    (r"(?m)^\* .*", "dim"),
)
"""Colours for words. They only repeat what the text says."""

MARGIN = 4  # the panel's border and padding
WIDEST = 110


class Screen:
    """Shows the demo with rich.

    Args:
        console: Where to.
        glyphs: The characters of the timeline.
    """

    def __init__(self, console: Console, glyphs: Glyphs) -> None:
        self._console, self.glyphs = console, glyphs

    def starting(self, what: str) -> Callable[[str], None]:
        status = self._console.status(f"starting {what}")
        status.start()
        begun = time.monotonic()

        def ended(how: str) -> None:
            status.stop()
            self._console.print(f"[green]✓[/] {how} [dim]({time.monotonic() - begun:.1f} s)[/]", highlight=False)

        return ended

    def watch(self, scene: Scene) -> None:
        from rich.live import Live

        with Live(self._picture(scene), console=self._console, auto_refresh=False, transient=True) as live:
            while not scene.over():
                time.sleep(FRAME)
                live.update(self._picture(scene), refresh=True)

    def end(self, lines: Sequence[str], *, good: bool) -> None:
        from rich.text import Text

        self._console.print()
        for line in lines[:-1]:
            self._console.print(self._coloured(line))
        self._console.print(Text(lines[-1], style="bold green" if good else "bold red"))

    def _picture(self, scene: Scene) -> Any:
        from rich.panel import Panel

        width = min(self._console.width, WIDEST)
        text = self._coloured("\n".join(body(scene, self.glyphs, width - MARGIN)))
        text.no_wrap, text.overflow = True, "crop"
        return Panel(text, title=f"[bold]secretconn demo[/] · {scene.title} · {scene.crew}", width=width)

    def _coloured(self, text: str) -> Text:
        """The timeline's glyphs and some words in colours."""
        from rich.text import Text

        shown = Text(text)
        for glyph, style in (
            (self.glyphs.ok, "green"),
            (self.glyphs.recovered, "yellow"),
            (self.glyphs.failed, "red"),
        ):
            shown.highlight_words([glyph], style)
        for pattern, style in STYLES:
            shown.highlight_regex(pattern, style)
        return shown


def body(scene: Scene, glyphs: Glyphs, width: int) -> list[str]:
    """The panel's lines; few enough for a terminal of 24 lines."""
    board = scene.board
    user, version, stage = board.login
    return [
        *_rotation(scene, width),
        "",
        *comparison(board, scene.stats(), scene.usual_api_calls()),
        f"  {'connected as':<26}{user or '...'}, version {version[:8] or '...'}, {stage}",
        "",
        *timeline_lines(board, glyphs, width, seconds=board.now, newest=True),
        legend(glyphs),
        "* plain driver with AWSCURRENT, re-read and tried again after a failure",
    ]


def _rotation(scene: Scene, width: int) -> list[str]:
    """Which rotation, how far, which step, and what that means."""
    newest = scene.board.marks[-1] if scene.board.marks else None
    reached = STEPS.index(newest.step) if newest is not None else -1
    name = (
        f"rotation {newest.number}/{scene.rotations}, {newest.strategy}" if newest is not None else "before the first"
    )
    return [
        _progress(name, min(scene.board.now, scene.seconds), scene.seconds, width),
        "  ".join(f"{_sign(at, reached)} {step}" for at, step in enumerate(STEPS)),
        meaning(newest.strategy, newest.step) if newest is not None else "",
    ]


def _sign(at: int, reached: int) -> str:
    return "▸" if at == reached else "✓" if at < reached else "·"


def _progress(name: str, now: float, seconds: float, width: int) -> str:
    end = f"{now:.0f}/{seconds:.0f} s"
    room = max(width - 34 - 9, 5)
    full = round(now / seconds * room)
    return f"{name:<33} {'━' * full}{'╌' * (room - full)} {end:>7}"
