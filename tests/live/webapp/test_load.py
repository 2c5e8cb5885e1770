"""8 gunicorn workers, 50 requests a second, a rotation every few seconds: no 5xx, and no customer is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import httpx

from secretconn.testing import Strategy

from .load import Load, Report

FULL = os.environ.get("SECRETCONN_FULL", "") not in ("", "0")
SECONDS, EVERY = (60.0, 5.0) if FULL else (10.0, 2.5)
RATE = 50.0
PAUSE = 0.3
"""Seconds between two steps of a rotation: each window is open for two of them."""

STRATEGIES: tuple[Strategy, ...] = ("single-user", "alternating-users")


async def test_no_request_fails_while_the_secret_rotates(make_site: Callable[..., Any]) -> None:
    site = make_site("postgres", workers=8)
    load, rotations = Load(site.url, RATE), 0
    running = asyncio.create_task(load.run(SECONDS))
    while not running.done():
        strategy = STRATEGIES[rotations >= SECONDS / EVERY / 2]  # the first half, then the second: no secret mixes them
        rotating = asyncio.to_thread(site.app.rotator(strategy, pause=PAUSE).rotate)
        await asyncio.gather(rotating, asyncio.wait([running], timeout=EVERY))
        rotations += 1
    told = _all_workers(site.url)
    report = await running
    print(f"\n{report.sentence(rotations, told['rejected'], told['recovered'])}")

    assert report.failures == []
    assert set(report.statuses) == {200, 302}
    assert sum(report.statuses.values()) == SECONDS * RATE
    assert rotations >= SECONDS / EVERY / 2, "a machine so busy shows nothing"
    assert told["failures"] == 0
    assert told["recovered"] > 0, "the load never met a window"
    assert _customers(site) == report.posts == SECONDS * RATE / 2


def test_the_same_on_mariadb(make_site: Callable[..., Any]) -> None:
    """No browser, no crowd: WEBAPP_ENGINE=mysql with PyMySQL, a form and the status in every window."""
    site = make_site("mariadb", workers=2)
    report = Report()
    with httpx.Client(base_url=site.url, timeout=30.0) as client:
        for strategy in STRATEGIES:
            for step in site.app.rotator(strategy).steps():
                page = client.get("/")
                token = page.text.partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
                form = {"csrfmiddlewaretoken": token, "name": "Ada", "email": "ada@example.com", "city": step.step}
                answers = [page, client.post("/", data=form), client.get("/status/data.json"), client.get("/readyz")]
                report.statuses.update(answer.status_code for answer in answers)
        told = answers[2].json()
    assert report.statuses == {200: 24, 302: 8}
    assert told["me"]["user"] in {site.app.username, f"{site.app.username}_clone"}
    assert site.app.server.sql("SELECT count(*) FROM customers_customer", database=site.app.database) == [["8"]]
    assert _all_workers(site.url)["rejected"] > 0


def _all_workers(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/status/data.json", timeout=30.0).json()["all"]
    return found


def _customers(site: Any) -> int:
    rows = site.app.server.sql("SELECT count(*) FROM customers_customer", database=site.app.database)
    return int(rows[0][0])
