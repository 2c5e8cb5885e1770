"""How many bytes so many secrets take: ``python memory_probe.py VARIANT SECRETS traced|resident ENDPOINT``.

Run by footprint.py, in a process of its own. One secret is read beforehand and not counted, so that modules, and what
is made once for all, are there already.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
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
    """The process's resident set size in bytes; where /proc is missing, the most it has been."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE")


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
    import boto3

    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    client, content = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="us-east-1"), json.dumps(LOGIN)
    for number in range(size + 1):
        with suppress(client.exceptions.ResourceExistsException):  # made by a probe before this one
            client.create_secret(Name=f"bench/{number}", SecretString=content)


if __name__ == "__main__":
    main()
