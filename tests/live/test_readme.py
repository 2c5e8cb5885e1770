"""Every Python block of README and docs/testing.md runs on a real PostgreSQL, the README's after rotations too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from secretconn.testing import Application, LocalSecretsManager, PostgresServer

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = FENCED.findall((ROOT / "README.md").read_text())
ABOUT_TESTS = FENCED.findall((ROOT / "docs" / "testing.md").read_text())


def test_there_are_snippets() -> None:
    assert len(BLOCKS) >= 5


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_it_runs(number: int, postgres: PostgresServer, secrets_manager: LocalSecretsManager) -> None:
    app = Application(postgres, secrets_manager)
    code = BLOCKS[number].replace("prod/orders", app.secret_id)
    code += f"\nimport secretconn\nsecretconn.connect({app.secret_id!r}, driver='psycopg').close()\n"
    for strategy in ("single-user", "alternating-users"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=os.environ | secrets_manager.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        app.rotator(strategy).rotate()


@pytest.mark.parametrize("number", range(len(ABOUT_TESTS)))
def test_the_page_about_tests_runs(number: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", ABOUT_TESTS[number]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
