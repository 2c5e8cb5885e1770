"""What the numbers were measured on: date, machine, load, versions."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "secretconn",
    "aws-secretsmanager-caching",
    "aws-advanced-python-wrapper",
    "psycopg",
    "mysql-connector-python",
    "asyncpg",
    "aiomysql",
    "boto3",
    "moto",
)


def facts() -> dict[str, Any]:
    """The machine as it is now; the load is that of before the run, so a busy machine shows."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": processor(),
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := installed(name)) is not None},
    }


def installed(name: str) -> str | None:
    """A package's version, or None where it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's model, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def sentence(machine: dict[str, Any], servers: list[str]) -> str:
    """The facts in one line of a report."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), load average before the run "
        f"{machine['load_average']}, {machine['system']}, Python {machine['python']}; "
        f"{', '.join([*servers, packages])}."
    )
