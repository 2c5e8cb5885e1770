"""Mutation testing: `python -m tests.mutation [PATTERN ...]`, and the pytest plugin it runs. See docs/mutation.md.

mutmut makes the mutants. The plugin tries them within one pytest session: the tests are collected once; each is run
once to see which functions it calls; then each mutant gets a fork of this process and in it the tests of its function,
first those that have killed its neighbours, then those that call the fewest functions. Mutants of what runs while the
code is imported are tried in a new interpreter.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.mutation_report import FOLDER, OUTCOMES, group_of, mutants, read, report

WATCHED = Path("watched.json")
FIRST, SECOND = 4.0, 15.0
"""Seconds of tests that are tried on a mutant: of quick ones at first, of all on survivors at the end."""
ROUND = (1.0, 8.0)
"""Seconds of a processor that a test may take, and as many times what it takes on the unchanged code: a mutant may go
round without end."""
QUICK = 0.3
"""Seconds: tests that take longer come last."""
SAVED = 50
"""How many tests or mutants are lost at most where a run is ended half-way."""
SILENT = 4.0
"""Seconds asleep after which a test that does not come back is given up; waiting for a processor is not asleep."""
PROGRAM = """
import atexit, os, pathlib, sys

def write():
    state = sys.modules.get("mutmut.state")
    if state and os.environ.get("MUTANT_UNDER_TEST") == "stats":
        pathlib.Path(__file__).with_name(f"calls-{os.getpid()}.txt").write_text("\\n".join(state.state()._stats))

atexit.register(write)
"""
"""sitecustomize of the programs that tests start: each tells which functions it has called."""

Tell = Callable[[bytes], object]


class Trials:
    """Tries the mutants whose names match one of the patterns; without any, those that have no outcome yet."""

    def __init__(self, patterns: list[str]) -> None:
        self._outcomes: dict[str, list[str]] = read(OUTCOMES)
        self._watched: dict[str, list[Any]] = read(WATCHED)
        names = sorted(
            (name for names in mutants().values() for name in names),
            key=lambda name: (group_of(name), crc32(name.encode())),
        )  # in no order within a group: a run that is ended half-way has drawn a sample of it
        wanted = [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
        self._names = wanted if patterns else [name for name in names if name not in self._outcomes]
        self._calls: defaultdict[str, list[int]] = defaultdict(list)  # function: the tests that call it
        self._at_import: set[str] = set()
        self._items: list[pytest.Item] = []
        self._seconds: list[float] = []
        self._reach: list[int] = []  # how many functions a test calls
        self._kills: defaultdict[str, Counter[int]] = defaultdict(Counter)  # of a function or module, by each test

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items, self._at_import = session.items, set(_called())
        for index, item in enumerate(self._items):
            self._watch(index, [item.nodeid, item.path.stat().st_mtime_ns])
        WATCHED.write_text(json.dumps(self._watched))
        indices = {item.nodeid: index for index, item in enumerate(self._items)}
        for name, (_, by) in self._outcomes.items():
            if by in indices:
                self._has_killed(indices[by], name)
        gc.collect()
        gc.freeze()  # else each fork copies what it only looks at
        print(f"{len(self._items)} tests take {sum(self._seconds):.0f} s", flush=True)
        self._try_all(self._names, FIRST)
        self._try_all([name for name in self._names if self._outcomes[name][0] == "survived"], SECOND)
        return True

    def _watch(self, index: int, version: list[Any]) -> None:
        """Run one test, in a fork, to see which functions it calls and how long it takes."""

        def run(tell: Tell) -> int:
            _activate("stats")
            _called().clear()
            before, failed = {*sys.modules}, self._fails(index)
            seconds = sum(os.times()[:4])  # of a processor, also in programs
            called = _called().union(*(path.read_text().split() for path in _calls_of_programs()))
            tell(json.dumps([seconds, sorted(called), sorted({*sys.modules} - before)]).encode())
            return failed

        key = str(version)
        if key not in self._watched:
            for path in _calls_of_programs():
                path.unlink()
            code, told = _in_fork(run, 120.0)
            if code != 0:
                print(f"left out, fails where nothing is changed: {self._items[index].nodeid}", flush=True)
            self._watched[key] = json.loads(told) if code == 0 else [0.0, [], []]
            if index % SAVED == 0:
                WATCHED.write_text(json.dumps(self._watched))
        seconds, functions, modules = self._watched[key]
        _import(modules)
        self._seconds.append(seconds)
        self._reach.append(len(functions))
        for function in functions:
            self._calls[function].append(index)

    def _try_all(self, names: list[str], budget: float) -> None:
        for number, name in enumerate(names, 1):
            begun = time.monotonic()
            function = name.partition("__mutmut_")[0]
            quick = any(self._seconds[index] <= QUICK for index in self._calls[function])
            anew = function in self._at_import and (budget > FIRST or not quick)
            outcome, by = self._try_anew(name, budget) if anew else self._try(name, function, budget)
            self._outcomes[name] = [outcome, by]
            seconds = time.monotonic() - begun
            print(f"{number}/{len(names)} {name}: {outcome} by {by} in {seconds:.1f} s", flush=True)
            if number % SAVED == 0 or number == len(names):
                OUTCOMES.write_text(json.dumps(self._outcomes))

    def _try(self, name: str, function: str, budget: float) -> tuple[str, str]:
        kills, near = self._kills[function], self._kills[function.rpartition(".")[0]]

        def order(index: int) -> tuple[float, ...]:
            return -kills[index], self._seconds[index] > QUICK, -near[index], self._reach[index], self._seconds[index]

        tests = self._within(budget, sorted(self._calls[function], key=order))

        def run(tell: Tell) -> int:
            _activate(name)
            for index in tests:
                signal.setitimer(signal.ITIMER_PROF, ROUND[0] + ROUND[1] * self._seconds[index])
                tell(b"%d " % index)
                if self._fails(index):
                    return 1
            return 0

        code, told = _in_fork(run, SILENT)
        if code == 0:
            return "survived", f"{len(tests)} tests"
        last = int(told.split()[-1])
        self._has_killed(last, name)
        return "killed" if code == 1 else "timeout", self._items[last].nodeid

    def _has_killed(self, index: int, name: str) -> None:
        function = name.partition("__mutmut_")[0]
        self._kills[function][index] += 1
        self._kills[function.rpartition(".")[0]][index] += 1

    def _try_anew(self, name: str, budget: float) -> tuple[str, str]:
        room = "/engines/" if ".engines." in name else "/unit/"
        tests = {index for tests in self._calls.values() for index in tests if room in self._items[index].nodeid}
        fastest = self._within(budget, sorted(tests, key=self._seconds.__getitem__))
        Path("tests.txt").write_text("\n".join(self._items[index].nodeid for index in fastest))
        options = [*_settings()["pytest_add_cli_args"], "-o", "timeout=30", "-o", "timeout_func_only=false"]
        environment = {**os.environ, "MUTANT_UNDER_TEST": name}
        del environment["MUTANT_PATTERNS"]
        command = [sys.executable, "-m", "pytest", "-x", "-q", *options, "@tests.txt"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return ("killed" if done.returncode else "survived"), (done.stdout.strip().splitlines() or [""])[-1]

    def _within(self, budget: float, tests: list[int]) -> list[int]:
        """The first ones, that take so many seconds together; at first none that takes long, if there are others."""
        if budget == FIRST:
            tests = [index for index in tests if self._seconds[index] <= QUICK] or tests
        spent = accumulate(self._seconds[index] for index in tests)
        return [index for index, seconds in zip(tests, spent, strict=True) if seconds <= budget]

    def _fails(self, index: int) -> int:
        """Run one test in this process; 1 if it fails."""
        item, failed = self._items[index], []

        class Reports:
            def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
                failed.extend([report] * report.failed)

        item.config.pluginmanager.unregister(name="terminalreporter")
        item.config.pluginmanager.register(Reports())
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return int(bool(failed))


def _in_fork(work: Callable[[Tell], int], patience: float) -> tuple[int | None, bytes]:
    """Do some work in a fork.

    Returns:
        Its code, or None where it slept for so many seconds; and what it told.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            code = work(lambda told: os.write(writer, told))
        finally:
            os._exit(code)
    os.close(writer)
    told, more, asleep = b"", b".", 0.0
    while more and asleep < patience:
        if select.select([reader], [], [], 1.0)[0]:
            more, asleep = os.read(reader, 1 << 16), 0.0
            told += more
        else:
            asleep += 0.05 if _is_runnable(child) else 1.0
    os.close(reader)
    if more:
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with contextlib.suppress(ProcessLookupError):  # what it has started
        os.killpg(child, signal.SIGKILL)
    return None if more else os.waitstatus_to_exitcode(status), told


def _is_runnable(group: int) -> bool:
    """True if a thread of this process group runs, or would if it had a processor or its disk."""
    for status in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, process_group = status.read_text().rpartition(") ")[2].split()[:3]
            if state in "RD" and int(process_group) == group:
                return True
    return False


def _calls_of_programs() -> list[Path]:
    """What the programs that a test has started have written, by PROGRAM."""
    return list(Path().glob("calls-*.txt"))


def _import(modules: list[str]) -> None:
    """Import what a test did, so that no further fork has to. Not what is changed, nor the tests."""
    for module in modules:
        if module.partition(".")[0] not in ("secretconn", "tests") and module not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(module)


def _called() -> set[str]:
    """The functions called so far, as mutmut keeps them."""
    from mutmut.state import state

    return state()._stats


def _activate(name: str) -> None:
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test(name)


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["mutmut"]
    return settings


def pytest_configure(config: pytest.Config) -> None:
    from hypothesis import settings

    settings.register_profile("mutation", derandomize=True, database=None, deadline=None, max_examples=25)
    settings.load_profile("mutation")
    if (patterns := os.environ.get("MUTANT_PATTERNS")) is not None:
        from mutmut.mutation import trampoline

        _activate("stats")
        trampoline.get_mutant_under_test = lambda: trampoline._mutant_under_test  # the environment takes longer to ask
        config.pluginmanager.register(Trials(patterns.split()))


# -- the whole pass ----------------------------------------------------------------------------------------------------


def main() -> int:
    """Make the mutants, try them and print what came of it; 1 if too many survived."""
    _make()
    environment = {**os.environ, "MUTANT_UNDER_TEST": "stats", "PYTHONPATH": str(FOLDER.resolve())}
    environment["MUTANT_PATTERNS"] = " ".join(sys.argv[1:])
    settings = _settings()
    tests = [*settings["pytest_add_cli_args"], *settings["pytest_add_cli_args_test_selection"]]
    subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=FOLDER, env=environment, check=False)
    return report()


def _make() -> None:
    from mutmut.__main__ import create_mutants
    from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir

    FOLDER.mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    (FOLDER / "sitecustomize.py").write_text(PROGRAM)
    create_mutants(1)


if __name__ == "__main__":
    sys.exit(main())
