"""The demo as a person runs it: a process, real servers, one rotation of each strategy."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SHORT = ("demo", "--plain", "--seconds", "6", "--rotations", "1", "--workers", "4")

SABOTAGE = """
import argparse, functools, itertools, sys
import psycopg
from secretconn.cli.demo import add_parser, play

calls = itertools.count(1)

@functools.wraps(psycopg.connect)
def connect(*args, **kwargs):
    if next(calls) % 10 == 0:
        raise psycopg.OperationalError("server closed the connection unexpectedly")
    return psycopg.connect(*args, **kwargs)

parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers())
sys.exit(play(parser.parse_args(sys.argv[1:]), driver=connect))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "mysql"])
def test_no_connect_fails(engine: str) -> None:
    done = run("-m", "secretconn", *SHORT, "--engine", engine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert re.search(r"PASSED: with secretconn 0 of [\d,]+ connects failed", done.stdout)
    assert re.search(r"2 rotations in \d+ s \(1 single-user, 1 alternating-users\)", done.stdout)
    assert not set(done.stdout) & set("\x1b\r\x08")
    assert len(re.findall(r"(?m)^ +[\d.]+s  [12]/2 .* setSecret ", done.stdout)) == 2
    recovered = re.search(r"recovered at once +(\d+)", done.stdout)
    assert recovered is not None
    assert int(recovered[1]) >= 1, "no login was rejected, so nothing was shown"


def test_a_failing_driver_is_exit_code_1() -> None:
    done = run("-c", SABOTAGE, *SHORT)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED: with secretconn" in done.stdout
    assert "OperationalError: server closed the connection unexpectedly" in done.stdout


def heed_ctrl_c() -> None:
    """A job that a shell started in the background ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_ends_with_the_summary_so_far(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "secretconn", "demo", "--plain", "--seconds", "60"],
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509  (one system call, no lock)
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
        written = ""
        while "createSecret" not in written and process.poll() is None:
            written = (tmp_path / "out").read_text()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == ""
    assert "INTERRUPTED: with secretconn" in (tmp_path / "out").read_text()
