"""The pure parts of unpacking: where the cache is, what is still missing, and how programs find their libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secretconn.testing import debian


def test_cache_folder_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SECRETCONN_CACHE", "/named")
    assert debian.cache_folder() == Path("/named")
    monkeypatch.delenv("SECRETCONN_CACHE")
    assert debian.cache_folder() == tmp_path / ".cache" / "secretconn"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert debian.cache_folder() == Path("/xdg/secretconn")


def test_recorded_packages_are_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / debian.RECORD).write_text('["libaio1t64", "libnuma1"]')
    assert debian._missing(tmp_path, ["libaio1|libaio1t64", "libnuma1", "pgbouncer"]) == ["pgbouncer"]
    assert debian.unpack(["libaio1|libaio1t64"], tmp_path) == tmp_path  # apt-get is not called at all


def test_libraries_of_the_folder_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/x86_64-linux-gnu"
    library.mkdir(parents=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    assert debian.environment(tmp_path) == {"LD_LIBRARY_PATH": os.pathsep.join([str(library), "/before"])}
