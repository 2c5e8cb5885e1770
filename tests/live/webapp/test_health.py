"""Readiness is checked seldom, and what waits for the database leaves room for health."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from project.connecting import CONNECT_SECONDS
from project.readiness import KEPT, Readiness

from .conftest import WEBAPP


class Checks:
    """A check that counts, with a clock of its own."""

    def __init__(self) -> None:
        self.made, self.ready, self.at = 0, True, 100.0

    def __call__(self) -> bool:
        self.made += 1
        return self.ready

    def now(self) -> float:
        return self.at


@pytest.fixture
def checks() -> Checks:
    return Checks()


def test_a_result_is_kept_for_a_second(checks: Checks) -> None:
    readiness = Readiness(checks, now=checks.now)
    assert all(readiness() for _ in range(100))
    assert checks.made == 1
    checks.ready = False
    checks.at += KEPT
    assert not any(readiness() for _ in range(100))
    assert checks.made == 2, "a failure is kept too: it is a failed login"


def test_one_thread_checks_and_the_others_get_the_last_result(checks: Checks) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> bool:
        began.set()
        return go_on.wait(30.0) and checks()

    readiness = Readiness(slow, now=checks.now)
    with ThreadPoolExecutor(1) as pool:
        checking = pool.submit(readiness)
        assert began.wait(30.0)
        assert not readiness(), "there is no result yet, and it does not wait for one"
        go_on.set()
        assert checking.result()
    assert readiness()
    assert checks.made == 1


def test_a_check_that_raises_lets_the_next_one_check(checks: Checks) -> None:
    def broken() -> bool:
        checks()
        raise RuntimeError

    readiness = Readiness(broken, now=checks.now)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            readiness()
    assert checks.made == 2


def failed_logins(site: Any) -> int:
    return str(site.app.server.log()).count("password authentication failed")


def test_strangers_cannot_make_it_log_in(make_site: Callable[..., Any]) -> None:
    """A wrong login and 240 requests: one round of logins for each second and worker, not one for each request."""
    site = make_site("postgres", workers=1)
    role = f'"{site.app.username}"'
    site.app.server.sql(f"ALTER ROLE {role} PASSWORD 'another';")
    with httpx.Client(base_url=site.url, timeout=30.0) as client, ThreadPoolExecutor(8) as pool:
        while client.get("/readyz").status_code == 200:
            time.sleep(0.1)
        before, begun = failed_logins(site), time.monotonic()
        statuses = list(pool.map(lambda _: client.get("/readyz").status_code, range(240)))
    seconds = time.monotonic() - begun
    assert set(statuses) == {503}
    # The worker's own reporter logs in every two seconds, too.
    assert failed_logins(site) - before <= 4 * (seconds + 1)


@contextmanager
def paused(server: Any) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)  # as `docker pause` does: the kernel takes connections, nobody answers
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_health_does_not_wait_for_a_paused_database(make_site: Callable[..., Any]) -> None:
    """Four times as many requests as threads: health is answered meanwhile, and every request ends in seconds."""
    site = make_site("postgres", workers=1)
    with httpx.Client(base_url=site.url, timeout=60.0) as client, ThreadPoolExecutor(64) as pool:
        with paused(site.app.server):
            begun = time.monotonic()
            waiting = [pool.submit(client.get, "/") for _ in range(64)]
            health = [_seconds(site.url) for _ in range(10)]
            statuses = {request.result().status_code for request in waiting}
            ended = time.monotonic() - begun
            assert client.get("/readyz").status_code == 503
        assert statuses <= {500, 503}
        assert max(health) < CONNECT_SECONDS, "health waited for a login"
        assert ended < 4 * CONNECT_SECONDS
        deadline = time.monotonic() + 30.0
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _seconds(url: str) -> float:
    begun = time.monotonic()
    assert httpx.get(f"{url}/healthz", timeout=60.0).status_code == 200
    return time.monotonic() - begun


def test_an_idle_connection_outlives_a_load_balancers() -> None:
    """An ALB keeps an idle connection for 60 s and sends the next request down it."""
    settings: dict[str, Any] = {}
    exec((WEBAPP / "gunicorn.conf.py").read_text(), settings)  # as gunicorn reads it
    assert settings["keepalive"] > 60


def test_whoever_has_connected_when_it_ends_is_answered(make_site: Callable[..., Any]) -> None:
    """The worker stands still while five connect and send: the kernel takes them. Then SIGTERM, and it goes on."""
    site = make_site("postgres", workers=1)
    worker = httpx.get(f"{site.url}/status/data.json", timeout=60.0).json()["me"]["pid"]
    arbiter = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])  # the parent
    host, port = site.url.removeprefix("http://").split(":")
    os.kill(worker, signal.SIGSTOP)
    waiting = [socket.create_connection((host, int(port)), timeout=60.0) for _ in range(5)]
    for one in waiting:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for process, what in ((arbiter, signal.SIGTERM), (worker, signal.SIGTERM), (worker, signal.SIGCONT)):
        os.kill(process, what)
    assert [one.recv(12) for one in waiting] == [b"HTTP/1.1 200"] * 5
    for one in waiting:
        one.close()
