"""The hot path, as ratios within one run: a read of the held login, and connect() over a driver that does nothing.

    python benchmarks/hot_path.py

"SecretCache + json" is what the usual pattern does for each connection: get_secret_string of
aws-secretsmanager-caching, then json.loads. Each figure is the median of interleaved rounds.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aws_secretsmanager_caching import SecretCache

import secretconn
from secretconn.testing.memory import MemorySource

LOGIN = {"engine": "postgres", "host": "db", "port": 5432, "username": "app", "password": "p", "dbname": "orders"}
ROUNDS, CALLS = 15, 20_000


class Client:
    """Secrets Manager's answers, with no network."""

    def describe_secret(self, **_arguments: Any) -> dict[str, Any]:
        return {"VersionIdsToStages": {"v1": ["AWSCURRENT"]}}

    def get_secret_value(self, **_arguments: Any) -> dict[str, Any]:
        """Shaped as boto3's: the cache copies the whole answer at every read, metadata included."""
        headers = {"date": "Mon, 23 Nov 2026 00:00:00 GMT", "content-type": "application/x-amz-json-1.1"}
        return {
            "ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-AbCdEf",
            "Name": "s",
            "VersionId": "v1",
            "SecretString": json.dumps(LOGIN),
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": datetime(2026, 11, 23, tzinfo=UTC),
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 200, "HTTPHeaders": headers, "RetryAttempts": 0},
        }


def null_driver(**_arguments: Any) -> None:
    """A driver's connect that costs nothing."""


def medians(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds a call, each the median of rounds that take turns."""
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            number = CALLS // 20 if "SecretCache" in name else CALLS
            rounds[name].append(timeit.timeit(call, number=number) / number)
    return {name: statistics.median(seconds) for name, seconds in rounds.items()}


def main() -> int:
    cache = SecretCache(client=Client())
    credentials = secretconn.RotatingCredentials("s", source=MemorySource(LOGIN))
    connect = secretconn.wrap(null_driver, credentials, driver="psycopg")
    found = medians(
        {
            "SecretCache + json": lambda: json.loads(cache.get_secret_string("s")),
            "credentials.current()": credentials.current,
            "null driver": lambda: null_driver(user="a", password="b", host="c", port=1, dbname="d"),
            "null driver, wrapped": connect,
            "null driver, wrapped, with an argument": lambda: connect(connect_timeout=5),
        }
    )
    for name, seconds in found.items():
        print(f"{name:40} {seconds * 1e6:8.2f} us")
    ratio = found["SecretCache + json"] / found["credentials.current()"]
    print(f"\na read is {ratio:.0f} times faster than SecretCache + json")
    print(f"connect() adds {(found['null driver, wrapped'] - found['null driver']) * 1e6:.2f} us")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
