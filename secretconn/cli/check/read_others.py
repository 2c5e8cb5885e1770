"""The step that reads the secret from the agent, the extension or files, as connect() would."""

from __future__ import annotations

import re

from secretconn.cli.check import of_secret, of_source
from secretconn.cli.check.contents import login_of
from secretconn.cli.check.context import STAGES, Context, Versions
from secretconn.cli.check.of_source import Call
from secretconn.cli.check.report import Finding
from secretconn.credentials import CURRENT, PENDING
from secretconn.errors import SecretUnavailable
from secretconn.sources.base import Reading, Source
from secretconn.sources.file import FileSource
from secretconn.sources.names import secret_name

__all__ = ["read_others", "unavailable"]


def read_others(context: Context, source: Source) -> Versions | None:
    """The logins, or None where the current one cannot be had. Of rotation nothing is known there."""
    with context.journal.step("read") as step:
        try:
            reading = source.read(STAGES, frozenset())
        except SecretUnavailable as error:
            step.findings.append(unavailable(error, context.options.secret))
            return None
        _keep(context, reading, source)
        for stage, failure in reading.failures.items():
            if isinstance(failure, SecretUnavailable):
                why = unavailable(failure, context.options.secret)
                step.findings.append(of_secret.unreadable_stage(stage, why))
        read = {
            stage: login_of(context, step, reading.payloads[version], stage)
            for stage, version in reading.stages.items()
            if version in reading.payloads
        }
        current = read.pop(CURRENT, None)
        if current is None:
            return None
        step.told = of_secret.sentence(current)
        return Versions(current, tuple(login for login in read.values() if login is not None))


def unavailable(error: SecretUnavailable, secret_id: str) -> Finding:
    """What the source said, which names the place and what to do; or, of a code of AWS's, what that means."""
    problem = f"{str(error)[:1].upper()}{str(error)[1:]}."
    code = re.search(r"it answered \d+ ([A-Za-z]+Exception|DecryptionFailure)\b", str(error))
    if code is None:
        return Finding("source-unavailable", problem, "docs/sources.md says where each source looks, and how long.")
    found = of_source.diagnose(_Passed(code[1]), Call("GetSecretValue", secret_name(secret_id).name, None))
    return Finding(found.name, problem, found.advice, permission=found.permission)


class _Passed(Exception):
    """An error of AWS's that an agent passed on by its code alone."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


def _keep(context: Context, reading: Reading, source: Source) -> None:
    by_version: dict[str, list[str]] = {}
    for stage, version in reading.stages.items():
        by_version.setdefault(version, []).append(stage)
    knows_stages = not isinstance(source, FileSource)
    context.journal.report.facts |= {
        "versions": by_version,
        "rotation": None,
        "pending_readable": PENDING not in reading.failures if knows_stages else None,
    }
