"""What the scripts do before there is an environment: which of pip's wheels they take, and what they say it costs."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pip() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_pip", ROOT / "scripts" / "_pip.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(folder: Path, *files: tuple[str, bytes, str]) -> str:
    """The address of an index's page, with the files beside it."""
    links = []
    for name, content, attributes in files:
        (folder / name).write_bytes(content)
        links.append(f'<a href="{name}#sha256={hashlib.sha256(content).hexdigest()}" {attributes}>{name}</a>')
    (folder / "index.html").write_text("<html><body>\n" + "\n".join(links))
    return (folder / "index.html").as_uri()


def test_the_newest_wheel_for_this_python(pip: ModuleType, tmp_path: Path) -> None:
    address = page(
        tmp_path,
        ("pip-9.0.1-py3-none-any.whl", b"old", ""),
        ("pip-26.3-py3-none-any.whl", b"right", 'data-requires-python="&gt;=3.10"'),
        ("pip-99.0-py3-none-any.whl", b"for a later Python", 'data-requires-python="&gt;=3.99"'),
        ("pip-26.4b1-py3-none-any.whl", b"not released", ""),
        ("pip-26.9.tar.gz", b"source", ""),
    )
    assert pip.newest(address) == ("pip-26.3-py3-none-any.whl", b"right")


def test_a_file_that_is_not_the_listed_one(pip: ModuleType, tmp_path: Path) -> None:
    address = page(tmp_path, ("pip-26.3-py3-none-any.whl", b"listed", ""))
    (tmp_path / "pip-26.3-py3-none-any.whl").write_bytes(b"another")
    with pytest.raises(ValueError, match="is not the file that the index lists"):
        pip.newest(address)


def test_an_index_without_a_wheel(pip: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no wheel for Python 3"):
        pip.newest(page(tmp_path))


def test_absolute_links_are_understood(pip: ModuleType) -> None:
    address = "https://files.example/a/b/pip-26.3-py3-none-any.whl"
    found = pip.LINK.search(f'<a href="{address}#sha256={"0" * 64}" data-x="y">')
    assert (found["link"], found["version"], found["rest"]) == (address, "26.3", ' data-x="y"')


def test_every_environment_says_what_it_costs() -> None:
    environments = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["secretconn"]["env"]
    for env in environments.values():
        assert 0 < env["fetches"]["packages"] < env["fills"]["packages"]
        assert env["takes"].startswith("takes ")


def test_clean_removes_what_the_scripts_made_and_nothing_else(tmp_path: Path) -> None:
    for name in ("scripts", ".venv/lib", ".cache/debian", "secretconn/__pycache__", "mine"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "scripts" / "clean").write_text((ROOT / "scripts" / "clean").read_text())
    told = subprocess.run(["bash", tmp_path / "scripts/clean"], capture_output=True, text=True, check=True).stdout
    assert told.startswith("clean: removed ")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["clean", "mine", "scripts", "secretconn"]
    told = subprocess.run(["bash", tmp_path / "scripts/clean"], capture_output=True, text=True, check=True).stdout
    assert told == "clean: nothing to remove\n"
