"""Health, headers and what the pages refuse, over plain HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from .conftest import WEBAPP


@pytest.fixture
def site(make_site: Callable[..., Any]) -> Any:
    return make_site("postgres", workers=1, environment={"DJANGO_ALLOWED_HOSTS": "shop.example"})


@pytest.fixture
def client(site: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, headers={"Host": "shop.example"}, timeout=30.0) as client:
        yield client


def until(status: int, client: httpx.Client) -> httpx.Response:
    """Ask for readiness, which is kept for a second, until it is this."""
    deadline = time.monotonic() + 30.0
    while (answer := client.get("/readyz")).status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def test_health_and_hosts(site: Any, client: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200, "probes name any host"
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400

    headers = client.get("/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "HttpOnly" in headers["Set-Cookie"]
    assert client.get("/nowhere").status_code == 404
    assert client.post("/", data={"name": "Ada", "email": "ada@example.com"}).status_code == 403, "no token"
    assert client.post("/status/rotate", data={"strategy": "single-user"}).status_code == 403, "no token"
    for path in ("/static/style.css", "/static/status.js", "/static/mark.svg"):
        assert client.get(path).status_code == 200

    role = f'"{site.app.username}"'
    site.app.server.sql(f"ALTER ROLE {role} NOLOGIN;")  # no rejected login: the database cannot be used at all
    try:
        assert client.get("/healthz").status_code == 200
        assert until(503, client).json() == {"status": "no database"}
        assert client.get("/").status_code == 500
        status = client.get("/status/")
        assert status.status_code == 200
        assert "The database does not answer" in status.text
    finally:
        site.app.server.sql(f"ALTER ROLE {role} LOGIN;")
    until(200, client)
    assert client.get("/status/data.json").json()["me"]["failures"] == 1

    output = site.output.read_text()
    assert "NOLOGIN" not in output
    assert site.app.login().password not in output + status.text


def test_in_production_nothing_rotates_from_here(make_site: Callable[..., Any]) -> None:
    site = make_site("postgres", workers=1, environment={"WEBAPP_DEV_ROTATOR_URL": "", "WEBAPP_HTTPS": "1"})
    with httpx.Client(base_url=site.url, headers={"X-Forwarded-Proto": "https"}, timeout=30.0) as client:
        page = client.get("/status/")
        assert page.status_code == 200
        assert "rotator" not in page.text
        assert client.get("/status/data.json").json()["rotator"] is None
        form = client.get("/")
        assert "Secure" in form.headers["Set-Cookie"]
        assert form.headers["Strict-Transport-Security"].startswith("max-age=")
        token = form.text.partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
        sent = {"csrfmiddlewaretoken": token, "strategy": "single-user"}
        cookie = {"Cookie": f"csrftoken={form.cookies.get('csrftoken') or client.cookies['csrftoken']}"}
        origin = {"Origin": site.url.replace("http:", "https:"), **cookie}
        assert client.post("/status/rotate", data=sent, headers=origin).status_code == 404
        assert client.get("/", headers={"X-Forwarded-Proto": "http"}).status_code == 301
        assert client.get("/readyz", headers={"X-Forwarded-Proto": "http"}).status_code == 200


def test_the_status_tells_of_a_secret_that_cannot_be_read(make_site: Callable[..., Any]) -> None:
    site = make_site("postgres", workers=1)
    missing = {**site.environment, "WEBAPP_SECRET": "no/such/secret"}
    code = (
        "import project.wsgi\nfrom django.test import Client\n"
        "for path in ('/healthz', '/readyz', '/status/'):\n"
        "    print(path, Client(headers={'host': 'localhost'}).get(path).status_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=WEBAPP, env=missing, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["/healthz 200", "/readyz 503", "/status/ 200"], done.stderr
