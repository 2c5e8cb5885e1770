"""The Docker rung of secretconn.testing on a real engine: ``pytest tests/containers/rung.py``; scripts/test-containers.

Not collected with the other tests: it needs a Docker engine, and the image mysql:9.7.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import docker
import pytest

from secretconn.testing import MySQLServer

PROGRAM = """
from secretconn.testing import MySQLServer
with MySQLServer(ladder=("docker",)) as server:
    print("up", flush=True)
    input()
"""


@pytest.fixture
def engine() -> Any:
    return docker.from_env()


def ours(engine: Any) -> list[Any]:
    return list(engine.containers.list(all=True, filters={"name": "secretconn-"}))


def test_it_listens_at_loopback_alone_and_leaves_nothing(engine: Any) -> None:
    volumes = len(engine.volumes.list())
    with MySQLServer(ladder=("docker",)) as server:
        (container,) = ours(engine)
        bound = container.attrs["NetworkSettings"]["Ports"]["3306/tcp"]
        assert bound == [{"HostIp": "127.0.0.1", "HostPort": str(server.port)}]
        assert len(engine.containers.list()) == 1, "no helper that listens to all"
        server.sql("CREATE DATABASE kept;\n")
        server.restart()
        server.restart(immediate=True)
        assert ["kept"] in server.sql("SHOW DATABASES;\n")
    assert ours(engine) == []
    assert len(engine.volumes.list()) == volumes


def test_it_ends_when_the_process_is_killed(engine: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert len(ours(engine)) == 1
        process.kill()
    deadline = time.monotonic() + 60.0
    while ours(engine):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_container_that_cannot_start_is_not_left_behind(engine: Any) -> None:
    from secretconn.testing._docker import Container
    from secretconn.testing.errors import ServerUnavailable

    with pytest.raises(ServerUnavailable, match="did not start"):
        Container("secretconn-no-such-image", {}, {})
    assert ours(engine) == []
