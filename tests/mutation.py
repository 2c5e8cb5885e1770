"""A pytest plugin for scripts/mutate: what runs while the code is imported belongs to every engine's test.

mutmut notes which functions a test calls, tries only those tests on their mutants, and forks a process for each mutant
after everything is imported. But the readers of a driver's arguments are built at import, by functions that no test
calls itself. So those count as called by all tests of the engines, and their mutants are tried on a fresh import.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

ENGINES = Path("tests/unit/engines").resolve()
AT_IMPORT = Path("called-at-import.json").resolve()  # in mutmut's own folder


def pytest_load_initial_conftests() -> None:
    function = os.environ.get("MUTANT_UNDER_TEST", "").partition("__mutmut_")[0]
    if AT_IMPORT.exists() and function in json.loads(AT_IMPORT.read_text()):
        for name in [name for name in sys.modules if name.partition(".")[0] in ("secretconn", "tests")]:
            del sys.modules[name]


def pytest_collection_finish() -> None:
    called = _calls()
    if called:
        AT_IMPORT.write_text(json.dumps(sorted(called)))
        called.clear()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if os.environ.get("MUTANT_UNDER_TEST") == "stats" and item.path.is_relative_to(ENGINES):
        _calls().update(json.loads(AT_IMPORT.read_text()))


def _calls() -> set[str]:
    """The functions called since the last test, as mutmut keeps them while it gathers them; empty at other times."""
    from mutmut.state import state

    return state()._stats
