"""Many secrets in one process, each with the library's own client: processor, memory, clients.

    python benchmarks/many.py --secrets 1 10 100

For each number a process of its own reads so many secrets once, in rounds that take turns with DescribeSecret and
GetSecretValue of the same secrets on one plain boto3 client. Both have read one before, so that neither makes its
client in the time that is measured. Memory is what Python allocates (tracemalloc) for so many further secrets. It ends
with 1 when a limit is missed for the largest number.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import secretconn
from secretconn.testing import LocalSecretsManager

PROCESSOR, KIB = 1.3, 20.0
ROUNDS = 5
LOGIN = {"engine": "postgres", "host": "db", "port": 5432, "username": "app", "password": "p" * 32, "dbname": "orders"}


def probe(size: int, endpoint_url: str) -> dict[str, float]:
    """In this process: the ratio of processor times, KiB for each secret, and how many clients there are."""
    import boto3
    from botocore.client import BaseClient

    region = os.environ["AWS_DEFAULT_REGION"]
    plain = boto3.client("secretsmanager", endpoint_url=endpoint_url, region_name=region)
    kept: list[Any] = []

    def by_hand(name: str) -> None:
        plain.describe_secret(SecretId=name)
        json.loads(plain.get_secret_value(SecretId=name)["SecretString"])

    def ours(name: str) -> None:
        kept.append(secretconn.RotatingCredentials(name, endpoint_url=endpoint_url, region=region))
        kept[-1].current()

    names = [f"many/{number}" for number in range(size)]
    taken: dict[Callable[[str], None], list[float]] = {by_hand: [], ours: []}
    for read in taken:
        read(names[0])
    for _ in range(ROUNDS):
        for read in random.sample(list(taken), 2):
            begun = time.process_time()
            for name in names:
                read(name)
            taken[read].append(time.process_time() - begun)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for name in names:
        ours(name)
    gc.collect()
    memory = tracemalloc.get_traced_memory()[0] - before
    clients = sum(isinstance(one, BaseClient) for one in gc.get_objects()) - 1  # the plain one
    return {"processor": min(taken[ours]) / min(taken[by_hand]), "kib": memory / 1024 / size, "clients": clients}


def main() -> int:
    parser = argparse.ArgumentParser(description="Many secrets in one process.")
    parser.add_argument("--secrets", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--probe", nargs=2, metavar=("SECRETS", "ADDRESS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.probe:
        print(json.dumps(probe(int(asked.probe[0]), asked.probe[1])))
        return 0
    found: dict[str, float] = {}
    with LocalSecretsManager(process=True) as server:
        client = server.client()
        for number in range(max(asked.secrets)):
            client.create_secret(Name=f"many/{number}", SecretString=json.dumps(LOGIN))
        print("| secrets | processor, of one plain client's | KiB for each | clients |\n|---|---|---|---|")
        for size in sorted(asked.secrets):
            command = [sys.executable, __file__, "--probe", str(size), server.endpoint_url]
            environ = {**os.environ, **server.environment}
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout)
            print(f"| {size:,} | {found['processor']:.2f} | {found['kib']:.1f} | {found['clients']} |", flush=True)
    return int(found["processor"] > PROCESSOR or found["kib"] > KIB or found["clients"] > 1)


if __name__ == "__main__":
    raise SystemExit(main())
