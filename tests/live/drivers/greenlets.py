"""A crowd of gevent's greenlets, in a process whose threads and sockets are gevent's.

Says "ready", waits for a line, connects in all greenlets at once and tells the counters, as a line of JSON.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # before anything else is imported

import dataclasses  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402

import gevent  # noqa: E402

import secretconn  # noqa: E402

CROWD = 32


def main(secret_id: str, driver: str) -> None:
    credentials = secretconn.RotatingCredentials(secret_id)
    secretconn.connect(credentials, driver=driver).close()
    print("ready", flush=True)
    sys.stdin.readline()
    greenlets = [gevent.spawn(lambda: secretconn.connect(credentials, driver=driver).close()) for _ in range(CROWD)]
    threads = [threading.Thread(target=lambda: secretconn.connect(credentials, driver=driver).close())]
    for thread in threads:
        thread.start()
    gevent.joinall(greenlets, timeout=60, raise_error=True)
    for thread in threads:
        thread.join(60)
    print(json.dumps(dataclasses.asdict(credentials.stats())), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
