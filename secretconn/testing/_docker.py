"""A container of the MySQL family: the "docker" rung of a server's ladder, by the client of testcontainers."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from secretconn.testing._process import free_port
from secretconn.testing.errors import ServerUnavailable

__all__ = ["Container"]

PING_SECONDS = 2
LOOPBACK = ("localhost", "127.0.0.1", "::1")

REMOVE_WHEN_WE_END = """
import sys
sys.stdin.buffer.read()
import docker
docker.from_env().api.remove_container(sys.argv[1], v=True, force=True)
"""
"""A program of its own: its input ends with the process that started it, however that ends."""


class Container:
    """One container, with the same host port for all its life. It ends with this process, also if that is killed.

    Raises:
        ServerUnavailable: testcontainers is not installed, no engine answers, or the container does not start.
    """

    def __init__(self, image: str, environment: Mapping[str, str], options: Mapping[str, str]) -> None:
        client = _client()
        self.host, self.port = reached(client.host()), free_port()
        name = f"secretconn-{uuid.uuid4().hex}"
        self._keeper = keeper(name)  # first: from here on nothing is left behind
        try:
            self._made: Any = client.client.containers.run(
                image,
                [f"--{option.replace('_', '-')}={value}" for option, value in options.items()],
                name=name,
                environment=dict(environment),
                ports=bindings(self.host, self.port),
                detach=True,
            )
        except Exception as error:  # noqa: BLE001  (docker's and requests' errors share no base)
            with contextlib.suppress(Exception):  # it may have been made, and not started
                client.client.api.remove_container(name, v=True, force=True)
            self._end_keeper()
            raise ServerUnavailable(f"{image} did not start: {type(error).__name__}") from None
        self.running = True

    def start(self) -> None:
        if not self.running:
            self._made.start()
            self.running = True

    def stop(self, *, immediate: bool) -> None:
        if self.running:
            self.running = False
            self._made.kill() if immediate else self._made.stop()

    def log(self) -> str:
        return bytes(self._made.logs()).decode(errors="replace")

    def remove(self) -> None:
        self.running = False
        self._made.remove(v=True, force=True)
        self._end_keeper()

    def _end_keeper(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()


def reached(host: str) -> str:
    """Return the address to connect to: the C clients of MySQL take "localhost" for a socket file."""
    return "127.0.0.1" if host in LOOPBACK else host


def bindings(host: str, port: int) -> dict[str, Any]:
    """Where the server's port is bound, for docker's client: at loopback where the engine is on this machine."""
    return {"3306/tcp": ("127.0.0.1", port) if host in LOOPBACK else port}


def keeper(name: str) -> subprocess.Popen[bytes]:
    """Start a process that removes the container when this one ends."""
    return subprocess.Popen(
        [sys.executable, "-c", REMOVE_WHEN_WE_END, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests
    )


def _client() -> Any:
    """Return testcontainers' client of the engine; its own helper container, which would listen to all, is not used."""
    _probe(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    try:
        clients = importlib.import_module("testcontainers.core.docker_client")
        docker = importlib.import_module("docker")
    except ImportError:
        raise ServerUnavailable("testcontainers is not installed: pip install testcontainers") from None
    try:
        with contextlib.closing(docker.from_env(timeout=PING_SECONDS)) as engine:
            engine.ping()
        return clients.DockerClient()
    except Exception as error:  # noqa: BLE001
        raise ServerUnavailable(f"no Docker engine answers ({type(error).__name__})") from None


def _probe(address: str) -> None:
    """A look at a local engine's socket before docker's client is loaded: it is slow, and leaves sockets open."""
    if not address.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise ServerUnavailable(f"no Docker engine answers ({type(error).__name__})") from None
