"""Every Python block of the README runs, on a real PostgreSQL, and once more after a rotation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from secretconn.testing import Application, LocalSecretsManager, PostgresServer

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


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
