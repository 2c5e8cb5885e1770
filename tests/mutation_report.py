"""The mutants there are, by group, and what came of them: the report of tests/mutation.py."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "OUTCOMES", "group_of", "mutants", "read", "report"]

FOLDER = Path("mutants")
OUTCOMES = Path("outcomes.json")
GROUPS = {
    "core, sources, events": (2.0, ("_core/", "sources/", "events.py")),
    "frameworks, pools, redis": (5.0, ("sqlalchemy.py", "psycopg.py", "pools.py", "redis.py", "otel.py", "django/")),
    "engines": (5.0, ("engines/",)),
}
"""What is reported together, and the percentage of survivors it must stay under."""


def read(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds, or nothing where there is none."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def mutants() -> dict[str, list[str]]:
    """Of each file that is changed the names of its mutants, by group."""
    package = Path("secretconn")
    found = {
        str(path.relative_to(package).with_suffix("")): list(json.loads(path.read_text())["exit_code_by_key"])
        for path in sorted(package.rglob("*.py.meta"))
    }
    return dict(sorted(found.items(), key=lambda one: group_of(f"secretconn.{one[0].replace('/', '.')}")))


def group_of(mutant: str) -> int:
    """Its number among the groups."""
    path = mutant.removeprefix("secretconn.").replace(".", "/")
    return next(
        number
        for number, (_, starts) in enumerate(GROUPS.values())
        if path.startswith(tuple(start.removesuffix(".py") for start in starts))
    )


def report() -> int:
    """Print the counts and the changes that nobody noticed; 1 if those are too many, or not all were tried."""
    with contextlib.chdir(FOLDER):
        outcomes: dict[str, list[str]] = read(OUTCOMES)
        names = mutants()
    by_file = {file: Counter(outcomes.get(name, ["not tried"])[0] for name in names[file]) for file in names}
    failed = False
    print("| module | mutants | killed | by a timeout | survived |\n|---|---:|---:|---:|---:|")
    for title, (percent, starts) in GROUPS.items():
        counts: Counter[str] = Counter()
        for file, found in by_file.items():
            if file.startswith(starts):
                print(_row(f"`{file}`", found))
                counts += found
        print(_row(f"**{title}**", counts))
        failed |= counts["not tried"] > 0 or 100 * counts["survived"] >= percent * counts.total()
    for name in (name for of_file in names.values() for name in of_file):
        if outcomes.get(name, [""])[0] == "survived":
            print(f"\n{name}\n{_change(name)}")
    return int(failed)


def _row(name: str, counts: Counter[str]) -> str:
    rest = f" {counts['not tried']} not tried" if counts["not tried"] else ""
    return f"| {name} | {counts.total()} | {counts['killed']} | {counts['timeout']} | {counts['survived']} |{rest}"


def _change(mutant: str) -> str:
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(mutant).splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))
