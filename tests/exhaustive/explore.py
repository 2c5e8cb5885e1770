"""Explore: every order of events, breadth first, so that a broken rule is told by one of its shortest stories."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.exhaustive.process import Event, Process
from tests.exhaustive.promise import Violation
from tests.exhaustive.states import key, restore, snapshot
from tests.exhaustive.world import Setup

__all__ = ["Broken", "Result", "explore"]


class Broken(AssertionError):
    """A rule is broken; the text is the story."""


@dataclass
class Result:
    """What was seen.

    Attributes:
        states: Different states of the world.
        paths: Ways that led to them: each event tried in each state.
        seconds: Processor time.
        ends: How connects ended, and how many of those paths.
    """

    setup: Setup
    states: int = 0
    paths: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    calls: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        ends = ", ".join(f"{end} {count:,}" for end, count in self.ends.most_common())
        return (
            f"{self.setup}: {self.states:,} states, {self.paths:,} paths in {self.seconds:.0f} s ({ends}; {self.calls})"
        )


@dataclass(slots=True)
class _Node:
    parent: _Node | None
    event: Event | None
    base: tuple[Any, ...]
    since: tuple[Event, ...]


def explore(setup: Setup, most: int | None = None, until: str | None = None) -> Result:
    """Try every order of events.

    Args:
        setup: The world.
        most: Stop after so many states.
        until: Stop once a connect has ended so.

    Raises:
        Broken: the library broke a rule.
    """
    begun = time.process_time()
    process, result = Process(setup), Result(setup)
    start = _Node(None, None, snapshot(process), ())
    known, ahead = {key(process)}, deque([start])
    with _silence():
        while ahead and (most is None or len(known) < most) and until not in result.examples:
            node = ahead.popleft()
            try:
                _go_to(process, node)
                events = process.events()
            except Violation as violation:
                raise Broken(_story(setup, node, None, violation)) from None
            for number, event in enumerate(events):
                if number:
                    _go_to(process, node)
                process.results.clear()
                try:
                    process.apply(event)
                except Violation as violation:
                    raise Broken(_story(setup, node, event, violation)) from None
                result.paths += 1
                for end in process.results:
                    result.ends[end] += 1
                    if end != "succeeds" and end not in result.examples:
                        result.examples[end] = _story(setup, node, event, None)
                state = key(process)
                if state not in known:
                    known.add(state)
                    idle = process.idle
                    base, since = (snapshot(process), ()) if idle else (node.base, (*node.since, event))
                    ahead.append(_Node(node, event, base, since))
    result.calls = process.most_calls
    result.states, result.seconds = len(known), time.process_time() - begun
    return result


def _go_to(process: Process, node: _Node) -> None:
    restore(process, node.base)
    for event in node.since:
        process.apply(event)


def _story(setup: Setup, node: _Node, event: Event | None, violation: Violation | None) -> str:
    """Play it once more from the beginning, in plain words."""
    events = [event] if event is not None else []
    at: _Node | None = node
    while at is not None and at.event is not None:
        events.append(at.event)
        at = at.parent
    lines: list[str] = []
    process = Process(setup, lines.append)
    try:
        for one in reversed(events):
            process.apply(one)
        process.events()
    except Violation:
        pass
    told = [f"{number:3}. {line}" for number, line in enumerate(lines, 1)]
    return "\n".join([f"In the world: {setup}", *told, *([str(violation)] if violation is not None else [])])


@contextmanager
def _silence() -> Iterator[None]:
    """Reads that fail are logged; here they fail by the thousand."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
