"""How many bytes so many secrets take: ``python memory_probe.py VARIANT SECRETS traced|resident ENDPOINT``.

Run by footprint.py, in a process of its own. One secret is read beforehand and not counted, so that modules, and what
is made once for all, are there already.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from memory_client import LOGIN, MemoryClient


def reader(variant: str, endpoint: str) -> Callable[[str], Any]:
    """What reads one secret and returns what has to be kept for it."""
    import secretconn

    client = MemoryClient()
    if variant == "SecretCache":
        from aws_secretsmanager_caching import SecretCache

        cache = SecretCache(client=client)
        return cache.get_secret_string
    settings = {"client": client} if variant == "secretconn" else {"endpoint_url": endpoint, "region": "us-east-1"}

    def read(name: str) -> Any:
        credentials = secretconn.RotatingCredentials(name, **settings)
        credentials.current()
        return credentials

    return read


def resident() -> int:
    """The process's resident set size in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def main() -> None:
    variant, size, how, endpoint = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    if variant == "secretconn, default client":
        create(size, endpoint)
    read = reader(variant, endpoint)
    kept = [read("bench/0")]
    gc.collect()
    tracemalloc.start() if how == "traced" else None
    before = tracemalloc.get_traced_memory()[0] if how == "traced" else resident()
    kept += [read(f"bench/{number}") for number in range(1, size + 1)]
    gc.collect()
    print((tracemalloc.get_traced_memory()[0] if how == "traced" else resident()) - before)


def create(size: int, endpoint: str) -> None:
    """The secrets, where they are read from a server."""
    import os

    import boto3

    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    client = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="us-east-1")
    for number in range(size + 1):
        try:
            client.put_secret_value(SecretId=f"bench/{number}", SecretString=str(LOGIN).replace("'", '"'))
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=f"bench/{number}", SecretString=str(LOGIN).replace("'", '"'))


if __name__ == "__main__":
    main()
