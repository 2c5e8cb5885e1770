"""Accounts and lent programs: who may enter where, and copies for those who may not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from secretconn.testing._process import Account, bare_environment, open_to, spawn, with_a_name
from secretconn.testing.postgres import PostgresServer

STRANGER = Account("stranger", uid=64_000, gid=64_000)


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    program = tmp_path / "home" / "pg" / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (program.parent.parent / "note").write_text("for its owner")
    (program.parent.parent / "note").chmod(0o600)
    (program.parent / "alias").symlink_to("program")
    (tmp_path / "home").chmod(0o700)
    return program.parent.parent


def test_ourselves_need_no_copy(installation: Path, tmp_path: Path) -> None:
    assert open_to(Account(None), installation, tmp_path / "spare") == installation


def test_stranger_gets_a_copy_with_readable_programs(installation: Path, tmp_path: Path) -> None:
    spare = open_to(STRANGER, installation, tmp_path / "spare")
    assert spare == tmp_path / "spare"
    assert (spare / "bin" / "program").samefile(installation / "bin" / "program")
    assert (spare / "bin" / "alias").is_symlink()
    assert (spare / "note").stat().st_mode & 0o777 == 0o644
    assert (installation / "note").stat().st_mode & 0o777 == 0o600
    assert spare.stat().st_mode & 0o777 == 0o755


def test_mode_bits_decide_for_owner_group_and_others(tmp_path: Path) -> None:
    status = tmp_path.stat()
    tmp_path.chmod(0o700)
    assert not STRANGER._passes(tmp_path.stat())
    assert Account("owner", status.st_uid, 64_000)._passes(tmp_path.stat())
    tmp_path.chmod(0o710)
    assert Account("member", 64_000, status.st_gid)._passes(tmp_path.stat())
    tmp_path.chmod(0o711)
    assert STRANGER._passes(tmp_path.stat())


def test_a_user_with_a_name_needs_no_words(tmp_path: Path) -> None:
    assert with_a_name(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_server_that_was_never_started_shows_no_password() -> None:
    server = PostgresServer(user="chief")
    assert server.password not in repr(server)
    assert repr(server) == "<PostgresServer chief:***@127.0.0.1:0 stopped>"
    server.close()


def test_a_server_gets_what_it_needs_of_our_environment_and_no_keys() -> None:
    ours = {"PATH": "/bin", "LC_ALL": "C", "LD_LIBRARY_PATH": "/x", "HOME": "/h"}
    theirs = {"AWS_SECRET_ACCESS_KEY": "k", "AWS_SESSION_TOKEN": "t", "PGPASSWORD": "p", "PATHS": "x"}
    assert bare_environment(ours | theirs) == ours


@pytest.mark.skipif(os.name != "posix", reason="asks a POSIX shell")
def test_a_process_has_a_closed_umask_a_death_signal_and_none_of_our_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death signal that setpriv does not know would end it with 1."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k")
    with (tmp_path / "log").open("wb") as log:
        command = ["/bin/sh", "-c", "umask; env"]
        process = spawn(command, account=Account(None), log=log, folder=tmp_path, death_signal=signal.SIGQUIT)
        code = process.wait(60)
    told = (tmp_path / "log").read_text()
    assert (code, told.splitlines()[0].lstrip("0")) == (0, "77"), told
    assert "AWS_" not in told
