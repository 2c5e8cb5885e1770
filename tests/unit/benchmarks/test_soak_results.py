"""The README's table of the soak is that of benchmarks/results/, and that one was passed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import soak

ROOT = Path(__file__).parents[3]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("soak-full-*.json"))


def test_there_is_one_for_each_engine_and_strategy() -> None:
    assert len(RESULTS) == len(soak.CHOSEN["both"]) * len(soak.STRATEGIES)


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_each_was_whole_and_passed_and_is_in_the_readme(path: Path) -> None:
    result: dict[str, Any] = json.loads(path.read_text())
    assert result["options"]["full"]
    assert path.with_suffix(".md").read_text() == soak.report(result)
    for run in result["runs"]:
        assert run["rotations"] == 1000
        assert soak.passed(run)
        assert soak.line(run) in (ROOT / "README.md").read_text().splitlines()


def test_the_readme_has_no_other_rows() -> None:
    rows = re.findall(r"^\| (?:postgres|mariadb) \| .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == len(RESULTS)
