"""The first step: which source the secret is read from, and where that is."""

from __future__ import annotations

from typing import Any

from secretconn._core.choose import Reach, choose
from secretconn.cli.check.context import Context
from secretconn.cli.check.of_source import no_client
from secretconn.cli.check.options import REGION_VARIABLES
from secretconn.cli.check.report import Finding, Step
from secretconn.errors import ConfigurationError
from secretconn.sources.agent import AgentSource
from secretconn.sources.arn import secret_arn
from secretconn.sources.base import Source, place_of
from secretconn.sources.file import FileSource
from secretconn.sources.names import secret_name
from secretconn.sources.replicas import ReplicatedSource
from secretconn.sources.secrets_manager import SecretsManagerSource

__all__ = ["choose_source", "own_endpoint", "primary"]


def choose_source(context: Context) -> Source | None:
    """The source that connect() would take, or None where that is what is wrong.

    Raises:
        ConfigurationError: What was asked for makes no sense: an unknown scheme, options that contradict each other.
    """
    asked = context.options
    with context.journal.step("source", timed=False) as step:
        if (finding := _contradiction(asked.secret, asked.region)) is not None:
            step.findings.append(finding)
            return None
        reach = Reach(region=asked.region, profile=asked.profile, endpoint_url=asked.endpoint_url)
        source = choose(asked.secret, reach, context.around, context.runtime)
        kind, place = _kind(source), place_of(source)
        if (aws := primary(source)) is not None:
            try:
                place = aws.client.meta.region_name
            except Exception as error:  # noqa: BLE001  (whatever the SDK says of its settings is what is wrong)
                why = error.__cause__ if isinstance(error, ConfigurationError) and error.__cause__ else error
                step.findings.append(no_client(why, asked.secret, place or _region(context)))
                return None
        _tell(step, source, kind, place, context)
    return source


def primary(source: Source) -> SecretsManagerSource | None:
    """The source for the secret's own region, where it is Secrets Manager."""
    if isinstance(source, ReplicatedSource):
        source = source.sources[0]
    return source if isinstance(source, SecretsManagerSource) else None


def own_endpoint(client: Any) -> str | None:
    """The client's address, where it is not AWS's public one."""
    address = str(client.meta.endpoint_url)
    return None if address.endswith((".amazonaws.com", ".amazonaws.com.cn")) and ".vpce." not in address else address


def _tell(step: Step, source: Source, kind: str, place: str | None, context: Context) -> None:
    facts: dict[str, Any] = {"kind": kind, "place": place}
    step.told = f"{kind} {'in' if kind == 'Secrets Manager' else 'at'} {place}"
    if (aws := primary(source)) is not None and (endpoint := own_endpoint(aws.client)) is not None:
        step.told += f", at {endpoint}"
        facts["endpoint_url"] = endpoint
    if isinstance(source, ReplicatedSource):
        facts["replicas"] = [place_of(one) for one in source.sources[1:]]
        step.told += f", then in {', '.join(map(str, facts['replicas']))}"
    context.journal.report.facts["source"] = facts


def _region(context: Context) -> str | None:
    """What the variables say, for a message."""
    named = [context.runtime.environ.get(name) for name in REGION_VARIABLES]
    return next((region for region in named if region), None)


def _kind(source: Source) -> str:
    if isinstance(source, AgentSource):
        return "agent or extension"
    return "file" if isinstance(source, FileSource) else "Secrets Manager"


def _contradiction(secret_id: str, region: str | None) -> Finding | None:
    """An ARN says its region; another one beside it is a mistake in one of the two."""
    arn = secret_arn(secret_name(secret_id).name)
    if arn is None or region is None or arn.region == region:
        return None
    return Finding(
        "wrong-region",
        f"The secret's ARN is of region {arn.region}, and region {region} is to be asked.",
        f"Leave the region out: an ARN's own region is asked. If the secret in {region} is meant, name that one.",
    )
