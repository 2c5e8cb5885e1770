"""Containers of servers: for this machine alone, and never left behind. The engine is one of the test's own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from secretconn.testing._docker import bindings, reached

convert = pytest.importorskip("docker.utils.utils").convert_port_bindings


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_where_the_engine_is_on_this_machine_ports_are_bound_to_loopback(host: str) -> None:
    bound = convert(bindings(reached(host), 40123))
    assert bound == {"3306/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40123"}]}


@pytest.mark.parametrize("host", ["build-7", "172.17.0.1"])
def test_an_engine_elsewhere_binds_where_we_can_reach_it(host: str) -> None:
    assert convert(bindings(reached(host), 40123)) == {"3306/tcp": [{"HostIp": "", "HostPort": "40123"}]}


@pytest.fixture
def engine() -> Iterator[tuple[str, queue.SimpleQueue[str]]]:
    """An engine's address, and what it is asked to delete."""
    deleted: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, b'{"ApiVersion": "1.44"}')

        def do_DELETE(self) -> None:
            deleted.put(self.path)
            self.answer(204, b"")

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}", deleted
        server.shutdown()


def test_a_killed_process_leaves_no_container(engine: tuple[str, queue.SimpleQueue[str]]) -> None:
    address, deleted = engine
    program = "from secretconn.testing._docker import keeper; kept = keeper('orders'); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "DOCKER_HOST": address},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
    assert deleted.get(timeout=60.0).endswith("/containers/orders?v=True&link=False&force=True")
