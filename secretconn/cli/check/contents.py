"""From a version's content to a login, and what is wrong with it."""

from __future__ import annotations

import json
from contextlib import suppress

from secretconn._core.parsing import AWS_KEYS, Shape, parse
from secretconn.cli.check.context import Context
from secretconn.cli.check.findings import finding, sentence_of
from secretconn.cli.check.report import Finding, Step, Stop
from secretconn.credentials import CURRENT, PENDING, Credentials, Hidden, Payload
from secretconn.errors import SecretFormatError


def login_of(context: Context, step: Step, payload: Payload, stage: str) -> Credentials | None:
    """Return the login in one version, or None if AWSPENDING or AWSPREVIOUS holds none; AWSCURRENT must be complete."""
    asked, facts = context.options, context.report.facts
    shape = Shape(username=asked.username, keys=asked.keys)
    try:
        login = parse(payload, asked.secret, shape)
        for problem in login.problems.values():  # a connection may not need it; who checks wants to know
            raise problem.error(asked.secret, payload.version_id)
    except SecretFormatError as error:
        note_unreadable(context, step, wrong_format(error), stage)
        return None
    if stage == PENDING:
        facts["pending_readable"] = True
    if stage == CURRENT:
        engine, host = asked.engine or asked.driver, asked.host is not None or not asked.login
        missing = incomplete(login, host=host, engine=engine is not None)
        step.findings += [] if missing is None else [missing]
        odd = odd_keys(payload, shape)
        step.findings += [finding("odd-value", keys=" and ".join(map(repr, odd)))] if odd else []
    return login


def odd_keys(payload: Payload, shape: Shape) -> list[str]:
    """Return the keys whose value has blanks around it; of a password only a line end is odd."""
    text = payload.content if isinstance(payload.content, bytes) else payload.content.removeprefix("\ufeff")
    with suppress(ValueError):  # a secret that is only a password
        values = Hidden(json.loads(text))
        parts = {part: shape.key(part) for part in AWS_KEYS if isinstance(values.content, dict)}
        return [key for part, key in parts.items() if _is_odd(values.content.get(key), part)]
    return []


def _is_odd(value: object, part: str) -> bool:
    return isinstance(value, str) and value != value.strip("\r\n" if part == "password" else None)


def note_unreadable(context: Context, step: Step, why: Finding, stage: str) -> None:
    """Note that a stage cannot be read: the end for AWSCURRENT, else a warning."""
    if stage == CURRENT:
        raise Stop(why)
    step.findings.append(unreadable_stage(stage, why))
    if stage == PENDING:
        context.report.facts["pending_readable"] = False


def wrong_format(error: SecretFormatError) -> Finding:
    """Return the finding for content that is no login."""
    problem = sentence_of(error)
    name = "malformed" if error.key is None else "missing-key" if "has no" in problem else "wrong-key"
    return finding(name, problem=problem, key=error.key)


def incomplete(login: Credentials, *, host: bool, engine: bool) -> Finding | None:
    """Return the finding for a login without host or engine, unless that is passed beside the secret."""
    missing = [
        name
        for name, passed, held in (("host", host, login.host), ("engine", engine, login.engine))
        if held is None and not passed
    ]
    if not missing:
        return None
    options = " and ".join(f"--{name}" for name in missing)
    return finding("missing-key:managed", secret_id=login.secret_id, keys=" and no ".join(missing), options=options)


def unreadable_stage(stage: str, why: Finding) -> Finding:
    """Return the warning for AWSPENDING or AWSPREVIOUS: connections work until a rotation needs that stage.

    Args:
        stage: The stage.
        why: The finding that the failure would be for the current version.
    """
    permission, advice = why.permission and f"{why.permission} (of version stage {stage})", why.advice
    if why.name == "access-denied":
        advice = f"Allow {permission}: take away the condition on secretsmanager:VersionStage, or add {stage} to it."
    key = f"{stage.removeprefix('AWS').lower()}-unreadable"
    return finding(key, permission=permission, stage=stage, why=why, advice=advice)


def sentence(login: Credentials) -> str:
    """Return a login in one line, without its password."""
    port = f":{login.port}" if login.port is not None else ""
    database = f"/{login.database}" if login.database is not None else ""
    where = f" at {login.host}{port}{database}" if login.host is not None else ""
    return f"version {login.version_id}: {login.engine or 'no engine'}, user {login.username}{where}"
