"""The soak: threads and tasks connect to a real database all the time while its password is rotated again and again.

    python benchmarks/soak.py --threads 16 --tasks 16 --rotations 25 --engine both --strategy both

The database, Secrets Manager's stand-in, the load and the rotations are separate processes. Between two steps of a
rotation there is a pause, so that one rotation lasts at least four times the 99th percentile of a connect, measured in
a warm-up and again while it runs: with one retry, a single connect cannot survive two rotations. It ends with 1 when
one connect failed or needed more than one retry. Each worker pauses after a connect: a machine that is not saturated
connects, and so rotates, quickly, and a thousand rotations take a quarter of an hour instead of hours.
``--idle``: each worker is like a process of its own, and sleeps through one or two rotations between two connects.
``--fallback-stages none`` shows what AWSCURRENT alone would do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from secretconn.testing import (
    Application,
    LocalSecretsManager,
    MariaDBServer,
    MySQLServer,
    PostgresServer,
    RotationStep,
)

HERE = Path(__file__).parent
ENGINES = {"postgres": PostgresServer, "mariadb": MariaDBServer, "mysql": MySQLServer}
CHOSEN = {"both": ("postgres", "mariadb"), "all": tuple(ENGINES)}
STRATEGIES = ("single-user", "alternating-users")
STAGES = {"both": ["AWSPENDING", "AWSPREVIOUS"], "pending": ["AWSPENDING"], "previous": ["AWSPREVIOUS"], "none": []}
WARM_UP = 3.0
TIMES_P99 = 4.0
GAPS = 4
"""createSecret, setSecret, testSecret and finishSecret are each followed by a pause of the same length."""
MAX_LOGINS = 2
MAX_LOGINS_IDLE = 3
"""Of a process that slept through a rotation and wakes in the window of the next: two newer versions."""
PACKAGES = ("secretconn", "psycopg", "asyncpg", "pymysql", "aiomysql", "boto3", "aws-secretsmanager-caching", "moto")


class LoadProcess:
    """The load, in its own process; see _load.py."""

    def __init__(self, **wish: Any) -> None:
        path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "_load.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.ask(json.dumps(wish))

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and read the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("the load process ended by itself")
        return dict(json.loads(answer))

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def pace(p99: float, options: argparse.Namespace) -> float:
    """Seconds for one rotation."""
    fixed: float | None = options.seconds_per_rotation
    return fixed if fixed is not None else max(options.shortest_rotation, TIMES_P99 * p99)


def rotate(app: Application, strategy: Any, load: LoadProcess, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rotate with pauses; yields what is known after each rotation."""
    steps: list[tuple[float, str]] = []

    def note(done: RotationStep) -> None:
        steps.append((time.monotonic(), f"{done.step} {done.version_id}"))

    load.ask("lap")
    p99 = 0.0
    while not p99:  # on a slow machine nobody has connected yet
        time.sleep(WARM_UP)
        p99 = load.ask("lap")["p99"]
    print(f"  warm-up: p99 of a connect {p99 * 1000:.0f} ms", flush=True)
    rotator = app.rotator(strategy, on_step=note)
    for number in range(1, options.rotations + 1):
        seconds = pace(p99, options)
        for _ in rotator.steps():
            time.sleep(seconds / GAPS)
        lap = load.ask("lap")
        p99 = max(lap["p99"], 0.8 * p99)  # goes up at once and comes down slowly
        yield {"number": number, "seconds": seconds, "p99": lap["p99"], "failed": lap["failed"], "steps": steps[-12:]}


def soak(engine: str, strategy: str, server: Any, secrets: LocalSecretsManager, options: Any) -> dict[str, Any]:
    """One engine, one strategy."""
    app = Application(server, secrets, name="soak")
    load = LoadProcess(
        engine=engine,
        secret_id=app.secret_id,
        endpoint_url=secrets.endpoint_url,
        threads=options.threads,
        tasks=options.tasks,
        pause=options.pause,
        idle=options.idle,
        fallback_stages=STAGES[options.fallback_stages],
    )
    begun, failed = time.monotonic(), 0
    steps: list[tuple[float, str]] = []
    try:
        for done in rotate(app, strategy, load, options):
            if done["failed"] > failed or done["number"] % max(1, options.rotations // 10) == 0:
                print(
                    f"  rotation {done['number']}: {done['seconds']:.2f} s, p99 {done['p99'] * 1000:.0f} ms, "
                    f"failed so far {done['failed']}",
                    flush=True,
                )
            if done["failed"] > failed and len(steps) < 60:
                steps += done["steps"]
            failed = done["failed"]
        whole = load.ask("stop")
    finally:
        load.end()
    seconds = time.monotonic() - begun
    return {"engine": engine, "strategy": strategy, "rotations": options.rotations, "seconds": seconds} | {
        **whole,
        "steps": steps,
        "idle": options.idle,
        "api_calls_per_rotation": (whole["stats"]["api_calls"] - 2) / options.rotations,
        "most_logins": max(int(count) for count in whole["logins_per_connect"]),
    }


def passed(run: dict[str, Any]) -> bool:
    most = MAX_LOGINS_IDLE if run.get("idle") else MAX_LOGINS
    return bool(run["failed"] == 0 and run["most_logins"] <= most and run["connects"] > 0)


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def line(run: dict[str, Any]) -> str:
    stats = run["stats"]
    return (
        f"| {run['engine']} | {run['strategy']} | {run['rotations']} | {run['connects']:,} | {run['failed']} "
        f"| {run['most_logins']} | {stats['rejected']:,} | {run['api_calls_per_rotation']:.1f} "
        f"| {run['p50'] * 1000:.0f} / {run['p99'] * 1000:.0f} / {run['max'] * 1000:.0f} |"
    )


HEAD = (
    "| engine | strategy | rotations | connects | failed | most logins in one connect | rejected logins "
    "| API calls a rotation | connect p50 / p99 / max, ms |\n|---|---|---|---|---|---|---|---|---|"
)


def report(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    about, options = result["machine"], result["options"]
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    return "\n".join(
        [
            f"`{result['command']}`",
            "",
            HEAD,
            *(line(run) for run in result["runs"]),
            "",
            f"{options['threads']} threads and {options['tasks']} tasks, each pausing {options['pause']:g} s after a "
            f"connect; fallback stages: {options['fallback_stages']}. {about['date']}, {about['cores']} cores, "
            f"{about['system']}, Python {about['python']}, {', '.join(result['servers'])}; {packages}.",
            "",
        ]
    )


def story(run: dict[str, Any]) -> None:
    """Print what happened around the first failures."""
    for failure in run["failures"][:3]:
        print(f"  FAILED {failure['ended']:.3f} (begun {failure['begun']:.3f}) {failure['error']}")
        print("\n".join(f"    {note}" for note in failure["notes"]))
    told = sorted([tuple(one) for one in run["events"]] + [(at, f"-- {text}") for at, text in run["steps"]])
    print("\n".join(f"    {at:.3f} {text}" for at, text in told[:80]))


def without_out(arguments: list[str]) -> list[str]:
    """The arguments that decide what is measured."""
    at = arguments.index("--out") if "--out" in arguments else len(arguments)
    return [one for one in arguments[:at] + arguments[at + 2 :] if not one.startswith("--out=")]


def server_version(engine: str, server: Any) -> str:
    asked = "SHOW server_version" if engine == "postgres" else "SELECT version()"
    return f"{engine} {server.sql(asked)[0][0]}"


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--rotations", type=int, default=25)
    parser.add_argument("--engine", choices=[*ENGINES, *CHOSEN], default="both")
    parser.add_argument("--strategy", choices=[*STRATEGIES, "both"], default="both")
    parser.add_argument("--seconds-per-rotation", type=float, default=None, help="default: four times the p99")
    parser.add_argument("--shortest-rotation", type=float, default=0.4, help="seconds, however quick a connect is")
    parser.add_argument("--fallback-stages", choices=list(STAGES), default="both")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds each worker waits after a connect")
    parser.add_argument(
        "--full", action="store_true", help="32 threads, 64 tasks, 1,000 rotations of each kind, pause 1"
    )
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    parser.add_argument("--idle", action="store_true", help="each worker sleeps through one or two rotations")
    options = parser.parse_args(arguments)
    if options.idle:
        options.seconds_per_rotation = options.seconds_per_rotation or 1.0
        options.pause = 1.5 * options.seconds_per_rotation  # half of it to one and a half: 0.75 to 2.25 rotations
    if options.full:
        options.threads, options.tasks, options.rotations = 32, 64, 1000
        options.pause, options.shortest_rotation = 2.0, 1.0
    return options


def save(given: list[str], options: argparse.Namespace, servers: list[str], runs: list[dict[str, Any]]) -> None:
    """Write what is known so far: a soak that is interrupted keeps the runs it finished."""
    if options.out is None:
        return
    result = {
        "command": " ".join(["python benchmarks/soak.py", *without_out(given)]),
        "machine": machine(),
        "servers": servers,
        "options": {**vars(options), "out": None},
        "runs": runs,
    }
    options.out.with_suffix(".json").write_text(json.dumps(result, indent=1, default=str))
    options.out.with_suffix(".md").write_text(report(result))


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    runs: list[dict[str, Any]] = []
    servers: list[str] = []
    with LocalSecretsManager(process=True) as secrets:
        for engine in CHOSEN.get(options.engine, (options.engine,)):
            with ENGINES[engine](options={"max_connections": str(options.threads + options.tasks + 100)}) as server:
                servers.append(server_version(engine, server))
                for strategy in STRATEGIES if options.strategy == "both" else [options.strategy]:
                    print(f"{engine}, {strategy}:", flush=True)
                    runs.append(soak(engine, strategy, server, secrets, options))
                    print(f"{HEAD}\n{line(runs[-1])}", flush=True)
                    if not passed(runs[-1]):
                        story(runs[-1])
                    save(given, options, servers, runs)
    good = all(passed(run) for run in runs)
    print("soak: 0 failed connects, at most one round of retries" if good else "soak: FAILED", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
