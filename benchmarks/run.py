"""Runs the benchmarks and writes what came of them.

    python benchmarks/run.py                       # everything, which takes minutes; scripts/bench does this
    python benchmarks/run.py --quick --only window # a little of one of them
    python benchmarks/run.py --readme              # puts the results that are there into README.md

It ends with 1 when a criterion is missed. With --quick only those that count things decide: durations need a quiet
machine and more rounds.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from suite import clients, machine, report
from suite.bed import Bed
from suite.verdicts import Criterion, failing

HERE = Path(__file__).parent
RESULTS = HERE / "results"
NAMES = ("reads", "overhead", "recovery", "stampede", "window", "footprint")
"""In this order. Each is a module with TITLE, measure(bed, quick=...), criteria(data) and
lines(data). What a measure returns goes into results.json; criteria and tables are made of that alone."""


def benchmarks() -> dict[str, ModuleType]:
    """Name to module."""
    return {name: importlib.import_module(name) for name in NAMES}


def run(chosen: dict[str, ModuleType], *, quick: bool, command: str) -> tuple[dict[str, Any], list[Criterion]]:
    """Measure; what is printed on the way is what results.md says."""
    about, data, found, seconds = machine.facts(), {}, [], {}
    with Bed() as bed:
        for name, module in chosen.items():
            begun = time.monotonic()
            print(f"== {module.TITLE}", flush=True)
            data[name] = module.measure(bed, quick=quick)
            seconds[name] = round(time.monotonic() - begun, 1)
            found += module.criteria(data[name])
            print("\n".join(module.lines(data[name])), f"({seconds[name]:g} s)\n", sep="\n", flush=True)
        servers = bed.versions()
    clients.release()
    result = {
        "command": command,
        "quick": quick,
        "machine": about,
        "servers": servers,
        "left_out": clients.left_out(),
        "seconds": seconds,
        "criteria": [one.as_json() for one in found],
        "data": data,
    }
    return result, found


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds and small crowds; only counts can fail")
    parser.add_argument(
        "--only", action="append", choices=list(benchmarks()), help="this benchmark; may be given more than once"
    )
    parser.add_argument("--out", type=Path, help="folder to write to; a whole run writes to benchmarks/results anyway")
    parser.add_argument("--readme", action="store_true", help="measure nothing; write the README's block")
    options = parser.parse_args(arguments)
    if options.out is None and not options.quick and not options.only:
        options.out = RESULTS
    return options


def write_readme(out: Path) -> None:
    readme = HERE.parent / "README.md"
    readme.write_text(report.with_block(readme.read_text(), report.readme_block(report.read(out))))


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    if options.readme:
        write_readme(options.out or RESULTS)
        return 0
    there = benchmarks()
    chosen = {name: module for name, module in there.items() if not options.only or name in options.only}
    command = " ".join(["python benchmarks/run.py", *(["--quick"] if options.quick else [])])
    command += "".join(f" --only {name}" for name in options.only or ())
    result, found = run(chosen, quick=options.quick, command=command)
    print("\n".join(report.criteria_lines(result)))
    for why in result["left_out"]:
        print(why)
    if options.out is not None:
        report.write(result, options.out, there)
    missed = failing(found, quick=options.quick)
    for one in missed:
        print(f"missed: {one.name}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
