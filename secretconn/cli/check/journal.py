"""Journal: times the steps of a check, keeps them in the report, and writes each as it begins and ends."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from secretconn.cli.check.report import Finding, Report, Step

__all__ = ["Journal"]

INDENT = "    "


class Journal:
    """The report so far.

    Args:
        secret_id: The secret.
        clock: Monotonic seconds.
        stream: Where the steps are written.
    """

    def __init__(self, secret_id: str, clock: Callable[[], float], stream: TextIO) -> None:
        self.report = Report(secret_id)
        self._clock, self._stream = clock, stream

    @contextmanager
    def step(self, name: str, *, timed: bool = True) -> Iterator[Step]:
        """Yield a step to fill in. One that raises is not kept, and its line ends.

        Args:
            name: Its name.
            timed: Whether its duration says anything. A step may also set its seconds itself.
        """
        step, begun = Step(name), self._clock()
        self._write(f"{name:<13}")  # at once: the step may take seconds
        try:
            yield step
        except BaseException:
            self._write("\n")
            raise
        if timed and step.seconds is None:
            step.seconds = self._clock() - begun
        self.report.steps.append(step)
        time = "" if step.seconds is None else f"{step.seconds * 1000:.0f} ms"
        self._write(f"{step.status:<8}{time:>10}   {step.told}".rstrip() + "\n")
        for finding in step.findings:
            self._write(_written(finding))

    def close(self) -> None:
        """Write the missing permissions and the verdict."""
        if self.report.missing_permissions:
            self._write(f"Permissions that lack: {', '.join(self.report.missing_permissions)}\n")
        self._write(f"{self.report.verdict()}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _written(finding: Finding) -> str:
    wrapper = textwrap.TextWrapper(
        100, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )
    lines = [*wrapper.wrap(f"{finding.name}: {finding.problem}"), *wrapper.wrap(f"What to do: {finding.advice}")]
    return "".join(f"{line}\n" for line in lines)
