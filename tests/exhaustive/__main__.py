"""Explore every order of events: `python -m tests.exhaustive [--deep]`. Print what was seen, or a failure's story."""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product

from tests.exhaustive.explore import Broken, Result, explore
from tests.exhaustive.world import Setup

SINGLE, ALTERNATING = ("app",), ("app", "app_clone")

BOUNDED = (
    Setup(SINGLE),
    Setup(SINGLE, label_stays=False),
    Setup(ALTERNATING, ttl=True),
    Setup(SINGLE, rotations=1, failures=1),
    Setup(ALTERNATING, failures=1),
    Setup(SINGLE, rotations=1, lagging=True),
    Setup(SINGLE, rotations=1, rejecter=True),
    Setup(SINGLE, rotations=1, connects=2),
    Setup(SINGLE, rotations=1, empty_first=True, describes=False),
)
"""A minute of a processor."""


def deep() -> list[Setup]:
    """Both strategies, two rotations, a lagging server, two connects at once, a failing read."""
    setups = [
        Setup(users, stays, empty, failures=1, describes=describes, ttl=True)
        for users, stays, empty, describes in product(
            (SINGLE, ALTERNATING), (True, False), (True, False), (True, False)
        )
    ]
    setups += [Setup(users, stays, lagging=True) for users, stays in product((SINGLE, ALTERNATING), (True, False))]
    setups += [Setup(users, stays, connects=2) for users, stays in product((SINGLE, ALTERNATING), (True, False))]
    return [*setups, Setup(SINGLE, rotations=1, lagging=True, connects=2), Setup(SINGLE, lagging=True, failures=1)]


def main(arguments: list[str] | None = None) -> int:
    """Run, and return 1 if a rule is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.exhaustive", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="all worlds; this takes hours of a processor")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side")
    parser.add_argument("--most", type=int, default=None, help="stop each world after so many states")
    parser.add_argument("--seeds", type=int, default=0, help="run tests/unit/test_state_machine.py with so many seeds")
    options = parser.parse_args(arguments)
    setups = deep() if options.deep else BOUNDED
    good = True
    with ProcessPoolExecutor(options.workers) as pool:
        for outcome in pool.map(_one, setups, [options.most] * len(setups)):
            print(outcome, flush=True)
            good &= isinstance(outcome, Result)
        red = [seed for seed, told in enumerate(pool.map(_seed, range(options.seeds))) if told]
    if options.seeds:
        print(f"the state machine with {options.seeds} seeds: {f'red with {red}' if red else 'all good'}")
    return 0 if good and not red else 1


def _one(setup: Setup, most: int | None) -> Result | str:
    try:
        return explore(setup, most)
    except Broken as broken:
        return str(broken)


def _seed(seed: int) -> int:
    command = ["-m", "pytest", "-q", f"--hypothesis-seed={seed}", "tests/unit/test_state_machine.py"]
    return subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
