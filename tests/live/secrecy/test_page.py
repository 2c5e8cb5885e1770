"""docs/security.md says what was tried, by kind, with the counts of the tests that try it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.drivers.table import C_EXTENSION

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/security.md"

TRIED = {
    "malformed and odd secrets: read, or refused where the value is used": ["tests/unit/test_credentials.py"],
    "odd secrets on real servers, each driver; the driver's own answers for what is left out": [
        "tests/live/drivers/test_hostile_secrets.py::test_an_odd_value_logs_in",
        "tests/live/drivers/test_hostile_secrets.py::test_a_byte_order_mark_before_the_json_logs_in",
        "tests/live/drivers/test_hostile_secrets.py::test_a_value_that_nobody_needs_is_not_judged",
        "tests/live/drivers/test_hostile_secrets.py::test_postgresql_s_variables_answer_what_the_secret_leaves_out",
        "tests/live/drivers/test_hostile_secrets.py::test_so_does_a_service_file",
        "tests/live/drivers/test_hostile_secrets.py::test_so_does_an_option_file",
    ],
    "hostile values for each driver: NUL, `;`": [
        "tests/unit/test_keywords.py::test_nul_is_refused_wherever_it_would_end_a_value",
        "tests/unit/test_keywords.py::test_a_semicolon_that_would_begin_another_keyword_is_refused",
        "tests/unit/test_keywords.py::test_db2_cannot_hold_a_semicolon_in_a_login",
        "tests/live/drivers/test_hostile_secrets.py::test_nothing_is_sent_where_a_nul_would_end_a_value",
    ],
    "odd passwords, users and databases on real servers: what the plain driver opens, ours opens": [
        "tests/live/drivers/test_hostile_secrets.py::test_nothing_is_refused_that_the_plain_driver_opens",
        "tests/live/drivers/test_hostile_secrets.py::test_nor_of_users_and_databases",
    ],
    "content, addresses and ARNs given in place of a name": [
        "tests/unit/sources/test_names.py",
        "tests/unit/test_arn.py",
    ],
    "agents: wrong, hostile, slow, absent, on another machine": [
        "tests/unit/sources/test_agent.py",
        "tests/unit/sources/test_agent_reply.py",
        "tests/live/sources/test_agent.py",
        "tests/unit/sources/test_choose.py::test_contradictions_are_named",
    ],
    "faults of AWS and of its configuration": [
        "tests/live/faults",
        "tests/live/sources/test_secrets_manager.py",
        "tests/live/sources/test_own_keys.py",
        "tests/unit/sources/test_secrets_manager.py",
        "tests/unit/sources/test_sessions.py",
        "tests/unit/sources/test_replicas.py",
    ],
    "leaks looked for: each way to connect, each way it can end": [
        "tests/live/secrecy/test_every_way.py",
        "tests/live/sources/test_logging.py",
        "tests/unit/test_secrecy.py",
        "tests/live/tokens/test_secrecy.py",
    ],
    "arguments by which a token would be sent without TLS": [
        "tests/unit/engines/test_tls.py::test_what_may_send_a_token_in_clear_is_refused",
        "tests/live/tokens/test_rows.py::test_what_switches_tls_off_is_refused_before_any_login",
        "tests/live/tokens/test_services.py::test_redis_without_tls_is_refused",
    ],
    "strangers at the servers of tests": ["tests/live/testing/test_strangers.py"],
}


def test_the_table_has_the_counts_of_the_tests(request: pytest.FixtureRequest) -> None:
    listed = listed_in(request.config, request.session)
    table = "\n".join(["| tried | tests | where |", "|---|---|---|", *(row(kind, listed) for kind in TRIED)])
    between = re.compile(r"(<!-- tried: [^\n]*-->\n)(.*?)(\n<!-- /tried -->)", re.DOTALL)
    found = between.search(PAGE.read_text())
    assert found is not None
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(between.sub(lambda match: match[1] + table + match[3], PAGE.read_text()))
    else:
        assert found[2] == table


def listed_in(config: pytest.Config, session: pytest.Session) -> list[str]:
    """The tests of this run if it is one of all tests; else pytest is asked again, which takes seconds."""
    if config.args == config.getini("testpaths") and not (config.option.keyword or config.option.markexpr):
        return [item.nodeid for item in session.items]
    wanted = sorted({place.partition("::")[0] for places in TRIED.values() for place in places})
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *wanted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def row(kind: str, listed: list[str]) -> str:
    listed = [test for test in listed if C_EXTENSION not in test]  # it is not on every machine
    counts = [sum(test.startswith((f"{place}[", f"{place}::", f"{place}/")) or test == place for test in listed)
              for place in TRIED[kind]]  # fmt: skip
    assert all(counts), (kind, counts)
    files = dict.fromkeys(place.partition("::")[0] for place in TRIED[kind])
    return f"| {kind} | {sum(counts)} | {', '.join(f'`{file}`' for file in files)} |"
