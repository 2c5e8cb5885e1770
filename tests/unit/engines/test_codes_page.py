"""docs/codes.md is made of the code's own tables and of what the classifiers answer. UPDATE_DOCS=1 writes it anew."""

from __future__ import annotations

import importlib
import inspect
import io
import os
import re
import tokenize
from pathlib import Path

import pytest

from secretconn import Verdict
from secretconn.engines.postgresql import classify
from secretconn.engines.redshift import classify as classify_redshift
from tests.unit.engines.poolers import TOLD

PAGE = Path(__file__).parents[3] / "docs" / "codes.md"

TABLES = {
    "mysql": (
        "MySQL, MariaDB, Aurora MySQL",
        "_CODES",
        "real servers, MariaDB 10.11 and MySQL 9.7 (there 1040, 1044, 1045, 1049, 1226, 1862, 2000, 2061, 3118, 3955)",
    ),
    "oracle": ("Oracle", "CODES", "constructed, as the driver constructs them"),
    "sqlserver": ("SQL Server", "CODES", "fake server that speaks TDS; the texts of Azure SQL: documentation"),
    "db2": ("Db2 (the reason in SQL30082N)", "REASONS", "fake server that speaks DRDA"),
    "mongodb": ("MongoDB, DocumentDB, Atlas", "CODES", "fake server that speaks OP_MSG"),
    "redis": ("Redis, Valkey, ElastiCache", "PREFIXES", "real server"),
    "snowflake": ("Snowflake", "CODES", "fake server that speaks HTTP"),
}
"""Module to the title, the name of its table there, and how it was verified."""

POSTGRESQL: list[tuple[str, str, str]] = [
    ("28P01", 'password authentication failed for user "app"', "real server"),
    ("28000", 'PAM authentication failed for user "app"', "source"),
    ("28000", 'LDAP authentication failed for user "app"', "source"),
    ("28000", 'role "app" is not permitted to log in', "real server"),
    ("28000", 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "d", SSL encryption', "source"),
    ("28000", 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "d", no encryption', "real server"),
    ("28000", "any other text", "real server"),
    ("08P01", "any other text", "PgBouncer, real server"),
    ("3D000", 'database "orders" does not exist', "real server"),
    ("42501", 'permission denied for database "orders"', "real server"),
    ("53300", "sorry, too many clients already", "real server"),
    ("57P03", "the database system is starting up", "source"),
]

RUN = {
    "SASL authentication failed",
    "password authentication failed",
    "no such user",
    '"trust" authentication failed',
    "no such database: orders",
}
"""What a real PgBouncer said; what else poolers say is read in their sources."""

POOLERS = [
    (state, text.replace("\n", " "), f"{who}, real server" if text in RUN else f"{who}, source")
    for who, state, text, _ in TOLD
    if who != "none"
]


class WithState(Exception):
    """As asyncpg reports it."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def comments(source: str) -> dict[int, str]:
    """Line to the comment on it."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {one.start[0]: one.string.lstrip("# ") for one in tokens if one.type == tokenize.COMMENT}


def entries(module_name: str, table: str) -> list[tuple[str, str, Verdict]]:
    """Code, meaning and verdict of each line of a module's table; the meaning is the comment on that line."""
    module = importlib.import_module(f"secretconn.engines.{module_name}")
    source = inspect.getsource(module)
    said = comments(source)
    found = []
    for number, line in enumerate(source.splitlines(), 1):
        entry = re.match(r"    \"?([^\":#]+)\"?: Verdict\.([A-Z]+),", line)
        if entry is not None:
            found.append((entry[1], said[number], Verdict[entry[2]]))
    assert {code: verdict for code, _, verdict in found} == {str(c): v for c, v in getattr(module, table).items()}
    return found


def rows(module_name: str) -> list[str]:
    title, table, verified = TABLES[module_name]
    head = [f"## {title}", "", f"Verified: {verified}.", "", "| code | meaning | verdict |", "|---|---|---|"]
    return [
        *head,
        *(f"| {code} | {text} | {verdict.value} |" for code, text, verdict in entries(module_name, table)),
        "",
    ]


def postgresql_rows() -> list[str]:
    head = ["## PostgreSQL, Aurora PostgreSQL, Redshift", ""]
    head += ["| SQLSTATE | text | with the SQLSTATE | the text alone | verified |", "|---|---|---|---|---|"]
    lines = []
    for sqlstate, text, verified in POSTGRESQL + POOLERS:
        with_state = classify(WithState(sqlstate, text)).value
        alone = Exception(f'connection to server at "db", port 5432 failed: FATAL:  {text}')
        alone.pgerror = None  # type: ignore[attr-defined]  # as psycopg2 reports it
        lines.append(f"| {sqlstate} | {text} | {with_state} | {classify(alone).value} | {verified} |")
    return [*head, *lines, ""]


def page() -> str:
    parts = [*rows("mysql"), *postgresql_rows()]
    for name in list(TABLES)[1:]:
        parts += rows(name)
    return "\n".join(parts).rstrip() + "\n"


def test_the_page_is_that_of_the_code() -> None:
    mark = "<!-- codes: made by tests/unit/engines/test_codes_page.py -->\n"
    head, _, found = PAGE.read_text().partition(mark)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(head + mark + page())
    else:
        assert found == page()


def test_every_engine_is_on_the_page() -> None:
    from secretconn.engines import BUILT_IN

    assert {engine.name for engine in BUILT_IN} == {*TABLES, "postgresql", "redshift"}


@pytest.mark.parametrize(
    ("text", "verdict"), [("password authentication failed", Verdict.REJECTED), ("x", Verdict.SUSPECT)]
)
def test_what_the_page_says_of_redshift(text: str, verdict: Verdict) -> None:
    assert classify_redshift(WithState("28000", text)) is verdict
