"""A crowd that uses a pool without a pause while the secret rotates under it, in threads or in tasks.

After each step of a rotation the next one waits until everybody has been served again, so every window is passed
through by every worker, and nothing is timed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

from secretconn.testing import Application, RotationStep, Strategy

STRATEGIES: tuple[Strategy, ...] = ("single-user", "alternating-users")
ROTATIONS = 4
WORKERS = 2
PATIENCE = 60.0
LEAST = len(STRATEGIES) * ROTATIONS * 4 * WORKERS * 2
"""How often everybody together is served at least: twice a step by each worker."""


def rotations(app: Application, count: int = ROTATIONS) -> Iterator[RotationStep]:
    """The steps of this many rotations of the first strategy, then of the second."""
    for strategy in STRATEGIES:
        for _ in range(count):
            yield from app.rotator(strategy).steps()


class Served:
    """How often each worker was served, and what went wrong."""

    def __init__(self, workers: int) -> None:
        self.counts = [0] * workers
        self.errors: list[BaseException] = []

    def all_again(self, before: list[int]) -> bool:
        """Whether everybody was served twice since: the first of the two may have begun before the step."""
        return bool(self.errors) or all(now >= then + 2 for now, then in zip(self.counts, before, strict=True))

    def verdict(self) -> int:
        if self.errors:
            raise self.errors[0]
        return sum(self.counts)


def use_in_threads(
    app: Application, request: Callable[[], object], workers: int = WORKERS, count: int = ROTATIONS
) -> int:
    """Rotate under threads that call ``request`` all the time.

    Returns how often they were served: at least twice a step each. Raises the first failure.
    """
    served, done, progress = Served(workers), threading.Event(), threading.Condition()

    def work(number: int) -> None:
        while not done.is_set():
            try:
                request()
            except BaseException as error:  # noqa: BLE001
                served.errors.append(error)
                done.set()
            with progress:
                served.counts[number] += 1
                progress.notify()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for _step in rotations(app, count):
            before = list(served.counts)
            with progress:
                assert progress.wait_for(lambda before=before: served.all_again(before), PATIENCE)  # type: ignore[misc]
            if served.errors:
                break
    finally:
        done.set()
        for thread in threads:
            thread.join()
    return served.verdict()


async def use_in_tasks(
    app: Application, request: Callable[[], Awaitable[object]], workers: int = WORKERS, count: int = ROTATIONS
) -> int:
    """The same with tasks. They are asked to end, not cancelled: closing a connection may swallow a cancellation."""
    served, done, progress = Served(workers), asyncio.Event(), asyncio.Condition()

    async def work(number: int) -> None:
        while not done.is_set():
            try:
                await request()
            except Exception as error:  # noqa: BLE001
                served.errors.append(error)
                done.set()
            async with progress:
                served.counts[number] += 1
                progress.notify()

    steps = rotations(app, count)
    tasks = [asyncio.create_task(work(number)) for number in range(workers)]
    try:
        while await asyncio.to_thread(next, steps, None) is not None and not served.errors:
            before = list(served.counts)
            async with asyncio.timeout(PATIENCE), progress:
                await progress.wait_for(lambda before=before: served.all_again(before))  # type: ignore[misc]
    finally:
        done.set()
        await asyncio.gather(*tasks)
    return served.verdict()
