"""The README and docs say what is there: snippets compile, names exist, links lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import secretconn

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def attributes_of_secretconn(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "secretconn":
            yield node.attr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_compile_and_use_names_that_exist(page: Path) -> None:
    for code in blocks(page, "python"):
        compile(code, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for name in attributes_of_secretconn(code):
            assert (
                hasattr(secretconn, name)
                or (ROOT / "secretconn" / name).with_suffix(".py").exists()
                or (ROOT / "secretconn" / name).is_dir()
            ), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_first_screen_has_the_commands_and_they_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in ("scripts/demo", "scripts/test", "scripts/check"):
        assert command in readme
        assert (ROOT / command).stat().st_mode & 0o111


def test_the_extras_named_exist() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in PAGES:
        for named in re.findall(r"secretconn\[([a-z0-9,-]+)\]", page.read_text()):
            assert set(named.split(",")) <= set(extras), named
