"""The pure parts of unpacking: where the cache is, what a folder is called, how programs start and find libraries."""

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


def test_libraries_of_the_folder_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/x86_64-linux-gnu"
    library.mkdir(parents=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    here = debian.Unpacked(tmp_path)
    assert here.environment() == {"LD_LIBRARY_PATH": os.pathsep.join([str(library), "/before"])}
    assert here.command("usr/bin/x") == [f"{tmp_path}/usr/bin/x"]


def test_another_suite_s_program_starts_through_its_own_loader(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/aarch64-linux-gnu"
    library.mkdir(parents=True)
    (library / "ld-linux-aarch64.so.1").touch()
    there = debian.Unpacked(Path("/elsewhere"), foreign=True).at(tmp_path)
    loader = [f"{library}/ld-linux-aarch64.so.1", "--library-path", str(library)]
    assert there.command("usr/sbin/mysqld") == [*loader, f"{tmp_path}/usr/sbin/mysqld"]
    assert there.environment() == {}
