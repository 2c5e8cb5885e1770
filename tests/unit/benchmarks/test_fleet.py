"""The fleet: its phases, its growth, a quota, its plots; and that docs/bench.md shows what was measured."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from secretconn.cli.bench.plots import DARK, LIGHT, Theme, rendered
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.workload import Workload
from suite import fleet, fleet_plots
from suite.fleet import PHASES, growth, of_size, phase

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "bench.md"
RESULTS = ROOT / "benchmarks" / "results"


def measured(workload: Workload, *, jitter: bool = True) -> Measured:
    return fleet.simulate(workload, jitter=jitter).measured


def test_the_documented_fleet_is_the_measured_one_and_comes_again() -> None:
    sizes = json.loads((RESULTS / "fleet.json").read_text())["sizes"]
    for size, phases in sizes.items():
        tops = [f"{one['busiest']:,}" for one in phases]
        (row,) = re.findall(rf"^\| {int(size):,} \|(.*)$", DOCS.read_text(), re.MULTILINE)
        assert re.findall(r"([\d,]+)[* ]*\(", row) == tops
    for size in (10, 100):
        workload = of_size(size)
        run = measured(workload)
        assert [asdict(phase(name, workload, run)) for name in PHASES] == sizes[str(size)]


def test_the_documented_plots_are_there() -> None:
    named = re.findall(r'(?:src|srcset)="([^"]+)"', DOCS.read_text())
    assert len(named) == 4
    assert all((DOCS.parent / name).stat().st_size > 5_000 for name in named)


@pytest.mark.parametrize(
    "image",
    sorted((ROOT / "docs" / "images").glob("*.svg")) + sorted(RESULTS.glob("*.svg")),
    ids=lambda path: path.name,
)
def test_pictures_are_small_and_their_text_is_text(image: Path) -> None:
    svg = image.read_text()
    assert svg.count("\n") < 1000
    assert len(svg) < 64_000
    assert any(element.tag.endswith("}text") for element in ET.fromstring(svg).iter())


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_fleet_is_drawn(theme: Theme) -> None:
    runs = {size: measured(of_size(size)) for size in (10, 40)}
    made = fleet_plots.over_time(runs, theme, "caption")
    assert len(made.axes) == 4
    assert rendered(made, "svg").startswith(b"<?xml")
    rows = [("start-up: all at once", 25_000), ("rotation: alternating-users", 0)]
    bars = fleet_plots.ways(rows, theme, 100_000, "caption")
    texts = [part.get_text() for part in bars.findobj(lambda one: hasattr(one, "get_text"))]
    assert "25,000  (2.5 times the quota)" in texts
    assert rendered(bars, "svg").startswith(b"<?xml")


def test_beyond_the_quota_reads_are_refused_and_come_later() -> None:
    workload = replace(fleet.FLEET, workers=2, rate=2.0, processes=100, start_over=0.1, strategy="none", seconds=60.0)
    free, limited = fleet.simulate(workload), fleet.simulate(workload, quota=20)
    assert free.throttled == 0
    assert limited.throttled > 0
    assert limited.measured.api_calls - limited.throttled == free.measured.api_calls
    assert limited.served_by is not None
    assert free.served_by is not None
    assert free.served_by < 1.0
    assert limited.served_by > 5.0
    assert limited.measured.failed == free.measured.failed == 0  # a throttled read is repeated (rule 4c)


def test_a_fleet_grows_in_proportion_or_slower() -> None:
    small, large = of_size(100), of_size(800)
    runs = {one.processes: measured(one) for one in (small, large)}
    for name in PHASES:
        before, after = phase(name, small, runs[100]), phase(name, large, runs[800])
        assert 1.0 < growth(before, after) <= 8.0, name  # a larger fleet is smoother: its peak stands out less
        assert 7.5 < after.calls / before.calls < 8.5, name
    assert runs[800].failed == 0


def test_phases_hold_all_calls_but_those_after_the_rotation() -> None:
    workload = of_size(50)
    run = measured(workload)
    phases = [phase(name, workload, run) for name in PHASES]
    assert [one.begin for one in phases[1:]] == [one.end for one in phases[:-1]]
    assert phases[0].calls == run.first_calls == 50
    assert phases[2].calls == 150
    assert sum(one.calls for one in phases) <= run.api_calls


def test_jitter_is_what_keeps_a_ttl_from_making_a_crowd() -> None:
    workload = replace(fleet.FLEET, processes=300, start_over=1.0, rate=1.0, strategy="none", seconds=4000.0)
    runs = (measured(workload), measured(workload, jitter=False))
    tops = [phase("TTL", workload, run).busiest for run in runs]
    assert tops[1] > 10 * tops[0]
