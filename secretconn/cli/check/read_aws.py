"""The steps that read the secret from AWS Secrets Manager: DescribeSecret, then each stage's version."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from secretconn.cli.check import of_secret, of_source
from secretconn.cli.check.contents import login_of, note_readable
from secretconn.cli.check.context import STAGES, Context, Versions
from secretconn.cli.check.of_secret import Description
from secretconn.cli.check.of_source import Call
from secretconn.cli.check.options import regions_around
from secretconn.cli.check.place import own_endpoint, primary
from secretconn.cli.check.report import Finding
from secretconn.credentials import CURRENT, Credentials, Payload
from secretconn.sources.arn import secret_arn
from secretconn.sources.base import Source, place_of
from secretconn.sources.replicas import ReplicatedSource
from secretconn.sources.secrets_manager import SecretsManagerSource, payload_of

__all__ = ["read_aws"]


def read_aws(context: Context, source: Source) -> Versions | None:
    """The logins, or None where a connection cannot be opened with what was read."""
    aws = primary(source)
    if aws is None:
        return None
    client, name, region = aws.client, aws.secret_id, aws.place
    described = _describe(context, client, Call("DescribeSecret", name, region, own_endpoint(client)))
    if described is None:
        return None
    key = described.key if isinstance(described, Description) else None
    call = Call("GetSecretValue", name, region, own_endpoint(client), key)
    current = _read(context, client, call, CURRENT, described)
    if current is None:
        return None
    others = [_read(context, client, call, stage, described) for stage in STAGES[1:]]
    if isinstance(source, ReplicatedSource):
        for replica in source.sources[1:]:
            _look_at_replica(context, replica)
    return Versions(current, tuple(login for login in others if login is not None))


def _describe(context: Context, client: Any, call: Call) -> Description | Finding | None:
    """What it tells; or a finding after which it is worth while to read the value: which permissions lack, in all."""
    report = context.journal.report
    with context.journal.step("describe") as step:
        try:
            answer = client.describe_secret(SecretId=call.secret_id)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what this step found)
            finding = _why(context, error, call)
            step.findings.append(finding)
            return finding if finding.name == "access-denied" else None
        description = of_secret.described(answer)
        step.told = description.sentence()
        step.findings += of_secret.findings_of(description, call.secret_id, context.now())
    report.facts["versions"] = {version: list(stages) for version, stages in description.versions.items()}
    report.facts["rotation"] = description.facts()
    return None if report.failed else description


def _read(
    context: Context, client: Any, call: Call, stage: str, described: Description | Finding
) -> Credentials | None:
    """One stage's login; None where no version has that stage now, which is nothing wrong, or where it cannot be read.

    A stage that nobody has is asked for all the same: AWS looks at permissions before it looks for the version.
    """
    with context.journal.step(stage) as step:
        try:
            found = _value(client, call.secret_id, stage)
        except Exception as error:  # noqa: BLE001
            if stage != CURRENT and _none_there(error, stage, described):
                step.told = "can be read; no version has it now"
                note_readable(context, stage, True)
                return None
            finding = _why(context, error, call)
            step.findings.append(finding if stage == CURRENT else of_secret.unreadable_stage(stage, finding))
            note_readable(context, stage, False)
            return None
        login = login_of(context, step, found, stage)
        if login is not None:
            step.told = of_secret.sentence(login) if stage == CURRENT else f"can be read: version {login.version_id}"
        return login


def _value(client: Any, secret_id: str, stage: str) -> Payload:
    return _payload(client.get_secret_value(SecretId=secret_id, VersionStage=stage))


def _payload(answer: Mapping[str, Any]) -> Payload:
    return payload_of(answer, str(answer.get("VersionId")))


def _none_there(error: Exception, stage: str, described: Description | Finding) -> bool:
    """Whether no version has this stage, or one that has no value yet, as while a rotation creates it."""
    version = described.version(stage) if isinstance(described, Description) else None
    return of_source.is_not_there(error) or (
        version is not None and of_source.code_of(error) == "InvalidRequestException"
    )


def _why(context: Context, error: Exception, call: Call) -> Finding:
    if of_source.is_not_there(error) and call.operation == "DescribeSecret":
        elsewhere = _elsewhere(context, call)
        if elsewhere is not None:
            return of_source.other_region(call, elsewhere)
    return of_source.diagnose(error, call, _regions)


def _elsewhere(context: Context, call: Call) -> str | None:
    """The first of the regions that somebody named in which there is such a secret. An ARN is of one region."""
    if secret_arn(call.secret_id) is not None:
        return None
    import boto3

    asked = context.options
    own = boto3.session.Session(profile_name=asked.profile).region_name
    for region in regions_around(call.region, asked, context.around, context.runtime.environ, own):
        endpoint = asked.endpoint_url or context.around.endpoint_url
        other = SecretsManagerSource(call.secret_id, region=region, profile=asked.profile, endpoint_url=endpoint)
        with suppress(Exception):  # not there, or not to be seen: the finding is about the region that was asked
            other.client.describe_secret(SecretId=call.secret_id)
            return region
    return None


def _regions() -> set[str]:
    """All regions of Secrets Manager that the SDK knows."""
    import boto3

    session = boto3.session.Session()
    names = session.get_available_partitions()
    return {region for name in names for region in session.get_available_regions("secretsmanager", name)}


def _look_at_replica(context: Context, source: Source) -> None:
    """One replica's region: the current version can be read there."""
    if not isinstance(source, SecretsManagerSource):
        return
    region = str(place_of(source))
    with context.journal.step(region) as step:
        call = Call("GetSecretValue", source.secret_id, region)
        try:
            source.client.describe_secret(SecretId=source.secret_id)
            version = _value(source.client, source.secret_id, CURRENT).version_id
        except Exception as error:  # noqa: BLE001
            step.findings.append(_replica_unreadable(of_source.diagnose(error, call, _regions)))
            return
        step.told = f"replica: version {version}"


def _replica_unreadable(why: Finding) -> Finding:
    return Finding(
        "replica-unreadable",
        f"This replica is of no use while the secret's own region does not answer. {why.problem}",
        why.advice,
        warning=True,
        permission=why.permission,
    )
