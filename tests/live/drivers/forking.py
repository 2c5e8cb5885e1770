"""A server that forks workers after it has connected once, as gunicorn does with a preloaded application.

Says "ready", waits for a line, and then each worker connects and tells what it saw, as a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import secretconn

WORKERS = 4
ESTABLISHED = "01"


def sockets_to(port: int) -> list[str]:
    """This process's open sockets to a port of 127.0.0.1, as inodes."""
    there = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    inodes = [line[9] for line in there if line[3] == ESTABLISHED and line[2] == f"0100007F:{port:04X}"]
    mine = set(open_files())
    return sorted({inode for inode in inodes if f"socket:[{inode}]" in mine})  # /proc may list one twice


def open_files() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists this folder
            yield str(descriptor.readlink())


def work(credentials: secretconn.RotatingCredentials, port: int, driver: str, go: int) -> None:
    at_once = sockets_to(port)
    os.read(go, 1)
    secretconn.connect(credentials, driver=driver).close()
    stats = credentials.stats()
    seen = {"at_once": at_once, "later": sockets_to(port), "recovered": stats.recovered, "api_calls": stats.api_calls}
    os.write(sys.stdout.fileno(), (json.dumps(seen) + "\n").encode())


def main(secret_id: str, driver: str, port: int) -> None:
    credentials = secretconn.RotatingCredentials(secret_id)
    secretconn.connect(credentials, driver=driver).close()
    read, write = os.pipe()
    for _worker in range(WORKERS):
        if os.fork() == 0:
            failed = 1
            try:
                work(credentials, port, driver, read)
                failed = 0
            finally:
                os._exit(failed)
    print(json.dumps({"parent": sockets_to(port)}), flush=True)
    sys.stdin.readline()
    os.write(write, b"." * WORKERS)
    ends = [os.waitstatus_to_exitcode(os.wait()[1]) for _worker in range(WORKERS)]
    secretconn.connect(credentials, driver=driver).close()
    stats = credentials.stats()
    print(json.dumps({"ends": ends, "recovered": stats.recovered, "parent": sockets_to(port)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
