"""The soak itself, shortly: it finds nothing with the library's rules, and it does find failures without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SOAK = Path(__file__).parents[3] / "benchmarks" / "soak.py"
ROTATIONS = 3


def soak(out: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, SOAK, "--rotations", str(ROTATIONS), "--threads", "8", "--tasks", "8", "--out", out, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert out.with_suffix(".json").exists(), done.stdout + done.stderr
    return done.returncode, done.stdout, json.loads(out.with_suffix(".json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["postgres", "mariadb", "mysql"])
def test_no_connect_fails(engine: str, tmp_path: Path) -> None:
    status, told, result = soak(tmp_path / "soak", "--engine", engine)
    assert status == 0, told
    assert [run["strategy"] for run in result["runs"]] == ["single-user", "alternating-users"]
    for run in result["runs"]:
        assert run["failed"] == 0
        assert run["most_logins"] <= 2
        assert run["stats"]["rejected"] > 0  # they did meet the windows
        assert run["connects"] > 16 * ROTATIONS
        assert run["api_calls_per_rotation"] <= 5
    assert "| 0 |" in (tmp_path / "soak.md").read_text()


@pytest.mark.slow
def test_awscurrent_alone_fails(tmp_path: Path) -> None:
    status, told, result = soak(
        tmp_path / "none", "--engine", "mariadb", "--strategy", "single-user", "--fallback-stages", "none"
    )
    assert status == 1
    assert result["runs"][0]["failed"] > 0
    assert "FAILED" in told
