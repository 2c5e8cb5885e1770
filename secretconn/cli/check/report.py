"""Report: the steps of a check and what they found, written as they are taken, and as JSON."""

from __future__ import annotations

import io
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TextIO

WRAPPER = textwrap.TextWrapper(
    100, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
)


class Finding(NamedTuple):
    """A problem: its stable name, a sentence, the remedy; whether connections work; the permission that is missing."""

    name: str
    problem: str
    advice: str
    warning: bool = False
    permission: str | None = None


class Stop(Exception):
    """What follows makes no sense; inside a step with the finding that says why."""

    def __init__(self, finding: Finding | None = None) -> None:
        super().__init__()
        self.findings = [] if finding is None else [finding]


def visible(text: str) -> str:
    """Return the text with control characters written out: a user name must not move the cursor, or forge a line."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


@dataclass(slots=True)
class Step:
    """One step: its name, what it showed in one line, its seconds (None if they say nothing), and its findings."""

    name: str
    told: str = ""
    seconds: float | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> str:
        if not self.findings:
            return "ok"
        return "warning" if all(finding.warning for finding in self.findings) else "FAILED"


@dataclass(slots=True)
class Report:
    """The steps so far, the facts for JSON, monotonic seconds, and where the steps are written."""

    secret_id: str
    clock: Callable[[], float] = time.monotonic
    stream: TextIO = field(default_factory=io.StringIO)
    facts: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, *, timed: bool = True) -> Iterator[Step]:
        """Yield a step to fill in. One that raises is not kept, and its line ends; but Stop is a finding of its.

        Args:
            name: Its name.
            timed: Whether its duration says anything. A step may also set its seconds itself.
        """
        step, begun, stop = Step(name), self.clock(), None
        self._write(f"{name:<13}")  # at once: the step may take seconds
        try:
            yield step
        except Stop as raised:
            stop = raised
            step.findings += raised.findings
        except BaseException:
            self._write("\n")
            raise
        if timed and step.seconds is None:
            step.seconds = self.clock() - begun
        self.steps.append(step)
        duration = "" if step.seconds is None else f"{step.seconds * 1000:.0f} ms"
        self._write(f"{step.status:<8}{duration:>10}   {visible(step.told)}".rstrip() + "\n")
        for one in step.findings:
            paragraphs = (f"{one.name}: {visible(one.problem)}", f"What to do: {visible(one.advice)}")
            self._write("".join(f"{line}\n" for text in paragraphs for line in WRAPPER.wrap(text)))
        if stop is not None:
            raise stop

    def close(self) -> None:
        """Write the missing permissions and the verdict."""
        if self.missing_permissions:
            self._write(f"Missing permissions: {', '.join(self.missing_permissions)}\n")
        self._write(f"{self.verdict()}\n")

    @property
    def findings(self) -> list[Finding]:
        return [finding for step in self.steps for finding in step.findings]

    @property
    def failed(self) -> bool:
        """True if a finding is more than a warning."""
        return any(not finding.warning for finding in self.findings)

    @property
    def missing_permissions(self) -> list[str]:
        return list(dict.fromkeys(one.permission for one in self.findings if one.permission is not None))

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 or 1; with ``strict`` a warning counts as a failure."""
        return int(self.failed or (strict and bool(self.findings)))

    def verdict(self) -> str:
        """Return the last line: READY or FAILED, and the names of the findings."""
        failures, warnings = (
            [finding.name for finding in self.findings if finding.warning is warning] for warning in (False, True)
        )
        many = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}: {', '.join(dict.fromkeys(warnings))}"
        if failures:
            return f"FAILED: {', '.join(dict.fromkeys(failures))}{f'; {many}' if warnings else ''}"
        return f"READY, with {many}" if warnings else "READY"

    def as_json(self, *, strict: bool = False) -> dict[str, Any]:
        """Return the object of ``--json``, as docs/check.md describes it."""
        return {
            "secret_id": self.secret_id,
            "ready": not self.failed,
            "exit_code": self.exit_code(strict=strict),
            **self.facts,
            "lacking_permissions": self.missing_permissions,
            "findings": [
                {
                    "name": finding.name,
                    "severity": "warning" if finding.warning else "failure",
                    "step": step.name,
                    "problem": finding.problem,
                    "advice": finding.advice,
                }
                for step in self.steps
                for finding in step.findings
            ],
            "steps": [
                {"step": step.name, "status": step.status.lower(), "seconds": step.seconds, "told": step.told}
                for step in self.steps
            ],
        }

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
