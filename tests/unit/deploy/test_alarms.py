"""The alarms' metric filters, held to lines that really are logged."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from secretconn import RotatingCredentials, Runtime, SecretUnavailable
from secretconn.testing.memory import MemorySource
from tests.unit.deploy.reading import resources

LOGIN = {"engine": "postgres", "host": "db", "username": "app", "password": "pw"}


def matches(pattern: str, line: str) -> bool:
    """CloudWatch's unstructured patterns, as far as they are used: quoted terms, all of which are in the line."""
    terms = re.findall(r'"([^"]*)"', pattern)
    assert " ".join(f'"{term}"' for term in terms) == pattern
    return all(term in line for term in terms)


def counted(line: str) -> Mapping[str, int]:
    """Metric name to how much this line adds to it, over all filters."""
    found: dict[str, int] = {}
    for one in resources("alarms", "AWS::Logs::MetricFilter").values():
        if matches(one["FilterPattern"], line):
            (to,) = one["MetricTransformations"]
            found[to["MetricName"]] = found.get(to["MetricName"], 0) + int(to["MetricValue"])
    return found


def test_a_secret_that_cannot_be_read_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "secretconn")
    source = MemorySource(LOGIN)
    credentials = RotatingCredentials("orders", source=source, runtime=Runtime(environ={}))
    credentials.current()
    source.error = ConnectionError("no route")
    with pytest.raises(SecretUnavailable):
        credentials.refresh()
    (record,) = caplog.records
    assert counted(f"2026-01-01 WARNING [7] secretconn: {record.getMessage()}") == {"RefreshFailures": 1}
    source.error = None
    credentials.refresh()
    assert counted(caplog.records[-1].getMessage()) == {}  # readable again


def test_a_secret_that_never_was_read_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    source = MemorySource(LOGIN)
    source.error = ConnectionError("no route")
    with pytest.raises(SecretUnavailable):
        RotatingCredentials("orders", source=source, runtime=Runtime(environ={})).current()
    (record,) = caplog.records
    assert counted(record.getMessage()) == {"RefreshFailures": 1}


def test_logins_that_databases_refuse_count() -> None:
    """Lines as AWS documents them; they were not read from an Aurora cluster."""
    refused = "2026-01-01 10:12:31 UTC:10.20.16.7(6789):webapp@webapp:[12507]:FATAL: password authentication failed"
    assert counted(refused) == {"FailedLogins": 1}
    assert counted("2026-01-01 10:12:31 UTC:10.20.16.7(6789):webapp@webapp:[12507]:LOG: connection authorized") == {}
    audit = "1735725151,writer,webapp,10.20.16.7,411,0,{},,,{}"
    assert counted(audit.format("CONNECT", 1045)) == {"FailedLogins": 1}
    assert counted(audit.format("CONNECT", 0)) == {}


def test_every_filter_feeds_an_alarm() -> None:
    fed = {
        one["MetricTransformations"][0]["MetricName"] for one in resources("alarms", "AWS::Logs::MetricFilter").values()
    }
    assert fed <= {alarm["MetricName"] for alarm in resources("alarms", "AWS::CloudWatch::Alarm").values()}


def test_tasks_that_are_replaced_again_and_again_raise_the_alarm() -> None:
    """ECS replaces a task once it is unhealthy, and one that starts is not unhealthy yet: only the ready ones tell."""
    (alarm,) = [
        one
        for one in resources("alarms", "AWS::CloudWatch::Alarm").values()
        if one["Namespace"] == "AWS/ApplicationELB"
    ]
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == ("HealthyHostCount", "LessThanThreshold")
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == ({"Ref": "MinTasks"}, "breaching")


def test_every_alarm_says_when_it_is_over() -> None:
    for alarm in resources("alarms", "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Topic"}]
