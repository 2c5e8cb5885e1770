"""From a version's content to a login, with what is wrong with it noted in the step that read it."""

from __future__ import annotations

from secretconn._core.parsing import Shape, parse
from secretconn.cli.check import of_secret
from secretconn.cli.check.context import Context
from secretconn.cli.check.report import Finding, Step
from secretconn.credentials import CURRENT, PENDING, Credentials, Payload
from secretconn.errors import SecretFormatError

__all__ = ["login_of", "note_readable"]


def login_of(context: Context, step: Step, payload: Payload, stage: str) -> Credentials | None:
    """The login in one version, or None where it holds none; the current one must say all that a connection needs."""
    asked = context.options
    try:
        login = parse(payload, asked.secret, Shape(username=asked.username, keys=asked.keys))
        for problem in login.problems.values():  # a connection may not need it; who checks wants to know
            raise problem.error(asked.secret, payload.version_id)
    except SecretFormatError as error:
        finding = of_secret.wrong_format(error)
        step.findings.append(finding if stage == CURRENT else of_secret.unreadable_stage(stage, finding))
        note_readable(context, stage, False)
        return None
    note_readable(context, stage, True)
    if stage == CURRENT:
        step.findings += _incomplete(context, login)
    return login


def note_readable(context: Context, stage: str, readable: bool) -> None:
    """For the report: whether AWSPENDING can be read."""
    if stage == PENDING:
        context.journal.report.facts["pending_readable"] = readable


def _incomplete(context: Context, login: Credentials) -> list[Finding]:
    asked = context.options
    engine = asked.engine is not None or asked.driver is not None
    host = asked.host is not None or not asked.login
    finding = of_secret.incomplete(login, host=host, engine=engine)
    return [] if finding is None else [finding]
