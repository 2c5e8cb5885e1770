"""What the README and results.md show is what the results say, number by number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import run
from suite import report
from suite.table import number

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return report.read(run.RESULTS)


def block() -> str:
    found = re.search(f"{report.BEGIN}.*?{report.END}", README.read_text(), re.DOTALL)
    assert found is not None
    return found[0]


def test_the_readme_shows_the_results_and_nothing_else(result: dict[str, Any]) -> None:
    assert block() == report.readme_block(result), "run: python benchmarks/run.py --readme"


def test_every_criterion_and_its_number_is_in_the_readme(result: dict[str, Any]) -> None:
    rows = [line.removeprefix("| ").split(" | ") for line in block().splitlines() if line.startswith("| ")][1:]
    shown = [(row[0], value.split()[0], row[2].split()[-1]) for row in rows for value in row[1].split(", ")]
    wanted = [(one["says"], number(one["value"]), number(one["limit"])) for one in result["criteria"]]
    assert sorted(shown) == sorted(wanted)


def test_results_md_is_made_of_the_results(result: dict[str, Any]) -> None:
    assert (run.RESULTS / "results.md").read_text() == report.as_markdown(result, run.benchmarks())


def test_the_results_are_of_one_whole_run(result: dict[str, Any]) -> None:
    assert not result["quick"]
    assert set(result["data"]) == set(run.benchmarks())
    assert result["left_out"] == []


def test_the_criteria_follow_from_the_data(result: dict[str, Any]) -> None:
    modules = run.benchmarks()
    again = [one.as_json() for name, data in result["data"].items() for one in modules[name].criteria(data)]
    assert again == result["criteria"]


def test_the_plots_are_there_for_light_and_for_dark_pages() -> None:
    for name in report.PLOTS:
        for theme in ("light", "dark"):
            assert "</svg>" in (run.RESULTS / f"{name}-{theme}.svg").read_text()


@pytest.mark.parametrize(
    "text", ["", report.BEGIN, report.END, f"{report.BEGIN}{report.END}" * 2], ids=["none", "begin", "end", "twice"]
)
def test_a_readme_without_the_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        report.with_block(text, "new")


def test_only_what_is_between_the_markers_is_replaced() -> None:
    assert report.with_block(f"before {report.BEGIN}old{report.END} after", "NEW") == "before NEW after"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0412, "0.041"),
        (1.0, "1"),
        (1.0349, "1.03"),
        (9.999, "10"),
        (47.36, "47.4"),
        (212.4, "212"),
        (4120.0, "4,120"),
    ],
)
def test_numbers_have_the_figures_that_count(value: float, text: str) -> None:
    assert number(value) == text
