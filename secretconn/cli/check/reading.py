"""The steps that read the secret: from Secrets Manager stage by stage, from other sources all at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from secretconn.cli.check import contents
from secretconn.cli.check.context import Context
from secretconn.cli.check.description import Description, described, findings_of
from secretconn.cli.check.findings import finding
from secretconn.cli.check.options import Options
from secretconn.cli.check.report import Finding, Stop
from secretconn.cli.check.source import REGION_VARIABLES, own_endpoint, primary
from secretconn.cli.check.source_errors import Call, diagnose, is_not_there, unavailable, unsigned
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials, Payload
from secretconn.errors import SecretUnavailable
from secretconn.sources.arn import secret_arn
from secretconn.sources.base import Source, code_of, place_of, trait
from secretconn.sources.calls import payload_of
from secretconn.sources.file import FileSource
from secretconn.sources.names import secret_name
from secretconn.sources.replicas import ReplicatedSource
from secretconn.sources.secrets_manager import SecretsManagerSource

STAGES = (CURRENT, PENDING, PREVIOUS)


def read(context: Context, source: Source) -> list[Credentials]:
    """Return the logins, the current one first."""
    aws = primary(source)
    logins = _read_at_once(context, source) if aws is None else _read_by_stage(context, aws)
    for replica in source.sources[1:] if isinstance(source, ReplicatedSource) else ():
        _read_replica(context, replica)
    if context.report.failed:
        raise Stop
    return [login for login in logins if login is not None]


def _read_by_stage(context: Context, aws: SecretsManagerSource) -> list[Credentials | None]:
    description = _describe(context, aws)
    return [_read_stage(context, aws, stage, description) for stage in STAGES]


def regions_around(asked: str | None, options: Options, context_regions: list[str | None]) -> list[str]:
    """Return the other regions that a missing secret may be in: those that are named somewhere."""
    return [region for region in dict.fromkeys([*context_regions, *options.look_in]) if region and region != asked]


def _describe(context: Context, aws: SecretsManagerSource) -> Description:
    """Return the description; an empty one if the value may still be readable."""
    report, call = context.report, Call("DescribeSecret", aws.secret_id, aws.place, own_endpoint(aws.client))
    with context.report.step("describe") as step:
        try:
            description = described(aws.client.describe_secret(SecretId=call.secret_id))
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what this step found)
            found = (_elsewhere(context, call) if is_not_there(error) else None) or diagnose(error, call, _regions)
            if found.name != "access-denied":
                raise Stop(found) from None
            step.findings.append(found)  # the other steps show all missing permissions
            return Description({})
        step.told = description.sentence()
        step.findings += findings_of(description, call.secret_id, context.now())
    report.facts["versions"] = {version: list(stages) for version, stages in description.versions.items()}
    report.facts["rotation"] = description.facts()
    if report.failed:
        raise Stop
    return description


def _read_stage(
    context: Context, aws: SecretsManagerSource, stage: str, description: Description
) -> Credentials | None:
    """Return one stage's login; None if no version has AWSPENDING or AWSPREVIOUS now, or if it cannot be read.

    A stage without a version is asked for all the same: AWS checks permissions before it looks for the version.
    """
    call = Call("GetSecretValue", aws.secret_id, aws.place, own_endpoint(aws.client), description.key)
    with context.report.step(stage) as step:
        try:
            payload = _value(aws.client, call.secret_id, stage)
        except Exception as error:  # noqa: BLE001
            if stage != CURRENT and _has_no_value(error, description.version(stage)):
                step.told = "can be read; no version has it now"
                if stage == PENDING:
                    context.report.facts["pending_readable"] = True
            else:
                contents.note_unreadable(context, step, diagnose(error, call, _regions), stage)
            return None
        login = contents.login_of(context, step, payload, stage)
        if login is not None:
            step.told = contents.sentence(login) if stage == CURRENT else f"can be read: version {login.version_id}"
        return login


def _has_no_value(error: Exception, version: str | None) -> bool:
    """True if no version has the stage, or one that has no value yet, as while a rotation creates it."""
    return is_not_there(error) or (version is not None and code_of(error) == "InvalidRequestException")


def _read_replica(context: Context, source: Source) -> None:
    """Read the current version in one replica's region."""
    if not isinstance(source, SecretsManagerSource):
        return
    region = str(place_of(source))
    with context.report.step(region) as step:
        try:
            source.client.describe_secret(SecretId=source.secret_id)
            step.told = f"replica: version {_value(source.client, source.secret_id, CURRENT).version_id}"
        except Exception as error:  # noqa: BLE001
            why = diagnose(error, Call("GetSecretValue", source.secret_id, region), _regions)
            step.findings.append(finding("replica-unreadable", permission=why.permission, why=why))


def _value(client: Any, secret_id: str, stage: str) -> Payload:
    response: Mapping[str, Any] = client.get_secret_value(SecretId=secret_id, VersionStage=stage)
    return payload_of(response, str(response.get("VersionId")))


def _elsewhere(context: Context, call: Call) -> Finding | None:
    """Return the finding for a secret that is in another region that is named somewhere. An ARN is of one region."""
    if secret_arn(call.secret_id) is not None:
        return None
    import boto3

    asked, around, environ = context.options, context.around, context.runtime.environ
    own = boto3.session.Session(profile_name=asked.profile).region_name
    named = [around.region, *map(environ.get, REGION_VARIABLES), own, *around.replica_regions]
    for region in regions_around(call.region, asked, named):
        endpoint = asked.endpoint_url or around.endpoint_url
        other = SecretsManagerSource(call.secret_id, region=region, profile=asked.profile, endpoint_url=endpoint)
        with suppress(Exception):  # not there, or not visible: the finding is about the region that was asked
            other.client.describe_secret(SecretId=call.secret_id)
            return finding("wrong-region:elsewhere", call=call, region=region)
    return None


def _regions() -> set[str]:
    """Return all regions of Secrets Manager that the SDK knows."""
    import boto3

    session = boto3.session.Session()
    names = session.get_available_partitions()
    return {region for name in names for region in session.get_available_regions("secretsmanager", name)}


def _read_at_once(context: Context, source: Source) -> list[Credentials | None]:
    """Read from the agent, the extension or a file. They do not know of rotation."""
    name, facts = secret_name(context.options.secret).name, context.report.facts
    with context.report.step("read") as step:
        try:
            reading = source.read(STAGES, frozenset())
        except SecretUnavailable as error:
            raise Stop(unavailable(error, name)) from None
        except Exception as error:
            if not trait(source, "tokens"):
                raise
            raise Stop(unsigned(error, context.options.secret, place_of(source))) from None
        by_version: dict[str, list[str]] = {}
        for stage, version in reading.stages.items():
            by_version.setdefault(version, []).append(stage)
        knows_stages = not isinstance(source, FileSource) and not trait(source, "tokens")
        facts |= {"versions": by_version, "rotation": None}
        facts["pending_readable"] = PENDING not in reading.failures if knows_stages else None
        for stage, failure in reading.failures.items():
            if isinstance(failure, SecretUnavailable):
                step.findings.append(contents.unreadable_stage(stage, unavailable(failure, name)))
        logins = {
            stage: contents.login_of(context, step, reading.payloads[version], stage)
            for stage, version in reading.stages.items()
            if version in reading.payloads
        }
        current = logins.pop(CURRENT, None)
        step.told = "" if current is None else contents.sentence(current)
    if current is None:
        raise Stop
    return [current, *logins.values()]
