"""The benchmarks' counts, in a quick run: API calls in a stampede and failures in the rotation window."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).parents[3] / "benchmarks" / "run.py"
SECRETCONN = {"secretconn", "secretconn, cold", "secretconn, tasks"}


@pytest.mark.slow
def test_the_quick_run_meets_what_it_counts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, RUN, "--quick", "--only", "stampede", "--only", "window", "--out", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert {one["name"] for one in result["criteria"] if one["kind"] == "count" and one["met"]} >= {
        f"{name}.{engine}.{what}"
        for engine in ("postgres", "mariadb", "mysql")
        for name, what in [("stampede", "threads.calls"), ("stampede", "tasks.calls"), ("window", "failed")]
    }
    for engine in ("postgres", "mariadb", "mysql"):
        assert {row["client"] for row in result["data"]["stampede"][engine]} >= SECRETCONN
        assert result["data"]["window"][engine]["clients"]["plain driver"]["failed"] > 0  # the window was open
    told = (tmp_path / "results.md").read_text()
    for why in result["left_out"]:  # a peer that is not installed is not passed over in silence
        assert why in told
