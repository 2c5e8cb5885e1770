"""Description: what DescribeSecret says of a secret's versions and rotation, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from secretconn.cli.check.findings import finding
from secretconn.cli.check.report import Finding
from secretconn.credentials import CURRENT, PENDING

OVERDUE = timedelta(days=1)
"""Rotation windows last up to a day (Secrets Manager user guide, "Schedule expressions")."""


class Description(NamedTuple):
    """DescribeSecret's response: version ids to their stages; the rotation, with its interval for people; KMS key."""

    versions: Mapping[str, tuple[str, ...]]
    enabled: bool = False
    configured: bool = False
    every: str | None = None
    last: datetime | None = None
    next: datetime | None = None
    key: str | None = None
    deleted: datetime | None = None

    def version(self, stage: str) -> str | None:
        """Return the version that has a stage."""
        return next((version for version, stages in self.versions.items() if stage in stages), None)

    def sentence(self) -> str:
        """Return the rotation in one line."""
        if not self.enabled:
            return "rotation is off" if self.configured else "rotation was never configured"
        every = f", {'every ' if self.every[:1].isdigit() else ''}{self.every}" if self.every else ""
        return f"rotation is on{every}{f', next on {self.next:%Y-%m-%d}' if self.next else ''}"

    def facts(self) -> dict[str, Any]:
        """Return the rotation for JSON."""
        last, following = (moment and moment.isoformat() for moment in (self.last, self.next))
        rotation = {"enabled": self.enabled, "configured": self.configured, "every": self.every}
        return {**rotation, "last": last, "next": following}


def described(response: Mapping[str, Any]) -> Description:
    """Read DescribeSecret's response."""
    rules = response.get("RotationRules") or {}
    days, schedule = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    enabled = response.get("RotationEnabled") is True
    traces = (response.get("RotationLambdaARN"), rules, response.get("LastRotatedDate"))
    versions = response.get("VersionIdsToStages") or {}
    return Description(
        versions={version: tuple(sorted(stages)) for version, stages in versions.items() if stages},
        enabled=enabled,
        configured=enabled or any(traces),
        every=schedule or (f"{days} days" if days else None),
        last=response.get("LastRotatedDate"),
        next=response.get("NextRotationDate"),
        key=response.get("KmsKeyId"),
        deleted=response.get("DeletedDate"),
    )


def findings_of(described: Description, secret_id: str, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with a secret; ``now`` has a time zone."""
    if described.deleted is not None:
        yield finding("secret-deleted:described", secret_id=secret_id, deleted=described.deleted)
        return
    current, pending = described.version(CURRENT), described.version(PENDING)
    if current is None:
        yield finding("no-current-version", secret_id=secret_id)
    if not described.configured:
        yield finding("rotation-never-configured", secret_id=secret_id)
    elif not described.enabled:
        last = f"; it was rotated last on {described.last:%Y-%m-%d}" if described.last else ""
        yield finding("rotation-off", secret_id=secret_id, last=last)
    elif described.next is not None and now - described.next > OVERDUE:
        yield finding("rotation-overdue", due=described.next)
    if pending not in (None, current):
        yield finding("rotation-unfinished", version=pending)
