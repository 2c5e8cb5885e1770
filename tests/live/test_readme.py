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
README = FENCED.findall((ROOT / "README.md").read_text())
ABOUT_TESTS = FENCED.findall((ROOT / "docs" / "testing.md").read_text())
NAMED = re.compile(r"# (\w+\.py)\n")
BLOCKS = [code for code in README if not NAMED.match(code)]
FILES = {named[1]: code for code in ABOUT_TESTS if (named := NAMED.match(code))}
SCRIPTS = [code for code in ABOUT_TESTS if not NAMED.match(code)]


def test_there_are_snippets() -> None:
    assert len(BLOCKS) >= 5


def test_the_test_in_the_readme_is_one_of_those_on_the_page_about_tests() -> None:
    named = [code for code in README if NAMED.match(code)]
    assert named
    assert set(named) <= set(FILES.values())


def test_the_check_in_the_readme_is_the_one_on_its_page() -> None:
    shown = re.findall(r"^source +ok.*?^READY\n", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert all(text in (ROOT / "docs" / "check.md").read_text() for text in shown)


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


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_the_page_about_tests_runs(number: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPTS[number]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_tests_on_the_page_about_tests_pass(tmp_path: Path) -> None:
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    others = [f"-pno:{name}" for name in ("asyncio", "anyio", "xdist", "hypothesispytest", "cacheprovider")]
    command = [sys.executable, "-m", "pytest", "-p", "secretconn.testing.plugin", *others]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout
    tests = sum(len(re.findall(r"^def test_", code, re.MULTILINE)) for code in FILES.values())
    assert tests >= 6
    assert f"{tests + 1} passed" in done.stdout  # one of them is parametrized
