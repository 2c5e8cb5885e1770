"""docs/settings.md names every argument there is, for the callables that have it, with its default."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import secretconn

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
CALLABLES: dict[str, Callable[..., Any]] = {
    "connect": secretconn.connect,
    "aconnect": secretconn.aconnect,
    "wrap": secretconn.wrap,
    "shared": secretconn.shared,
    "RotatingCredentials": secretconn.RotatingCredentials,
}
POSITIONAL = {"secret", "secret_id", "args", "kwargs"}


def documented() -> dict[str, set[str]]:
    """Argument to the callables whose row names it; "all" stands for all."""
    found: dict[str, set[str]] = {}
    for of, names in re.findall(r"^\| ([^|]+) \| ((?:`\w+`(?:, )?)+) \|", PAGE.read_text(), re.MULTILINE):
        owners = set(CALLABLES) if of.strip() == "all" else set(re.findall(r"`(\w+)`", of))
        for name in re.findall(r"`(\w+)`", names):
            found.setdefault(name, set()).update(owners)
    return found


def existing() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for owner, call in CALLABLES.items():
        for name, parameter in inspect.signature(call).parameters.items():
            if name not in POSITIONAL and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
                found.setdefault(name, set()).add(owner)
    return found


def test_every_argument_is_on_the_page_and_no_other() -> None:
    assert documented() == {name: owners for name, owners in existing().items() if owners}


@pytest.mark.parametrize(("name", "said"), [("retries", "1"), ("patience", "0.0 s"), ("timeout", "15.0 s")])
def test_the_defaults_are_those_of_the_code(name: str, said: str) -> None:
    default = inspect.signature(secretconn.RotatingCredentials).parameters[name].default
    assert re.search(rf"\| `{name}` \| {re.escape(said)} \|", PAGE.read_text())
    assert said.split(maxsplit=1)[0] == str(default)
