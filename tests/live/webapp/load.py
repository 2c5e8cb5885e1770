"""A load of so many requests a second: each has its time, from which it is measured, and waits for a free visitor."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

import httpx

__all__ = ["Load", "Report"]

VISITORS = 14
"""Requests under way at once: as many as one worker takes, so that on a slow machine they wait and none is refused."""

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
ANSWER_SECONDS = 30.0
REFUSED = 599


@dataclass
class Report:
    """What came of it.

    Attributes:
        statuses: Responses by status; 0 is a request that got none, REFUSED one that nobody took.
        latencies: Seconds from when a request was due to its whole answer.
        posts: Forms that were taken: answered by a redirect.
        failures: What went wrong, the first few.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    posts: int = 0
    failures: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Seconds."""
        return sorted(self.latencies)[min(int(share * len(self.latencies)), len(self.latencies) - 1)]

    def sentence(self, rotations: int, rejected: int, recovered: int) -> str:
        """For a log. Failed: a 5xx, or no answer."""
        bad = sum(count for status, count in self.statuses.items() if status >= 500 or not status)
        return (
            f"{sum(self.statuses.values())} requests ({self.posts} forms), {bad} of them failed; "
            f"p50 {1000 * self.quantile(0.5):.0f} ms, p99 {1000 * self.quantile(0.99):.0f} ms, "
            f"max {1000 * max(self.latencies):.0f} ms; "
            f"{rotations} rotations, {rejected} logins rejected, {recovered} recovered"
        )


class Load:
    """Visitors who send forms and read the pages, so many requests a second in all.

    Args:
        url: The web application.
        rate: Requests a second.
    """

    def __init__(self, url: str, rate: float) -> None:
        self._url, self._rate = url, rate
        self._free = asyncio.Semaphore(VISITORS)
        self.report = Report()

    async def run(self, seconds: float) -> Report:
        """Two forms to one form page to one status page, for this long, and until the last answer is there."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=VISITORS)
        transport = httpx.AsyncHTTPTransport(limits=limits)
        async with httpx.AsyncClient(transport=transport, base_url=self._url, timeout=ANSWER_SECONDS) as client:
            tokens = cycle([await self._token(client) for _ in range(VISITORS)])
            client.cookies.clear()
            kinds, begun, running = self._kinds(), time.monotonic(), set()
            for number in range(int(seconds * self._rate)):
                due = begun + number / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                task = asyncio.create_task(self._request(client, next(kinds), next(tokens), number, due))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)
        return self.report

    def _kinds(self) -> Iterator[str]:
        return cycle(("form", "page", "form", "status"))

    async def _token(self, client: httpx.AsyncClient) -> tuple[str, str]:
        """A visitor's cookie and the token of the form that was sent with it."""
        client.cookies.clear()
        answer = await client.get("/")
        found = TOKEN.search(answer.text)
        assert found is not None, answer.text
        return answer.cookies["csrftoken"], found[1]

    async def _request(
        self, client: httpx.AsyncClient, kind: str, visitor: tuple[str, str], number: int, due: float
    ) -> None:
        async with self._free:
            status = await self._status(client, kind, visitor, number)
        if status >= 400:
            self._note(f"request {number}, {kind}: {status}")
        self.report.statuses[status] += 1
        self.report.latencies.append(time.monotonic() - due)

    async def _status(self, client: httpx.AsyncClient, kind: str, visitor: tuple[str, str], number: int) -> int:
        cookie, token = visitor
        try:
            if kind == "form":
                data = {"csrfmiddlewaretoken": token, "name": f"Visitor {number}", "email": "a@example.com", "city": ""}
                answer = await client.post("/", data=data, headers={"Cookie": f"csrftoken={cookie}"})
                self.report.posts += answer.status_code == 302
            else:
                answer = await client.get("/" if kind == "page" else "/status/data.json")
        except httpx.ConnectError:
            return REFUSED
        except httpx.HTTPError as error:
            self._note(f"request {number}, {kind}: {type(error).__name__} {error}")
            return 0
        return answer.status_code

    def _note(self, failure: str) -> None:
        if len(self.report.failures) < 20:
            self.report.failures.append(failure)


def main() -> int:
    """For scripts/test-containers: 0 where no request failed but those that may."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--may-fail", action="store_true", help="any request may: the database is away")
    parser.add_argument("--refused-is-fine", action="store_true", help="the application ends, and takes no more")
    arguments = parser.parse_args()
    report = asyncio.run(Load(arguments.url, arguments.rate).run(arguments.seconds))
    told = dict(sorted(report.statuses.items()))
    print(
        f"{sum(told.values())} requests: {told}; p99 {1000 * report.quantile(0.99):.0f} ms",
        *report.failures,
        sep="\n  ",
    )
    fine = {200, 302} | ({REFUSED} if arguments.refused_is_fine else set())
    return int(not arguments.may_fail and not told.keys() <= fine)


if __name__ == "__main__":
    sys.exit(main())
