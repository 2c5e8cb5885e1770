"""Rules for all tests: in CI a skipped live test is a failure, so that a server that did not start cannot look fine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

with contextlib.suppress(ImportError):  # the environments of single frameworks have no Hypothesis
    from hypothesis import HealthCheck, settings

    # No test fails because the machine is slow, and CI draws fresh examples too.
    slow = [HealthCheck.too_slow]
    settings.register_profile("untimed", deadline=None, suppress_health_check=slow, derandomize=False, print_blob=True)
    settings.load_profile("untimed")

LIVE = Path(__file__).parent / "live"
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _no_skip_in_ci((yield), item.path)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _no_skip_in_ci((yield), getattr(collector, "path", Path()))


def _no_skip_in_ci(report: Report, path: Path) -> Report:
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    expected_to_fail = hasattr(report, "wasxfail")  # pytest reports xfail as a kind of skip
    if in_ci and report.skipped and not expected_to_fail and path.is_relative_to(LIVE):
        where = f"{path.relative_to(LIVE.parent)}: skipped"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{where}, which is a failure in CI. {reason}"
    return report
