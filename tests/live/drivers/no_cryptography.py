"""A program without the package ``cryptography``: logs in, waits for "go", logs in again; prints what it counted.

python no_cryptography.py SECRET DRIVER
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

sys.modules["cryptography"] = sys.modules["cryptography.hazmat"] = None  # type: ignore[assignment]

import secretconn  # noqa: E402


async def log_in(credentials: secretconn.RotatingCredentials, driver: str) -> None:
    if driver == "pymysql":
        secretconn.connect(credentials, driver="pymysql", ssl_disabled=True).close()
        return
    connection = await secretconn.aconnect(credentials, driver=driver)  # type: ignore[call-overload]
    await connection.ensure_closed()


def main(secret: str, driver: str) -> None:
    credentials = secretconn.RotatingCredentials(secret)
    asyncio.run(log_in(credentials, driver))
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(log_in(credentials, driver))
    print(json.dumps(asdict(credentials.stats())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
