"""Journal: keeps the steps of a check, times them, and shows each while it is under way and when it is done."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from secretconn.cli.check.report import Finding, Report, Step

__all__ = ["Journal", "Screen"]

WIDTH = 100
NAME, STATUS, TIME = 13, 8, 10


class Journal:
    """The report so far.

    Args:
        secret_id: The secret.
        clock: Monotonic seconds.
        screen: Where the steps are shown.
    """

    def __init__(self, secret_id: str, clock: Callable[[], float], screen: Screen) -> None:
        self.report = Report(secret_id)
        self._clock, self._screen = clock, screen

    @contextmanager
    def step(self, name: str, *, timed: bool = True) -> Iterator[Step]:
        """One step; what happens inside may tell what it found. Nothing is kept of one that raises.

        Args:
            name: Its name.
            timed: Whether how long it takes says anything. A step may also set its seconds itself.
        """
        step, begun = Step(name), self._clock()
        self._screen.begins(step)
        yield step
        if timed and step.seconds is None:
            step.seconds = self._clock() - begun
        self.report.steps.append(step)
        self._screen.ends(step)


class Screen:
    """Writes a line per step, and below it what is wrong and what to do.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begins(self, step: Step) -> None:
        """The name at once: the step may take seconds."""
        self._write(f"{step.name:<{NAME}}")

    def ends(self, step: Step) -> None:
        """The rest of the line, and the findings."""
        time = "" if step.seconds is None else f"{step.seconds * 1000:.0f} ms"
        self._write(f"{step.status:<{STATUS}}{time:>{TIME}}   {step.told}".rstrip() + "\n")
        for finding in step.findings:
            self._write("".join(f"{line}\n" for line in lines(finding)))

    def closes(self, report: Report) -> None:
        """The permissions that lack, and the verdict."""
        if report.lacking:
            self._write(f"Permissions that lack: {', '.join(report.lacking)}\n")
        self._write(f"{report.verdict()}\n")

    def broken_off(self) -> None:
        """A step raised: its line ends here."""
        self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def lines(finding: Finding) -> list[str]:
    """A finding for people to read."""
    return [*_wrapped(f"{finding.name}: {finding.problem}"), *_wrapped(f"What to do: {finding.advice}")]


def _wrapped(text: str) -> list[str]:
    indent = "    "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
