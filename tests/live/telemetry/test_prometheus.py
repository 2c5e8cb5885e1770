"""docs/telemetry.md on a real PostgreSQL whose password rotates, scraped by a real Prometheus."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from secretconn.testing import Application, LocalSecretsManager, PostgresServer
from tests.live.telemetry.conftest import BLOCKS, ROOT, Observed

BOARD = json.loads((ROOT / "docs" / "grafana" / "secretconn.json").read_text())
QUERIES = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def documented() -> set[str]:
    """Prometheus' names in the page's table of metrics."""
    page = (ROOT / "docs" / "telemetry.md").read_text()
    return set(re.findall(r"^\| `secretconn\.\S+` \| `(secretconn_\w+)`", page, re.MULTILINE))


def filled(expression: str) -> str:
    """A query as Grafana sends it, for some seconds of data."""
    spans = expression.replace("$__rate_interval", "10s").replace("$__range", "10s")
    return spans.replace("$job", "orders").replace("$secret", ".*")


def values(observed: Observed, expression: str) -> list[float]:
    return [float(sample["value"][1]) for sample in observed.query(filled(expression))]


def test_rotations_show_on_every_panel_of_the_dashboard(observed: Observed) -> None:
    for _ in range(2):  # the first is noticed as a rotation when the second has its login rejected
        observed.app.rotator("single-user", pause=0.5).rotate()
    missing, until = QUERIES, time.monotonic() + 60.0
    while missing and time.monotonic() < until:
        time.sleep(0.25)
        missing = [one for one in missing if not any(value >= 0 for value in values(observed, one))]  # NaN is no value
    assert missing == []
    (labels,) = [sample["metric"] for sample in observed.query("secretconn_rejected_total")]
    assert (labels["job"], labels["secretconn_secret"]) == ("orders", observed.app.secret_id)
    (rejected,), (recovered,) = (values(observed, f"secretconn_{one}_total") for one in ("rejected", "recovered"))
    assert rejected == recovered > 0
    assert values(observed, "secretconn_rotations_total")[0] >= 1
    stages = {
        sample["metric"]["secretconn_stage"] for sample in observed.query("secretconn_recovery_duration_seconds_count")
    }
    assert "AWSPENDING" in stages  # the window was bridged


def test_a_scrape_shows_the_documented_names_and_no_secret(observed: Observed) -> None:
    text = observed.scrape()
    series = re.findall(r"^(secretconn_\w+)\{", text, re.MULTILINE)
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in series}
    assert names == documented()
    for stage in ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"):
        assert observed.app.login(stage).password not in text


def test_prometheus_loads_the_alert_rules_and_none_fires(observed: Observed) -> None:
    (group,) = observed.ask("rules")["groups"]
    assert len(group["rules"]) == 6
    assert {(rule["health"], rule["state"]) for rule in group["rules"]} <= {("ok", "inactive"), ("unknown", "inactive")}


def test_the_alert_rules_fire_when_they_should_and_only_then(programs: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "grafana" / "alerts.yaml", tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yaml"), tmp_path)
    for command in (("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")):
        done = subprocess.run(
            [programs / "promtool", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippet_about_names_runs() -> None:
    check = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
import secretconn
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
secret = secretconn.RotatingCredentials("arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf")
shown = reader.get_metrics_data().to_json()
print("orders-AbCdEf" in shown, "123456789012" in shown)
"""
    assert run(BLOCKS[1] + check, {}) == "True False\n"


def test_the_snippet_for_gunicorn_runs(postgres: PostgresServer, secrets_manager: LocalSecretsManager) -> None:
    """A preloaded application that has connected before the fork; the worker is made by gunicorn's hook."""
    app = Application(postgres, secrets_manager)
    fork = f"""
import os, types
import secretconn
from secretconn.otel import instrument

instrument()
for _ in range(3):
    secretconn.connect({app.secret_id!r}).close()
if os.fork() == 0:
    post_fork(None, types.SimpleNamespace(pid=os.getpid()))
    secretconn.connect({app.secret_id!r}).close()
    metrics.get_meter_provider().shutdown()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""
    (resource,) = json.loads(run(BLOCKS[2] + fork, secrets_manager.environment))["resource_metrics"]
    assert resource["resource"]["attributes"]["service.instance.id"].startswith("orders-")
    told = {one["name"]: one["data"]["data_points"] for one in resource["scope_metrics"][0]["metrics"]}
    (connects,) = told["secretconn.connects"]
    assert (connects["value"], connects["attributes"]) == (1, {"secretconn.secret": app.secret_id})
    (reads,), (hits,) = told["secretconn.reads"], told["secretconn.hits"]
    assert reads["value"] == hits["value"] == 1  # the login came with the fork
