"""Report: what was found, step by step; as JSON, and what it means for the exit code. No effects, no secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAILED", "OK", "WARNING", "Finding", "Report", "Step"]

OK, WARNING, FAILED = "ok", "warning", "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or will be.

    Attributes:
        name: Its short name, such as "wrong-password"; stable, for scripts.
        problem: What is wrong, in a sentence or two.
        advice: What to do about it.
        warning: Connections can be opened all the same.
        permission: The permission that lacks, where that is what is wrong.
    """

    name: str
    problem: str
    advice: str
    warning: bool = False
    permission: str | None = None


@dataclass(slots=True)
class Step:
    """One step of a check.

    Attributes:
        name: "source", "describe", "login", ...
        told: What it found, in one line.
        seconds: How long it took; None where that says nothing.
        findings: What is wrong.
    """

    name: str
    told: str = ""
    seconds: float | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> str:
        """ "ok", "warning" or "FAILED"."""
        if not self.findings:
            return OK
        return WARNING if all(finding.warning for finding in self.findings) else FAILED


@dataclass(slots=True)
class Report:
    """A whole check.

    Attributes:
        secret_id: The secret, as it was named.
        facts: What was learnt, ready for JSON: source, login, versions, rotation, connections.
        steps: The steps that were done, in order.
    """

    secret_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong, in the order in which it was found."""
        return [finding for step in self.steps for finding in step.findings]

    @property
    def failed(self) -> bool:
        """Whether something is wrong that is more than a warning."""
        return any(not finding.warning for finding in self.findings)

    @property
    def lacking(self) -> list[str]:
        """The permissions that lack, each once."""
        return _once([one.permission for one in self.findings if one.permission is not None])

    def exit_code(self, *, strict: bool = False) -> int:
        """0 or 1.

        Args:
            strict: A warning counts as a failure.
        """
        return int(self.failed or (strict and bool(self.findings)))

    def verdict(self) -> str:
        """The line to read if only one is read."""
        failures = [finding.name for finding in self.findings if not finding.warning]
        warnings = [finding.name for finding in self.findings if finding.warning]
        many = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}: {', '.join(_once(warnings))}"
        if failures:
            return f"FAILED: {', '.join(_once(failures))}{f'; {many}' if warnings else ''}"
        return f"READY, with {many}" if warnings else "READY"

    def as_json(self, *, strict: bool = False) -> dict[str, Any]:
        """For ``--json``. docs/check.md describes it."""
        return {
            "secret_id": self.secret_id,
            "ready": not self.failed,
            "exit_code": self.exit_code(strict=strict),
            **self.facts,
            "lacking_permissions": self.lacking,
            "findings": list(self._findings()),
            "steps": [
                {"step": step.name, "status": step.status.lower(), "seconds": step.seconds, "told": step.told}
                for step in self.steps
            ],
        }

    def _findings(self) -> Iterator[Mapping[str, str]]:
        for step in self.steps:
            for finding in step.findings:
                severity = "warning" if finding.warning else "failure"
                told = {"problem": finding.problem, "advice": finding.advice}
                yield {"name": finding.name, "severity": severity, "step": step.name, **told}


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
