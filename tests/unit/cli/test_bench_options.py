"""bench's options: what is accepted, what is refused and why, and what a comparison is made of."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from secretconn.cli import main
from secretconn.cli.bench import add_parser
from secretconn.cli.bench.options import COMPARED, Options, duration, options
from secretconn.errors import ConfigurationError


def parse(*words: str) -> Options:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return options(parser.parse_args(["bench", *words]))


def test_defaults_are_a_simulated_month() -> None:
    wanted = parse()
    workload = wanted.workload
    assert not wanted.real
    assert (workload.seconds, workload.ttl, workload.rotate_every) == (30 * 86400.0, 3600.0, 86400.0)
    assert (workload.processes, workload.workers, workload.rate, workload.tasks) == (4, 4, 10.0, False)
    assert (workload.strategy, workload.retries, workload.fallback_stages) == (
        "single-user",
        1,
        ("AWSPENDING", "AWSPREVIOUS"),
    )
    assert wanted.runs == (("", workload),)


def test_a_real_run_is_short() -> None:
    wanted = parse("--real")
    assert (wanted.real, wanted.engine) == (True, "null")
    assert wanted.workload.seconds <= 30
    assert wanted.workload.rotate_every < wanted.workload.seconds


def test_arguments() -> None:
    wanted = parse(
        *("--real", "--engine", "mariadb", "--seconds", "1.5m", "--tasks", "7", "--processes", "3"),
        *("--connects-per-second", "0.5", "--ttl", "5m", "--strategy", "alternating-users", "--rotate-every", "20s"),
        *("--window", "2", "--retries", "0", "--patience", "3", "--fallback-stages", "none", "--seed", "9", "--json"),
    )
    workload = wanted.workload
    assert (wanted.engine, wanted.json, workload.seconds, workload.tasks) == ("mariadb", True, 90.0, True)
    assert (workload.workers, workload.processes, workload.rate, workload.ttl) == (7, 3, 0.5, 300.0)
    assert (workload.users, workload.rotate_every, workload.window) == (("app", "app_clone"), 20.0, 2.0)
    assert (workload.retries, workload.patience, workload.fallback_stages, workload.seed) == (0, 3.0, (), 9)
    assert parse("--days", "0.5").workload.seconds == 43200.0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("6h", 21600.0), ("30d", 2592000.0), (".5", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "1w", "nan", "inf", "1e3", "5 minutes"])
def test_bad_times(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


@pytest.mark.parametrize(
    "words",
    [
        ("--seconds", "10", "--days", "1"),
        ("--threads", "2", "--tasks", "2"),
        ("--threads", "0"),
        ("--threads", "1.5"),
        ("--processes", "100001"),
        ("--connects-per-second", "0"),
        ("--connects-per-second", "nan"),
        ("--retries", "-1"),
        ("--strategy", "weekly"),
        ("--ttl", "0"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*words)
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--engine", "mariadb"), "--engine needs --real"),
        (("--days", "nan"), "a simulated run lasts"),
        (("--seconds", "0.5"), "a simulated run lasts from 1 s"),
        (("--days", "4000"), "to 3660 d"),
        (("--real", "--days", "2"), "a real run lasts from 1 s to 1 d"),
        (("--real", "--processes", "65"), "at most 64 processes"),
        (("--real", "--connects-per-second", "5000"), "at most 2000 connects"),
        (("--start-over", "2h", "--seconds", "1h"), "--start-over must not be longer"),
        (("--rotate-every", "15s", "--window", "10s"), "longer than a rotation, which takes 15 s"),
        (("--compare", "ttl"), "write OPTION=A,B"),
        (("--compare", "colour=red,blue"), "with one of ttl, processes"),
        (("--compare", "ttl=60"), "from 2 to 12 different values"),
        (("--compare", "ttl=60,60"), "from 2 to 12 different values"),
        (("--compare", "ttl=60,soon"), "--compare ttl: must be a time such as 90"),
        (("--compare", "strategy=single-user,weekly"), "must be one of single-user, alternating-users, none"),
        (("--compare", "window=10s,20h"), "longer than a rotation"),
        (("--plot", "out.pdf"), "ends in .svg, .png, .html"),
        (("--plot", "nowhere/at/all.svg"), "there is no folder"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(*words)
    assert reason in str(caught.value)


def test_no_rotation_needs_no_period() -> None:
    assert parse("--strategy", "none", "--rotate-every", "1s").workload.next_change(0.0) == float("inf")


def test_a_comparison_changes_one_thing() -> None:
    wanted = parse("--compare", "ttl=60,5m, 1h")
    assert wanted.compared == "ttl"
    assert [(label, one.ttl) for label, one in wanted.runs] == [("60", 60.0), ("5m", 300.0), ("1h", 3600.0)]
    assert {one.processes for _, one in wanted.runs} == {wanted.workload.processes}


VALUES = {
    "ttl": "60,120",
    "processes": "1,2",
    "threads": "1,2",
    "tasks": "1,2",
    "connects-per-second": "1,2",
    "start-over": "1,2",
    "strategy": "single-user,none",
    "rotate-every": "1h,2h",
    "window": "1,2",
    "retries": "0,1",
    "patience": "0,1",
    "fallback-stages": "both,none",
}


@pytest.mark.parametrize("name", COMPARED)
def test_each_option_can_be_compared(name: str) -> None:
    (_, one), (_, other) = parse("--compare", f"{name}={VALUES[name]}").runs
    assert one != other


@pytest.mark.parametrize("file", ["a.svg", "b.png", "c.html"])
def test_plots_go_to_a_folder_that_is_there(file: str, tmp_path: Path) -> None:
    assert parse("--plot", str(tmp_path / file), "--dark").plot == tmp_path / file


def test_next_change_is_the_next_set_secret() -> None:
    workload = parse("--rotate-every", "100s", "--window", "10s").workload
    assert [workload.next_change(now) for now in (0.0, 89.9, 90.0, 95.0, 189.0)] == [90.0, 90.0, 190.0, 190.0, 190.0]


def test_errors_come_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--compare", "ttl=1"]) == 2
    assert capsys.readouterr().err.startswith("secretconn bench: --compare ttl needs")
