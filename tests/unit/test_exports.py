"""The public surface, pinned; and what importing it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from importlib import import_module
from pathlib import Path

import pytest

import secretconn

PUBLIC = [
    "ConfigurationError",
    "Credentials",
    "DriverNotInstalled",
    "Event",
    "Fetched",
    "Recovered",
    "RefreshFailed",
    "Refreshed",
    "Rejected",
    "RotatingCredentials",
    "Rotated",
    "Runtime",
    "SecretConnError",
    "SecretError",
    "SecretFormatError",
    "SecretUnavailable",
    "StaleServed",
    "Stats",
    "Verdict",
    "aconnect",
    "connect",
    "shared",
    "wrap",
]
NEVER_LOADED = [
    "boto3",
    "botocore",
    "aws_secretsmanager_caching",
    "asyncio",
    "psycopg",
    "psycopg2",
    "asyncpg",
    "pg8000",
]
NEVER_LOADED += [
    "pymysql",
    "MySQLdb",
    "mysql",
    "mariadb",
    "aiomysql",
    "asyncmy",
    "django",
    "sqlalchemy",
    "opentelemetry",
    "rich",
    "moto",
]


def test_exactly_these_names_are_public() -> None:
    assert sorted(secretconn.__all__) == sorted(PUBLIC)
    assert all(hasattr(secretconn, name) for name in PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(secretconn, name))


@pytest.mark.parametrize("module", ["secretconn", "secretconn.engines", "secretconn.sources", "secretconn.testing"])
def test_importing_loads_neither_the_sdk_nor_a_driver(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(NEVER_LOADED) & set(loaded)


def test_every_module_is_documented_and_small() -> None:
    root = Path(secretconn.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text()
        assert text.startswith('"""'), path
        assert text.count("\n") < 360, path


def test_all_of_each_module_exists() -> None:
    root = Path(secretconn.__file__).parent
    for path in (root / "_core").glob("[a-z]*.py"):
        module = import_module(f"secretconn._core.{path.stem}")
        assert all(hasattr(module, public) for public in module.__all__)
    for name in ("credentials", "errors", "events", "engines", "sources"):
        module = import_module(f"secretconn.{name}")
        assert all(hasattr(module, public) for public in module.__all__)


def test_no_module_bears_a_public_name() -> None:
    root = Path(secretconn.__file__).parent
    assert not {path.stem for path in root.glob("*.py")} & {name for name in PUBLIC if name.islower()}


def test_the_error_tree_is_as_drawn() -> None:
    assert issubclass(secretconn.ConfigurationError, ValueError)
    assert issubclass(secretconn.DriverNotInstalled, ImportError)
    assert issubclass(secretconn.SecretFormatError, ValueError)
    assert issubclass(secretconn.SecretUnavailable, secretconn.SecretError)
    assert issubclass(secretconn.SecretError, secretconn.SecretConnError)
    assert (Path(secretconn.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", ["connect", "aconnect", "wrap", "shared"])
def test_type_hints_can_be_asked_for_while_the_program_runs(name: str) -> None:
    """Frameworks that inject dependencies do; the stubs of boto3 need not be installed for it."""
    assert "client" in typing.get_type_hints(getattr(secretconn, name))
