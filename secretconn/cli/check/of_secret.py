"""What DescribeSecret's answer and a secret's content say: versions, rotation, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from secretconn.cli.check.report import Finding
from secretconn.credentials import CURRENT, PENDING, Credentials
from secretconn.errors import SecretFormatError

__all__ = ["Description", "described", "findings_of", "incomplete", "sentence", "unreadable_stage", "wrong_format"]

OVERDUE = timedelta(days=1)
"""Rotation windows last up to a day (Secrets Manager user guide, "Schedule expressions")."""


@dataclass(frozen=True, slots=True)
class Description:
    """What DescribeSecret tells.

    Attributes:
        versions: Version id to its stages, those without a stage left out.
        enabled: Whether rotation is switched on.
        configured: Whether there is, or was, a rotation at all.
        every: How often, for people: "30 days", "rate(4 hours)".
        last, next: When it was rotated last, and is to be next.
        key: The KMS key, where it is not AWS's own.
        deleted: When it is to be deleted, or None.
    """

    versions: Mapping[str, tuple[str, ...]]
    enabled: bool = False
    configured: bool = False
    every: str | None = None
    last: datetime | None = None
    next: datetime | None = None
    key: str | None = None
    deleted: datetime | None = None

    def version(self, stage: str) -> str | None:
        """The version that has a stage."""
        return next((version for version, stages in self.versions.items() if stage in stages), None)

    def sentence(self) -> str:
        """The rotation, in a line."""
        if not self.enabled:
            return "rotation is off" if self.configured else "rotation was never configured"
        every = f", {'every ' if self.every[:1].isdigit() else ''}{self.every}" if self.every else ""
        return f"rotation is on{every}{f', next on {self.next:%Y-%m-%d}' if self.next else ''}"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "enabled": self.enabled,
            "configured": self.configured,
            "every": self.every,
            "last": _iso(self.last),
            "next": _iso(self.next),
        }


def described(answer: Mapping[str, Any]) -> Description:
    """Read DescribeSecret's answer."""
    rules = answer.get("RotationRules") or {}
    days, schedule = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    enabled = answer.get("RotationEnabled") is True
    traces = (answer.get("RotationLambdaARN"), rules, answer.get("LastRotatedDate"))
    versions = answer.get("VersionIdsToStages") or {}
    return Description(
        versions={version: tuple(sorted(stages)) for version, stages in versions.items() if stages},
        enabled=enabled,
        configured=enabled or any(traces),
        every=schedule or (f"{days} days" if days else None),
        last=answer.get("LastRotatedDate"),
        next=answer.get("NextRotationDate"),
        key=answer.get("KmsKeyId"),
        deleted=answer.get("DeletedDate"),
    )


def findings_of(description: Description, secret_id: str, now: datetime) -> list[Finding]:
    """What is wrong with a secret that DescribeSecret could see.

    Args:
        description: Its answer.
        secret_id: The secret.
        now: With a time zone.
    """
    if description.deleted is not None:
        return [
            Finding(
                "secret-deleted",
                f"Secret {secret_id!r} is marked for deletion, for {description.deleted:%Y-%m-%d}.",
                "Bring it back with `aws secretsmanager restore-secret`, or name the secret that took its place.",
            )
        ]
    found = [_no_current(secret_id)] if description.version(CURRENT) is None else []
    if not description.configured:
        found.append(_never_configured(secret_id))
    elif not description.enabled:
        found.append(_switched_off(secret_id, description))
    elif description.next is not None and now - description.next > OVERDUE:
        found.append(_overdue(description.next))
    if description.version(PENDING) not in (None, description.version(CURRENT)):
        found.append(_unfinished(description.version(PENDING) or ""))
    return found


def sentence(login: Credentials) -> str:
    """A login in a line, without its password."""
    port = f":{login.port}" if login.port is not None else ""
    database = f"/{login.database}" if login.database is not None else ""
    where = f" at {login.host}{port}{database}" if login.host is not None else ""
    return f"version {login.version_id}: {login.engine or 'no engine'}, user {login.username}{where}"


def wrong_format(error: SecretFormatError) -> Finding:
    """The content of the current version is no login."""
    sentence = f"{str(error)[:1].upper()}{str(error)[1:]}."
    if error.key is None:
        return Finding(
            "malformed",
            sentence,
            "Store AWS's JSON: engine, host, port, username, password, dbname. A secret that is only a password needs "
            "username= in the code (here --username).",
        )
    if "has no" in sentence:
        return Finding(
            "missing-key",
            sentence,
            f"Add the key {error.key!r} to the secret. If it is there under another name, say so by keys= in the code "
            f"(here --key, as in --key username=db_user).",
        )
    return Finding("wrong-key", sentence, f"Correct the key {error.key!r} in the secret.")


def incomplete(credentials: Credentials, *, host: bool, engine: bool) -> Finding | None:
    """What else a login must say, if the caller does not.

    Args:
        credentials: What the secret says.
        host: Whether a host is given beside the secret.
        engine: Whether an engine or a driver is.
    """
    lacking = [
        (name, option)
        for name, option, given, held in (
            ("host", "--host", host, credentials.host),
            ("engine", "--engine", engine, credentials.engine),
        )
        if held is None and not given
    ]
    if not lacking:
        return None
    names, options = " and no ".join(name for name, _ in lacking), " and ".join(option for _, option in lacking)
    return Finding(
        "missing-key",
        f"Secret {credentials.secret_id!r} names no {names}; secrets that RDS manages never do.",
        f"Pass that in the code, and here by {options}; or add it to the secret where it is your own.",
    )


def unreadable_stage(stage: str, why: Finding) -> Finding:
    """A further stage than the current one cannot be read: connections work until a rotation needs it.

    Args:
        stage: AWSPENDING or AWSPREVIOUS.
        why: What the failure would mean for the current version.
    """
    need = (
        "every new connection fails from the moment the database has the new password until the rotation ends"
        if stage == PENDING
        else "a replica that lags behind the rotation refuses new connections"
    )
    permission = f"{why.permission} (of version stage {stage})" if why.permission else None
    advice = f"Allow {permission}: take away the condition on secretsmanager:VersionStage, or add {stage} to it."
    return Finding(
        f"{stage.removeprefix('AWS').lower()}-unreadable",
        f"{stage} cannot be read, so that {need}. The reason: {why.problem}",
        advice if why.name == "access-denied" else why.advice,
        warning=True,
        permission=permission,
    )


def _no_current(secret_id: str) -> Finding:
    return Finding(
        "no-current-version",
        f"No version of secret {secret_id!r} has the stage AWSCURRENT.",
        "Put a value into it: `aws secretsmanager put-secret-value`.",
    )


def _never_configured(secret_id: str) -> Finding:
    return Finding(
        "rotation-never-configured",
        f"Rotation of secret {secret_id!r} was never configured: its password stays what it is.",
        "Switch rotation on: `aws secretsmanager rotate-secret`, with a rotation function of AWS's templates, or let "
        "RDS manage the password. Nothing has to change in the application.",
        warning=True,
    )


def _switched_off(secret_id: str, description: Description) -> Finding:
    last = f"; it was rotated last on {description.last:%Y-%m-%d}" if description.last else ""
    return Finding(
        "rotation-off",
        f"Rotation of secret {secret_id!r} was configured and is switched off{last}.",
        "Switch it on again: `aws secretsmanager rotate-secret`.",
        warning=True,
    )


def _overdue(due: datetime) -> Finding:
    return Finding(
        "rotation-overdue",
        f"The secret should have been rotated by {due:%Y-%m-%d}, and was not.",
        "See the log of the rotation function, and in CloudTrail the event RotationFailed.",
        warning=True,
    )


def _unfinished(version: str) -> Finding:
    return Finding(
        "rotation-unfinished",
        f"Version {version} is AWSPENDING and not AWSCURRENT: a rotation is under way, or the last one failed.",
        "Check again in a minute. If it stays, see the log of the rotation function, and rotate again. Connections "
        "work meanwhile: secretconn logs in with whichever of the two the database takes.",
        warning=True,
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
