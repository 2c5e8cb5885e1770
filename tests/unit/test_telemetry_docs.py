"""docs/telemetry.md, the dashboard and the alert rules say what the code says: names, levels, metrics, labels."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from secretconn.otel import instrument
from tests.unit.fakes import Bed, login

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "telemetry.md").read_text()
BOARD = json.loads((ROOT / "docs" / "grafana" / "secretconn.json").read_text())
RULES = yaml.safe_load((ROOT / "docs" / "grafana" / "alerts.yaml").read_text())["groups"][0]["rules"]
QUERIES = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
ALERTS = {rule["alert"]: rule["expr"] for rule in RULES}
FROM_PROMETHEUS = {"job", "instance", "le"}


class Scrape:
    """What one secret after all that can happen to it looks like, to OpenTelemetry and to Prometheus.

    Attributes:
        units: OpenTelemetry's metric to its unit.
        labels: Prometheus' series to its labels.
    """

    def __init__(self) -> None:
        memory, bed = InMemoryMetricReader(), Bed()
        provider = MeterProvider([memory, PrometheusMetricReader()])
        end = instrument(bed.rotating, meter_provider=provider)
        bed.rotating.current()
        bed.source.put("v2", login("p2"), "AWSPENDING")
        bed.server.accepted = {("app", "p2")}
        bed.connect()
        bed.source.error = OSError()
        bed.time.now += 4000.0
        bed.rotating.current()
        data = memory.get_metrics_data()
        assert data is not None
        self.units = {one.name: one.unit for one in data.resource_metrics[0].scope_metrics[0].metrics}
        self.labels: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(generate_latest().decode()):
            for sample in family.samples:
                if sample.name.startswith("secretconn"):
                    self.labels.setdefault(sample.name, set()).update(sample.labels)
        end()
        provider.shutdown()


@pytest.fixture(scope="module")
def scrape() -> Scrape:
    return Scrape()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_metrics_is_what_is_exposed(scrape: Scrape) -> None:
    documented = {name.strip("`"): unit for name, _, unit, _ in rows("Metrics")}
    assert documented == scrape.units
    bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in scrape.labels}
    assert {name.strip("`") for _, name, _, _ in rows("Metrics")} == bases


def test_the_attributes_named_are_those_that_are_there(scrape: Scrape) -> None:
    ours = {label for labels in scrape.labels.values() for label in labels if label.startswith("secretconn_")}
    named = {name.replace(".", "_") for name in re.findall(r"`(secretconn\.(?:secret|reason|place|stage))`", PAGE)}
    assert ours | {"secretconn_place"} == named  # the source in memory has no place


def filled(expression: str) -> str:
    """A query as Grafana sends it."""
    return re.sub(r"\$__(rate_interval|range)\b", "5m", expression).replace("$job", ".*").replace("$secret", ".*")


def nodes(node: Any) -> Iterator[Any]:
    """An expression and all in it."""
    if isinstance(node, promql_parser.Expr):
        yield node
        for name in ("expr", "lhs", "rhs", "args", "vector_selector", "param"):
            inner = getattr(node, name, None)
            for one in inner if isinstance(inner, list) else [inner]:
                yield from nodes(one)


def problems(expression: str, known: dict[str, set[str]]) -> list[str]:
    """Metrics that no scrape shows, and labels that the metrics in the expression do not have."""
    found: list[str] = []
    every = list(nodes(promql_parser.parse(filled(expression))))
    selectors = [node for node in every if isinstance(node, promql_parser.VectorSelector)]
    labels = set(FROM_PROMETHEUS).union(*(known.get(node.name, set()) for node in selectors))
    for node in selectors:
        found += [node.name] if node.name not in known else []
        own = known.get(node.name, set()) | FROM_PROMETHEUS
        found += [matcher.name for matcher in node.matchers.matchers if matcher.name not in own]
    for node in every:
        modifier = getattr(node, "modifier", None)
        grouped = getattr(modifier, "labels", None) or []
        found += [label for label in grouped if label not in labels]
    return found


@pytest.mark.parametrize("expression", [*QUERIES, *ALERTS.values()])
def test_queries_parse_and_name_what_a_scrape_shows(expression: str, scrape: Scrape) -> None:
    assert problems(expression, scrape.labels) == []


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("sum by (secretconn_secret) (rate(secretconn_reads[5m]))", "secretconn_reads"),
        ("sum by (secret) (rate(secretconn_reads_total[5m]))", "secret"),
        ('secretconn_reads_total{secret="s"} > 1 and secretconn_reads_total > 2', "secret"),
        ("max(secretconn_credentials_age_seconds / (1 + secretconn_ttl))", "secretconn_ttl"),
        ("histogram_quantile(0.5, sum by (le) (rate(secretconn_recovery_seconds_bucket[5m])))", "secretconn_recovery"),
    ],
)
def test_a_wrong_query_would_be_found(wrong: str, found: str, scrape: Scrape) -> None:
    assert any(problem.startswith(found) for problem in problems(wrong, scrape.labels))


def test_the_variables_of_the_dashboard_name_what_a_scrape_shows(scrape: Scrape) -> None:
    queries = [one["definition"] for one in BOARD["templating"]["list"] if one["type"] == "query"]
    for query in queries:
        metric, label = re.fullmatch(r"label_values\((\w+).*?, (\w+)\)", query).groups()  # type: ignore[union-attr]
        assert label in scrape.labels[metric] | FROM_PROMETHEUS
    used = set(re.findall(r"\$(?!__)\{?(\w+)", json.dumps(BOARD)))
    assert used == {one["name"] for one in BOARD["templating"]["list"]}


def test_every_metric_worth_a_look_is_on_the_dashboard(scrape: Scrape) -> None:
    shown = set(re.findall(r"\bsecretconn_\w+", " ".join(QUERIES)))
    left_out = {name for name in scrape.labels if not name.endswith(("_sum", "_bucket", "_count"))} - shown
    assert left_out == {"secretconn_hit_rate"}


def test_panels_have_their_place_and_a_description() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    for panel in BOARD["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_the_table_of_alerts_is_the_file() -> None:
    documented = {name.strip("`"): severity for name, severity, _ in rows("Dashboard and alerts")}
    assert documented == {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description"}
    tested = yaml.safe_load((ROOT / "tests" / "live" / "telemetry" / "alerts_test.yaml").read_text())["tests"]
    assert all(f'alertname="{name}", alertstate="firing"' in json.dumps(tested, ensure_ascii=False).replace('\\"', '"')
               for name in documented)  # fmt: skip


def log_lines() -> Iterator[tuple[str, str, str]]:
    """Logger, level and message of each line the library may log."""
    for path in sorted((ROOT / "secretconn").rglob("*.py")):
        if {"testing", "cli"} & set(path.relative_to(ROOT).parts):
            continue
        tree = ast.parse(path.read_text())
        loggers = {
            node.targets[0].id: node.value.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("logging.getLogger(")
        }  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            call = node.func if isinstance(node, ast.Call) else None
            if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id in loggers:
                level = {"exception": "ERROR"}.get(call.attr, call.attr.upper())
                yield loggers[call.value.id], level, node.args[0].value  # type: ignore[union-attr]


def test_the_table_of_log_lines_is_the_code() -> None:
    prefix = "secretconn: "
    lines = set(log_lines())
    assert all(message.startswith(prefix) for _, _, message in lines)
    documented = {(logger.strip("`"), level, prefix + message.strip("`")) for logger, level, message in rows("Logging")}
    assert documented == lines


def test_logger_names_are_stable() -> None:
    """A public contract: applications configure these."""
    assert {logger for logger, _, _ in log_lines()} == {
        "secretconn.connect",
        "secretconn.engines",
        "secretconn.events",
        "secretconn.pools",
        "secretconn.refresh",
    }
