"""docs/engines.md and docs/drivers.md say what the code says. UPDATE_DOCS=1 writes their tables anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from secretconn import Verdict
from secretconn.engines import BUILT_IN, Registry, db2, mongodb, mysql, oracle, redis, snowflake, sqlserver

DOCS = Path(__file__).parents[3] / "docs"

MYSQL, POSTGRESQL = "real server (MariaDB, MySQL 9.7)", "real server"
VERIFIED = {
    **dict.fromkeys(["pymysql", "mysqlclient", "aiomysql", "asyncmy", "mysql-connector", "mariadb"], (MYSQL, True)),
    **dict.fromkeys(["psycopg", "psycopg2", "asyncpg", "pg8000"], (POSTGRESQL, True)),
    "oracledb": ("constructed; refused connection and unknown host real", True),
    "mssql-python": ("fake server", False),
    "pyodbc": ("fake server, with FreeTDS; by hand with Microsoft's driver", True),
    "pymssql": ("fake server, accepted logins too", True),
    "ibm-db": ("fake server", False),
    "redshift-connector": ("real PostgreSQL (md5) for 28P01, 3D000; Redshift's own 28000 from source", False),
    "pymongo": ("fake server", True),
    "redis": ("real server (Redis 7.0)", True),
    "snowflake": ("fake server (5.2); 3.x constructed", True),
}
CODES: list[tuple[str, dict[Any, Verdict]]] = [
    ("mysql", mysql._CODES),
    ("oracle", oracle.CODES),
    ("sqlserver", sqlserver.CODES),
    ("db2 (reason of SQL30082N)", db2.REASONS),
    ("mongodb", mongodb.CODES),
    ("redis", redis.PREFIXES),
    ("snowflake", snowflake.CODES),
]


def table(head: str, rows: list[str]) -> str:
    return "\n".join([head, re.sub(r"[^|]+", "---", head), *rows])


def engines() -> str:
    rows = [
        f"| {engine.name} | {', '.join(f'`{name}`' for name in sorted(engine.secret_names))} "
        f"| {engine.default_port or ''} | {engine.default_database or ''} "
        f"| {', '.join(driver.name for driver in engine.drivers)} |"
        for engine in BUILT_IN
    ]
    return table("| engine | `engine` in the secret | port | database | drivers |", rows)


def drivers() -> str:
    rows = []
    for engine in BUILT_IN:
        for driver in engine.drivers:
            if driver.engine != engine.name:
                continue
            how, in_ci = VERIFIED[driver.name]
            kind = "/".join(word for word, path in (("sync", driver.connect), ("async", driver.aconnect)) if path)
            names = ", ".join(f"`{driver.keywords[key]}`" for key in ("user", "password", "host", "port", "database"))
            extra = f"`secretconn[{driver.extra}]`"
            rows.append(f"| {driver.name} | {extra} | {kind} | {names} | {how} | {'yes' if in_ci else 'no'} |")
    return table("| driver | extra | connects | filled in | verified | in CI |", rows)


ENDPOINT = {"mysql": "endpoint, MariaDB and MySQL 9.7", "postgresql": "endpoint, PostgreSQL 18"}


def credentials() -> str:
    rows = []
    for engine in BUILT_IN:
        for driver in (one for one in engine.drivers if one.engine == engine.name):
            rds = ENDPOINT.get(engine.name, "") if driver.tls is not None else ""
            cells = (VERIFIED[driver.name][0], rds, rds if engine.name == "postgresql" else "")
            cache = "endpoint, Redis 7.0" if driver.tls is not None and engine.name == "redis" else ""
            rows.append(f"| {driver.name} | {' | '.join(cell or 'none' for cell in (*cells, cache))} |")
    return table("| driver | secret | RDS IAM | Aurora DSQL | ElastiCache IAM, MemoryDB IAM |", rows)


def codes() -> str:
    def those(known: dict[Any, Verdict], verdict: Verdict) -> str:
        return ", ".join(str(code) for code, one in known.items() if one is verdict)

    told = (Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED)
    rows = [f"| {name} | {' | '.join(those(known, verdict) for verdict in told)} |" for name, known in CODES]
    return table("| engine | rejected | suspect | barred |", rows)


@pytest.mark.parametrize(
    ("page", "make"), [("engines", engines), ("drivers", drivers), ("drivers", codes), ("drivers", credentials)]
)
def test_the_tables_are_those_of_the_code(page: str, make: Callable[[], str]) -> None:
    path = DOCS / f"{page}.md"
    between = re.compile(rf"(<!-- {make.__name__}: [^\n]*-->\n)(.*?)(\n<!-- /{make.__name__} -->)", re.DOTALL)
    text = path.read_text()
    found = between.search(text)
    assert found is not None
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(between.sub(lambda match: match[1] + make() + match[3], text))
    else:
        assert found[2] == make()


def test_the_example_of_an_own_engine_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(
        r"<!-- example: (\S+\.py).*?-->\n```python\n(.*?)```", (DOCS / "engines.md").read_text(), re.DOTALL
    )
    assert found is not None
    (tmp_path / found[1]).write_text(found[2])
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("acme", "acme_secretconn:ENGINE", "secretconn.engines")
    registry = Registry(BUILT_IN, entry_points=lambda: [point])
    driver = registry.driver_named("acme")
    assert registry.engine_named("acmedb").drivers == (driver,)
    assert driver.given((), {"login": "me"}).has_login
    refused = RuntimeError("no")
    refused.code = 401  # type: ignore[attr-defined]
    assert (driver.classify(refused), driver.classify(ValueError())) == (Verdict.REJECTED, Verdict.OTHER)
