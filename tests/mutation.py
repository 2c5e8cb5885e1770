"""A pytest plugin for scripts/mutate, and `python -m tests.mutation`, which counts what it found.

mutmut notes which functions a test calls, tries only those tests on their mutants, and forks a process for each mutant
after everything is imported. But the readers of a driver's arguments are built at import, by functions that no test
calls itself. So those count as called by every test, and their mutants are tried on a fresh import.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

AT_IMPORT = Path("called-at-import.json").resolve()  # in mutmut's own folder
STATS = Path("mutmut-stats.json").resolve()

HELD_TO_5_PERCENT = ("connect.py", "rotating.py", "engines/")


def pytest_configure() -> None:
    from hypothesis import settings

    settings.register_profile("mutation", derandomize=True, database=None, deadline=None, max_examples=25)
    settings.load_profile("mutation")


def pytest_load_initial_conftests() -> None:
    """Forget what is imported, for a mutant of what runs at import; and before the run that shows all tests pass."""
    function = os.environ.get("MUTANT_UNDER_TEST", "").partition("__mutmut_")[0]
    if AT_IMPORT.exists() and function in ("", *json.loads(AT_IMPORT.read_text())):
        for name in [name for name in sys.modules if name.partition(".")[0] in ("secretconn", "tests")]:
            del sys.modules[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fastest first: most mutants are dead before the slow ones."""
    if unnamed := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give this test an id without an address, it is not found again: {unnamed[0]}")
    if STATS.exists():
        seconds = json.loads(STATS.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))


def pytest_collection_finish() -> None:
    called = _calls()
    if called:
        AT_IMPORT.write_text(json.dumps(sorted(called)))
        called.clear()


def pytest_runtest_setup() -> None:
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        _calls().update(json.loads(AT_IMPORT.read_text()))


def _calls() -> set[str]:
    """The functions called since the last test, as mutmut keeps them while it gathers them; empty at other times."""
    from mutmut.state import state

    return state()._stats


# -- the report --------------------------------------------------------------------------------------------------------


def main() -> int:
    """Print the counts of each module and the change that each survivor makes; 1 if too many survived."""
    root = Path("mutants/secretconn")
    found = {path: json.loads(path.read_text())["exit_code_by_key"] for path in sorted(root.rglob("*.py.meta"))}
    print("| module | mutants | killed | by a timeout | survived |\n|---|---:|---:|---:|---:|")
    all_counts: Counter[str] = Counter()
    for path, codes in found.items():
        name = str(path.relative_to(root)).removesuffix(".meta")
        counts = Counter(_outcome(code) for code in codes.values())
        if counts.total():
            print(_row(f"`{name}`", counts))
        if name.startswith(HELD_TO_5_PERCENT):
            all_counts += counts
    print(_row("`connect.py`, `rotating.py`, `engines/`", all_counts))
    for codes in found.values():
        for mutant, code in codes.items():
            if _outcome(code) == "survived":
                print(f"\n{mutant}\n{_change(mutant)}")
    return int(all_counts["survived"] >= 0.05 * all_counts.total() or all_counts["not tried"] > 0)


def _outcome(code: int | None) -> str:
    from mutmut.stats import status_by_exit_code

    status = "not tried" if code is None else status_by_exit_code[code]
    return {"no tests": "survived", "suspicious": "survived", "segfault": "killed"}.get(status, status)


def _row(name: str, counts: Counter[str]) -> str:
    return f"| {name} | {counts.total()} | {counts['killed']} | {counts['timeout']} | {counts['survived']} |" + (
        f" {counts['not tried']} not tried" if counts["not tried"] else ""
    )


def _change(mutant: str) -> str:
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(mutant).splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


if __name__ == "__main__":
    sys.exit(main())
