"""requirements-dev.txt satisfies pyproject.toml; scripts/lock writes it anew."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_LOCKED = {"redshift-connector"}  # wants another scramp than pg8000
GROUPS = ("check", "test", "docs")


def of_group(name: str) -> Iterator[str]:
    for line in PROJECT["dependency-groups"][name]:
        if isinstance(line, str):
            yield line
        else:
            yield from of_group(line["include-group"])


def wanted() -> list[str]:
    lines = list(PROJECT["project"]["dependencies"])
    for requirements in PROJECT["project"]["optional-dependencies"].values():
        lines += requirements
    for group in GROUPS:
        lines += of_group(group)
    return sorted({line for line in lines if not line.startswith("secretconn[")})


def locked() -> dict[str, list[str]]:
    """Package to its versions: there may be one for each of several Pythons."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "requirements-dev.txt").read_text().splitlines():
        if not line.startswith(("#", " ")):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier).strip("="))
    return found


@pytest.mark.parametrize("line", wanted())
def test_what_is_wanted_is_locked(line: str) -> None:
    requirement = Requirement(line)
    if requirement.name in NOT_LOCKED:
        return
    versions = locked()[canonicalize_name(requirement.name)]
    assert all(requirement.specifier.contains(version, prereleases=True) for version in versions)
