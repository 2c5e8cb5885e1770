"""examples/django_app.py serves while its secret rotates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from secretconn.testing import LocalSecretsManager

from .conftest import ENGINES, MakeApplication

EXAMPLE = Path(__file__).parents[3] / "examples" / "django_app.py"


@pytest.mark.parametrize("kind", [pytest.param("postgres", id="psycopg"), pytest.param("mariadb", id="mysqlclient")])
def test_the_example_serves_through_rotations(
    kind: str, make_application: MakeApplication, secrets_manager: LocalSecretsManager
) -> None:
    app = make_application(kind)
    environment = {**os.environ, **secrets_manager.environment, "ENGINE": ENGINES[kind], "PORT": "0"}
    command = [sys.executable, str(EXAMPLE), app.secret_id]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        try:
            assert run.stdout is not None
            address = run.stdout.readline().strip()
            visits = 0
            for strategy in ("single-user", "alternating-users"):
                for _step in app.rotator(strategy).steps():
                    with urllib.request.urlopen(address, timeout=30) as answer:
                        visits += 1
                        assert json.load(answer) == {"visits": visits}
        finally:
            run.kill()
