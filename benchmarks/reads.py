"""(a) What a read of the cached login costs: `RotatingCredentials.current` against SecretCache and json.loads.

All in one process, in rounds that take turns. No network: the SDK's client answers from memory, in boto3's shape.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import secretconn
from suite import clients, memory_client
from suite.bed import Bed
from suite.machine import installed
from suite.stats import interleaved
from suite.table import micro, number, table
from suite.verdicts import Criterion

TITLE = "Read of the cached login"
LIMIT = 200.0


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    from aws_secretsmanager_caching import SecretCache

    client = memory_client.MemoryClient()
    cache = SecretCache(client=client)
    credentials = secretconn.RotatingCredentials("s", client=client)
    calls: dict[str, Callable[[], object]] = {
        clients.CACHE: lambda: json.loads(cache.get_secret_string("s")),
        clients.OURS: credentials.current,
    }
    if installed(clients.WRAPPER_PACKAGE) is not None:
        calls[clients.WRAPPER] = wrapper_step(bed)
    calls[clients.OURS]()
    numbers = {clients.CACHE: 20, clients.WRAPPER: 100, clients.OURS: 1000}  # about a millisecond each
    seconds = interleaved(calls, 50 if quick else 1000, numbers)
    return {"seconds": {name: statistics.median(found) for name, found in seconds.items()}}


def wrapper_step(bed: Bed) -> Callable[[], object]:
    """The wrapper has no read to call; its plugin's part of a connect, around a driver that does nothing, is one."""
    from aws_advanced_python_wrapper.aws_secrets_manager_plugin import AwsSecretsManagerPlugin
    from aws_advanced_python_wrapper.hostinfo import HostInfo
    from aws_advanced_python_wrapper.utils.properties import Properties
    from aws_advanced_python_wrapper.utils.telemetry.default_telemetry_factory import DefaultTelemetryFactory

    secret_id = f"bench/{id(bed)}"
    bed.secrets.create_secret(secret_id, memory_client.LOGIN)
    settings = Properties(
        plugins="aws_secrets_manager",
        secrets_manager_secret_id=secret_id,
        secrets_manager_region=bed.secrets.region,
        secrets_manager_endpoint=bed.secrets.endpoint_url,
    )
    telemetry, host = DefaultTelemetryFactory(settings), HostInfo("localhost", 5432)
    plugin: Any = AwsSecretsManagerPlugin(SimpleNamespace(get_telemetry_factory=lambda: telemetry), settings)

    def step() -> object:
        return plugin.connect(None, None, host, settings, True, lambda: None)

    step()
    return step


def criteria(data: dict[str, Any]) -> list[Criterion]:
    seconds = data["seconds"]
    ratio = seconds[clients.CACHE] / seconds[clients.OURS]
    says = "read of the cached login, times faster than SecretCache + json.loads"
    return [Criterion("reads.times_faster", says, ratio, LIMIT, "times", at_least=True)]


def lines(data: dict[str, Any]) -> list[str]:
    ours = data["seconds"][clients.OURS]
    how = {
        clients.CACHE: "`json.loads(cache.get_secret_string(...))`",
        clients.WRAPPER: "its plugin's part of a connect (it has no read to call)",
        clients.OURS: "`credentials.current()`",
    }
    rows = [
        (name, how[name], micro(data["seconds"][name]), number(data["seconds"][name] / ours))
        for name in how
        if name in data["seconds"]
    ]
    return table(["client", "what is timed", "us", "times secretconn's"], rows)
