"""Report: what was found, step by step; as JSON, and what it means for the exit code. No effects, no secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding", "Report", "Step"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    Attributes:
        name: Its stable name, such as "wrong-password".
        problem: A sentence or two.
        advice: The remedy.
        warning: Whether connections work all the same.
        permission: The missing permission, if that is the problem.
    """

    name: str
    problem: str
    advice: str
    warning: bool = False
    permission: str | None = None


@dataclass(slots=True)
class Step:
    """One step: its name, what it showed in one line, its seconds (None if they say nothing), and its findings."""

    name: str
    told: str = ""
    seconds: float | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> str:
        """ "ok", "warning" or "FAILED"."""
        if not self.findings:
            return "ok"
        return "warning" if all(finding.warning for finding in self.findings) else "FAILED"


@dataclass(slots=True)
class Report:
    """All steps so far, and the facts for JSON: source, login, versions, rotation, connections."""

    secret_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """All findings, in the order of the steps."""
        return [finding for step in self.steps for finding in step.findings]

    @property
    def failed(self) -> bool:
        """True if a finding is more than a warning."""
        return any(not finding.warning for finding in self.findings)

    @property
    def missing_permissions(self) -> list[str]:
        """The missing permissions, each once."""
        return list(dict.fromkeys(one.permission for one in self.findings if one.permission is not None))

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 or 1; with ``strict`` a warning counts as a failure."""
        return int(self.failed or (strict and bool(self.findings)))

    def verdict(self) -> str:
        """Return the last line: READY or FAILED, and the names of the findings."""
        failures, warnings = (
            [finding.name for finding in self.findings if finding.warning is warning] for warning in (False, True)
        )
        many = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}: {_names(warnings)}"
        if failures:
            return f"FAILED: {_names(failures)}{f'; {many}' if warnings else ''}"
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


def _names(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
