"""What a connect costs while Secrets Manager fails: the 99th percentile under each fault, against that without one.

    python benchmarks/faults.py --connects 2000

One thread connects to a real PostgreSQL with a login that is held and soon out of date (a TTL of 0.2 s), so that
refreshes are tried, and fail, behind its back. With and without the fault take turns in blocks, so that both see the
same machine. It ends with 1 when a connect failed or a ratio is above 1.5.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.config import Config

import secretconn
from secretconn.testing import Application, LocalSecretsManager, PostgresServer

sys.path.insert(0, str(Path(__file__).parents[1]))  # the stand-ins that only our tests and benchmarks need
from tests.support.faults import FAULTS, Fault, FaultySecretsManager

TTL = 0.2
LIMIT = 1.5
BLOCKS = 20
NAMES = ("throttled", "internal error", "access denied", "hang", "reset")


def seconds_of(credentials: secretconn.RotatingCredentials, count: int) -> list[float]:
    """How long each of this many connects took."""
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        connection = secretconn.connect(credentials, driver="psycopg")
        taken.append(time.perf_counter() - begun)
        connection.close()
    return taken


def quantile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def measure(app: Application, faulty: FaultySecretsManager, fault: Fault, connects: int) -> dict[str, Any]:
    """One fault, in blocks that take turns with blocks without it."""
    config = Config(connect_timeout=1.0, read_timeout=1.0, retries={"total_max_attempts": 2, "mode": "standard"})
    credentials = secretconn.RotatingCredentials(app.secret_id, client=faulty.client(config=config), ttl=TTL)
    seconds_of(credentials, 50)
    without: list[float] = []
    under: list[float] = []
    met = 0
    for _ in range(BLOCKS):
        without += seconds_of(credentials, connects // BLOCKS)
        before = faulty.calls.total()
        with faulty.fault(fault):
            under += seconds_of(credentials, connects // BLOCKS)
            met += faulty.calls.total() - before
    stats = credentials.stats()
    return {
        "connects": stats.connects,
        "calls_that_met_it": met,
        "stale_reads": stats.stale_reads,
        "p99_without": quantile(without, 0.99),
        "p99_under": quantile(under, 0.99),
        "ratio": quantile(under, 0.99) / quantile(without, 0.99),
    }


def report(command: str, rows: dict[str, dict[str, Any]]) -> str:
    """The result as Markdown."""
    lines = [
        f"`{command}`",
        "",
        "| fault | connects | calls that met it | p99 without, ms | p99 under it, ms | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['connects']:,} | {row['calls_that_met_it']} | {row['p99_without'] * 1000:.1f} "
            f"| {row['p99_under'] * 1000:.1f} | {row['ratio']:.2f} |"
        )
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return "\n".join([*lines, "", f"{date}, {platform.system()} {platform.machine()}, {platform.python_version()}", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connects", type=int, default=2000, help="with each fault, and as many without")
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    options = parser.parse_args()
    logging.getLogger("secretconn").setLevel(logging.ERROR)  # a warning for each streak of failures, as it should
    rows = {}
    with PostgresServer() as server, LocalSecretsManager(process=True) as secrets, FaultySecretsManager(secrets) as bad:
        app = Application(server, secrets)
        for name in NAMES:
            rows[name] = measure(app, bad, FAULTS[name], options.connects)
            print(f"{name}: ratio {rows[name]['ratio']:.2f}", flush=True)
    text = report(f"python benchmarks/faults.py --connects {options.connects}", rows)
    print(text)
    if options.out is not None:
        options.out.with_suffix(".json").write_text(json.dumps(rows, indent=1))
        options.out.with_suffix(".md").write_text(text)
    return 0 if all(row["ratio"] <= LIMIT and row["calls_that_met_it"] > 0 for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
