"""The examples run as an application would: told by the environment where the secret is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from secretconn.testing import Application


@pytest.fixture
def environment(postgres_app: Application, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {**postgres_app.secrets.environment, "SECRET_ID": postgres_app.secret_id}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def load(environment: dict[str, str]) -> Callable[[str], ModuleType]:
    """Import an example anew: it reads the environment as it is imported."""

    def loading(name: str) -> ModuleType:
        sys.modules.pop(f"examples.{name}", None)
        return importlib.import_module(f"examples.{name}")

    return loading
