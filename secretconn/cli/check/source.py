"""The first step: which source the secret is read from, and where that is."""

from __future__ import annotations

from typing import Any

from secretconn._core.choose import Reach, choose
from secretconn.cli.check.context import Context
from secretconn.cli.check.findings import finding
from secretconn.cli.check.report import Step, Stop
from secretconn.cli.check.source_errors import no_client
from secretconn.errors import ConfigurationError
from secretconn.sources.agent import AgentSource
from secretconn.sources.arn import secret_arn
from secretconn.sources.base import Source, place_of
from secretconn.sources.file import FileSource
from secretconn.sources.names import secret_name
from secretconn.sources.replicas import ReplicatedSource
from secretconn.sources.secrets_manager import SecretsManagerSource
from secretconn.sources.tokens import IamTokens

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def choose_source(context: Context) -> Source:
    """Return the source that connect() would use.

    Raises:
        ConfigurationError: An unknown scheme, or options that contradict each other.
    """
    asked = context.options
    with context.report.step("source", timed=False) as step:
        arn = secret_arn(secret_name(asked.secret).name)
        if arn is not None and asked.region not in (None, arn.region):
            raise Stop(finding("wrong-region:arn", arn_region=arn.region, region=asked.region))
        reach = Reach(region=asked.region, profile=asked.profile, endpoint_url=asked.endpoint_url)
        source = choose(asked.secret, reach, context.around, context.runtime)
        place, endpoint = place_of(source), None
        if (aws := primary(source)) is not None:
            try:
                place, endpoint = aws.client.meta.region_name, own_endpoint(aws.client)
            except Exception as error:  # noqa: BLE001  (whatever the SDK says of its settings is the problem)
                why = error.__cause__ if isinstance(error, ConfigurationError) and error.__cause__ else error
                variables = (context.runtime.environ.get(name) for name in REGION_VARIABLES)
                raise Stop(no_client(why, asked.secret, place or next(filter(None, variables), None))) from None
        context.report.facts["source"] = _describe(step, source, place, endpoint)
    return source


def primary(source: Source) -> SecretsManagerSource | None:
    """Return the source for the secret's own region, if it is Secrets Manager."""
    if isinstance(source, ReplicatedSource):
        source = source.sources[0]
    return source if isinstance(source, SecretsManagerSource) else None


def own_endpoint(client: Any) -> str | None:
    """Return the client's address, if it is not AWS's public one."""
    address = str(client.meta.endpoint_url)
    return None if address.endswith((".amazonaws.com", ".amazonaws.com.cn")) and ".vpce." not in address else address


def _describe(step: Step, source: Source, place: str | None, endpoint: str | None) -> dict[str, Any]:
    kinds = (
        (AgentSource, "agent or extension", " at"),
        (FileSource, "file", " at"),
        (IamTokens, "tokens signed here", ", for"),
        (object, "Secrets Manager", " in"),
    )
    kind, where = next((kind, where) for one, kind, where in kinds if isinstance(source, one))
    facts: dict[str, Any] = {"kind": kind, "place": place}
    step.told = f"{kind}{where} {place or 'the default region'}"
    if endpoint is not None:
        step.told += f", at {endpoint}"
        facts["endpoint_url"] = endpoint
    if isinstance(source, ReplicatedSource):
        facts["replicas"] = [place_of(one) for one in source.sources[1:]]
        step.told += f", then in {', '.join(map(str, facts['replicas']))}"
    return facts
