"""A container of the MySQL family: the "docker" rung of a server's ladder, through testcontainers."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from secretconn.testing._process import free_port
from secretconn.testing.errors import ServerUnavailable

__all__ = ["Container"]

PING_SECONDS = 2


class Container:
    """One container, with the same host port for all its life.

    Raises:
        ServerUnavailable: testcontainers is not installed, no engine answers, or the container does not start.
    """

    def __init__(self, image: str, environment: Mapping[str, str], options: Mapping[str, str]) -> None:
        address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        _probe(address)
        try:
            containers = importlib.import_module("testcontainers.core.container")
            docker = importlib.import_module("docker")
        except ImportError:
            raise ServerUnavailable("testcontainers is not installed: pip install testcontainers") from None
        try:
            with contextlib.closing(docker.from_env(timeout=PING_SECONDS)) as engine:
                engine.ping()
        except Exception as error:  # noqa: BLE001  (docker's and requests' errors share no base)
            raise ServerUnavailable(f"no Docker engine answers ({type(error).__name__})") from None
        self.port = free_port()
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        made: Any = containers.DockerContainer(image).with_command(words)
        made.ports = bindings(address, self.port)
        for name, value in environment.items():
            made.with_env(name, value)
        try:
            made.start()
        except Exception as error:  # noqa: BLE001
            raise ServerUnavailable(f"{image} did not start: {type(error).__name__}") from None
        self._made = made
        self.host: str = made.get_container_host_ip()
        self.running = True

    def start(self) -> None:
        if not self.running:
            self._made.get_wrapped_container().start()
            self.running = True

    def stop(self, *, immediate: bool) -> None:
        if self.running:
            self.running = False
            wrapped = self._made.get_wrapped_container()
            wrapped.kill() if immediate else wrapped.stop()

    def log(self) -> str:
        out, err = self._made.get_logs()
        return bytes(out + err).decode(errors="replace")

    def remove(self) -> None:
        self.running = False
        self._made.stop()


def bindings(address: str, port: int) -> dict[int, Any]:
    """Where the server's port is bound, for docker's client: at loopback where the engine is on this machine."""
    here = address.startswith(("unix:", "npipe:")) or urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")
    return {3306: ("127.0.0.1", port) if here else port}


def _probe(address: str) -> None:
    """A look at a local engine's socket before docker's client is loaded: it is slow, and leaves sockets open."""
    if not address.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise ServerUnavailable(f"no Docker engine answers ({type(error).__name__})") from None
