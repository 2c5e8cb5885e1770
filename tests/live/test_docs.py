"""Every Python block of docs/ runs on a real PostgreSQL, but for those marked with what they would need.

Comments in the pages, just above a block: ``<!-- not run: REASON -->``, ``<!-- before: CODE -->`` (what the reader has
already), ``<!-- example: FILE, run by TEST -->``. A block that shows a file of examples/ is run by tests/live/examples.
README.md and docs/testing.md have their own tests, in test_readme.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from secretconn.testing import Application, LocalSecretsManager, PostgresServer

ROOT = Path(__file__).parents[2]
OWN_TESTS = {"testing.md"}
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in OWN_TESTS]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z ]+): (?P<said>[^>]*?) -->\n)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
RUN_ALL = """
import ast, asyncio, inspect, json, sys
for number, code in enumerate(json.load(sys.stdin), 1):
    print(f"block {number}", file=sys.stderr)
    compiled = compile(code, f"block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": f"block_{number}"}
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)
"""


class Block(NamedTuple):
    """A block, and what the comment above it says."""

    mark: str | None
    said: str
    code: str


def blocks(page: Path) -> list[Block]:
    return [Block(found["mark"], found["said"] or "", found["code"]) for found in BLOCK.finditer(page.read_text())]


def runnable(page: Path) -> list[str]:
    codes = []
    for block in blocks(page):
        if block.mark in ("not run", "example") or block.code.startswith("--8<--"):
            continue
        codes.append(f"{block.said}\n{block.code}" if block.mark == "before" else block.code)
    return codes


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=lambda page: page.name)
def test_its_blocks_run(page: Path, postgres: PostgresServer, secrets_manager: LocalSecretsManager) -> None:
    import json

    app = Application(postgres, secrets_manager)
    codes = [code.replace("prod/orders", app.secret_id) for code in runnable(page)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN_ALL],
        input=json.dumps(codes),
        env=os.environ | secrets_manager.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_marks_are_known_and_give_a_reason(page: Path) -> None:
    for block in blocks(page):
        assert block.mark in (None, "not run", "before", "example")
        assert block.mark is None or block.said
        if block.code.startswith("--8<--"):
            assert (ROOT / block.code.split('"')[1]).exists()
