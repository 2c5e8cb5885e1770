"""The results as files: results.json, results.md, the plots, and the block of them that the README shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from suite import plots
from suite.machine import sentence
from suite.plots import ENGINE_NAMES
from suite.table import number, table

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
PLOTS = {
    "window": "Share of the connects begun in the rotation window that failed, for each client",
    "recovery": "Time of the first connect after a rotation, for each client",
    "stampede": "Calls to Secrets Manager when many threads connect at once after a rotation, for each client",
    "reads": "Time of a read of the cached login, for each client",
}


def as_markdown(result: Mapping[str, Any], benchmarks: Mapping[str, ModuleType]) -> str:
    """Everything that was measured."""
    told = [f"`{result['command']}`", "", *criteria_lines(result), ""]
    for name, data in result["data"].items():
        told += [f"## {benchmarks[name].TITLE}", "", *benchmarks[name].lines(data), ""]
    told += [sentence(result["machine"], result["servers"])]
    told += [f"{why}." for why in result["left_out"]]
    return "\n".join([*told, ""])


def criteria_lines(result: Mapping[str, Any]) -> list[str]:
    """What has to be true, and whether it is; one line for all engines."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in result["criteria"]:
        rows.setdefault(one["says"], []).append(one)
    return table(["criterion", "measured", "limit", ""], [criterion_line(group) for group in rows.values()])


def criterion_line(group: list[dict[str, Any]]) -> tuple[str, str, str, str]:
    """One criterion, with what was measured on each engine."""
    first = group[0]
    values = [f"{number(one['value'])} {one['unit']} {ENGINE_NAMES.get(one['engine'], '')}".rstrip() for one in group]
    limit = f"{'at least' if first['at_least'] else 'at most'} {number(first['limit'])}"
    missed = [ENGINE_NAMES.get(one["engine"], "") for one in group if not one["met"]]
    return first["says"], ", ".join(values), limit, f"**missed** {' '.join(missed)}".rstrip() if missed else "met"


def readme_block(result: Mapping[str, Any], folder: str = "benchmarks/results") -> str:
    """What stands between the markers in the README: made of the results alone, so a test can make it again."""
    plots = [line for name in PLOTS if name in result["data"] for line in picture(name, folder)]
    left_out = "".join(f" {why}." for why in result["left_out"])
    return "\n".join(
        [
            BEGIN,
            "Side by side in one run, on real servers, with the plain driver, `aws-secretsmanager-caching` by hand and "
            "aws-advanced-python-wrapper ([how, and how it is kept fair](benchmarks/README.md)):",
            "",
            *plots,
            "",
            *criteria_lines(result),
            "",
            f"Printed by `{result['command']}`; all of it, with the tables, is in "
            f"[{folder}/results.md]({folder}/results.md). {sentence(result['machine'], result['servers'])}{left_out}",
            END,
        ]
    )


def picture(name: str, folder: str) -> list[str]:
    """A plot for light pages and for dark ones."""
    return [
        "<picture>",
        f'  <source media="(prefers-color-scheme: dark)" srcset="{folder}/{name}-dark.svg">',
        f'  <img alt="{PLOTS[name]}" src="{folder}/{name}-light.svg" width="49%">',
        "</picture>",
    ]


def with_block(readme: str, block: str) -> str:
    """The README's text with the block in place of the one between the markers.

    Raises:
        ValueError: There are no markers, or more than one pair.
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ValueError(f"README.md must have {BEGIN} and {END} once each")
    before, _, rest = readme.partition(BEGIN)
    return before + block + rest.partition(END)[2]


def write(result: Mapping[str, Any], out: Path, benchmarks: Mapping[str, ModuleType]) -> None:
    """Into the folder: results.json, results.md, and the plots where matplotlib is installed."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "results.md").write_text(as_markdown(result, benchmarks))
    plots.draw(result, out)


def read(out: Path) -> dict[str, Any]:
    """The results of an earlier run."""
    return dict(json.loads((out / "results.json").read_text()))
