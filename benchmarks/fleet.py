"""A fleet of 10 to 100,000 processes against Secrets Manager's quota: at start-up, at the TTL, at a rotation.

    python benchmarks/fleet.py --out benchmarks/results/fleet --plots docs/images/fleet

Writes OUT.json and OUT.md, and plots for light and dark pages. The library's own decisions run on a simulated clock,
for every process: nothing is scaled up. The same seed gives the same figures. ``--most 1000`` stops at a smaller fleet;
``--ways 100000`` plays the settings that help, and the refused reads, with the largest one.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from secretconn.cli.bench.plots import DARK, LIGHT, rendered
from secretconn.cli.bench.progress import progress
from secretconn.cli.bench.result import QUOTA, Measured
from secretconn.cli.bench.workload import Workload
from suite import fleet, fleet_plots

CAPTION = (
    "Simulated; 1 thread in each process, which connects every 10 s; TTL 1 h; one single-user rotation with a window "
    "of 10 s; seed 1."
)
WAYS_CAPTION = f"{CAPTION} Unless the bar says otherwise."
SHORT = replace(fleet.FLEET, seconds=300.0, rotate_every=180.0, start_over=60.0)
"""For the variants: the same start-up and rotation with less waiting between them."""


@dataclass(frozen=True)
class Way:
    """One setting that is different.

    Attributes:
        phase: Where it makes a difference.
        name: What is different.
    """

    phase: str
    name: str
    workload: Workload
    jitter: bool = True
    quota: int | None = None


@dataclass(frozen=True)
class Found:
    """All results.

    Attributes:
        runs: Size of the fleet to its run.
        ways: Size of the fleet of the following.
        helps: A row for each setting that could help.
        beyond: A row for each case beyond the quota, with reads refused.
    """

    runs: dict[int, Measured]
    ways: int
    helps: list[dict[str, Any]]
    beyond: list[dict[str, Any]]


def ways() -> Iterator[Way]:
    """What could help, and what would make it worse."""
    start = replace(fleet.FLEET, seconds=120.0, strategy="none")
    yield Way("start-up", "all at once", replace(start, start_over=1.0))
    yield Way("start-up", "rolled out in 1 min", start)
    yield Way("start-up", "rolled out in 10 min", replace(start, seconds=720.0, start_over=600.0))
    at_once = replace(fleet.FLEET, seconds=4000.0, strategy="none", start_over=1.0)
    yield Way("TTL", "started at once, no jitter", at_once, jitter=False)
    yield Way("TTL", "started at once, jitter", at_once)
    yield Way("TTL", "the same, TTL 5 min", replace(at_once, ttl=300.0, seconds=700.0))
    yield Way("rotation", "a connect every 1 s", replace(SHORT, rate=1.0))
    yield Way("rotation", "a connect every 10 s", SHORT)
    yield Way("rotation", "a connect every 1 min", replace(SHORT, rate=1 / 60))
    yield Way("rotation", "every 10 s, alternating-users", replace(SHORT, strategy="alternating-users"))


def throttled() -> Iterator[Way]:
    """The two cases beyond the quota, with reads beyond it refused."""
    start = replace(fleet.FLEET, seconds=180.0, strategy="none", start_over=1.0)
    rotation = replace(SHORT, rate=1.0)
    yield Way("start-up", "all at once", start, quota=QUOTA)
    yield Way("rotation", "a connect every 1 s", rotation, quota=QUOTA)
    yield Way("rotation", "the same, patience=10", replace(rotation, patience=10.0), quota=QUOTA)


def play(workload: Workload, what: str, **options: Any) -> fleet.Outcome:
    """Simulate, with progress."""
    begun = time.monotonic()
    gc.collect()
    gc.disable()  # 100,000 living processes are not garbage, and looking at them again and again takes its time
    with progress(what) as tell:
        outcome = fleet.simulate(workload, progress=tell, **options)
    gc.enable()
    print(f"{what}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return outcome


def play_ways(listed: Iterator[Way], processes: int) -> list[dict[str, Any]]:
    """Each setting, in a fleet of one size."""
    rows = []
    for way in listed:
        workload = replace(way.workload, processes=processes)
        what = f"{way.phase}: {way.name}"
        outcome = play(workload, what, jitter=way.jitter, quota=way.quota)
        measured, found = outcome.measured, fleet.phase(way.phase, workload, outcome.measured)
        changed = workload.next_change(0.0)
        recovered = None if outcome.recovered_by is None else outcome.recovered_by - changed
        rows.append(
            {"phase": way.phase, "name": way.name, "busiest": found.busiest, "calls": found.calls}
            | {"failed": measured.failed, "connects": measured.connects, "throttled": outcome.throttled}
            | {"served_by": outcome.served_by, "recovered_after": recovered, "workload": asdict(workload)}
        )
    return rows


def sizes(most: int) -> dict[int, Measured]:
    """The fleet of each size."""
    return {size: play(fleet.of_size(size), f"{size:,} processes").measured for size in fleet.SIZES if size <= most}


def report(found: Found, command: str) -> str:
    """The result as Markdown."""
    runs, largest = found.runs, found.ways
    lines = [f"`{command}`", "", CAPTION, "", "Calls in all, and in the busiest second, of each phase:", ""]
    head = [f"{name}: {what}" for name in fleet.PHASES for what in ("calls", "busiest second")]
    lines += [f"| processes | {' | '.join(head)} | failed connects |", f"|{'---|' * (len(head) + 2)}"]
    for size, measured in runs.items():
        cells = [f"{one.calls:,} | {_busiest(one.busiest)}" for one in _phases(measured)]
        lines.append(f"| {size:,} | {' | '.join(cells)} | {measured.failed:,} |")
    lines += growth_lines({size: _phases(measured) for size, measured in runs.items()})
    lines += ["", f"What helps, at {largest:,} processes:", "", "| phase | | busiest second |", "|---|---|---|"]
    lines += [f"| {row['phase']} | {row['name']} | {_busiest(row['busiest'])} |" for row in found.helps]
    lines += ["", f"With {QUOTA:,} calls a second let through and the others refused, at {largest:,} processes:", ""]
    lines += ["| phase | | refused calls | failed connects | until all was well |", "|---|---|---|---|---|"]
    for row in found.beyond:
        seconds = row["served_by"] if row["phase"] == "start-up" else row["recovered_after"]
        failed = f"{row['failed']:,} of {row['connects']:,}"
        lines.append(f"| {row['phase']} | {row['name']} | {row['throttled']:,} | {failed} | {seconds:.0f} s |")
    return "\n".join([*lines, "", f"Python {platform.python_version()}", ""])


def growth_lines(sizes: dict[int, list[fleet.Phase]]) -> list[str]:
    """How the busiest second grows from each size to the next."""
    lines = ["", "Times as many calls in the busiest second:", ""]
    lines += [f"| processes | {' | '.join(fleet.PHASES)} |", f"|{'---|' * (len(fleet.PHASES) + 1)}"]
    for smaller, larger in pairwise(sizes):
        found = [fleet.growth(*pair) for pair in zip(sizes[smaller], sizes[larger], strict=True)]
        lines.append(f"| {smaller:,} to {larger:,} | {' | '.join(f'{times:.1f}' for times in found)} |")
    return lines


def _phases(measured: Measured) -> list[fleet.Phase]:
    return [fleet.phase(name, fleet.FLEET, measured) for name in fleet.PHASES]


def _busiest(calls: int) -> str:
    share = calls / QUOTA
    return f"**{calls:,}** ({share:.1f} times the quota)" if share > 1 else f"{calls:,} ({share:.2%})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=max(fleet.SIZES), choices=fleet.SIZES, help="processes at most")
    parser.add_argument(
        "--ways", type=int, default=10_000, choices=fleet.SIZES, help="processes, where settings differ"
    )
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    parser.add_argument("--plots", type=Path, help="write PLOTS-light.svg, PLOTS-dark.svg and the same of -ways")
    options = parser.parse_args()
    helps, beyond = play_ways(ways(), options.ways), play_ways(throttled(), options.ways)
    found = Found(sizes(options.most), options.ways, helps, beyond)
    text = report(found, f"python benchmarks/fleet.py --most {options.most} --ways {options.ways}")
    print(text)
    if options.out is not None:
        write(options.out, text, found)
    if options.plots is not None:
        rows = [(f"{row['phase']}: {row['name']}", int(row["busiest"])) for row in helps]
        draw(options.plots, found.runs, rows, found.ways)
    return 0


def write(out: Path, text: str, found: Found) -> None:
    """The results."""
    phases = {str(size): [asdict(one) for one in _phases(measured)] for size, measured in found.runs.items()}
    whole = {"workload": asdict(fleet.FLEET), "sizes": phases}
    whole |= {"ways": {"processes": found.ways, "helps": found.helps, "throttled": found.beyond}}
    out.with_suffix(".json").write_text(json.dumps(whole, indent=1) + "\n")
    out.with_suffix(".md").write_text(text)


def draw(out: Path, runs: dict[int, Measured], rows: list[tuple[str, int]], processes: int) -> None:
    """The plots."""
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        time_plot = fleet_plots.over_time(runs, theme, CAPTION)
        ways_plot = fleet_plots.ways(rows, theme, processes, WAYS_CAPTION)
        out.with_name(f"{out.name}-{name}.svg").write_bytes(rendered(time_plot, "svg"))
        out.with_name(f"{out.name}-ways-{name}.svg").write_bytes(rendered(ways_plot, "svg"))


if __name__ == "__main__":
    sys.exit(main())
