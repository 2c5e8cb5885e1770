"""OpenTelemetry: what instrument() reports of a secret, and what it never does."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import secretconn
from secretconn import ConfigurationError, RotatingCredentials, Stats
from secretconn.events import Recovered
from secretconn.otel import COUNTERS, GAUGES, SECONDS, instrument
from secretconn.runtime import version_of
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Bed, login

ROOT = Path(__file__).parents[2]


class Telescope:
    """Providers in memory, and what they saw."""

    def __init__(self) -> None:
        self.reader, self.exporter = InMemoryMetricReader(), InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.providers: dict[str, Any] = {
            "meter_provider": MeterProvider([self.reader]),
            "tracer_provider": self.tracers,
        }
        self.tracer = self.tracers.get_tracer("application")
        self.ends: list[Callable[[], None]] = []

    def instrument(self, *secret: Any, **more: Any) -> Callable[[], None]:
        self.ends.append(instrument(*secret, **self.providers | more))
        return self.ends[-1]

    def points(self, metric: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return [
            point for scope in scopes for one in scope.metrics if one.name == metric for point in one.data.data_points
        ]

    def values(self, metric: str) -> dict[str, float]:
        """Secret to value."""
        return {point.attributes["secretconn.secret"]: point.value for point in self.points(metric)}

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def scope() -> Iterator[Telescope]:
    telescope = Telescope()
    yield telescope
    for end in telescope.ends:
        end()


def recover(bed: Bed) -> None:
    """A connect in the window of a rotation: v1 is refused, v2 accepted under AWSPENDING."""
    bed.rotating.current()
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    bed.connect()


def fail_a_refresh(bed: Bed) -> None:
    bed.source.error = OSError("p1 is in here")
    bed.time.now += 4000.0
    bed.rotating.current()


def test_the_counters_are_those_of_stats(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    recover(bed)
    bed.source.rotate("v2", login("p2"))
    bed.rotating.refresh()
    fail_a_refresh(bed)
    told = {field: scope.values(f"secretconn.{field}")["s"] for field in COUNTERS}
    assert told == asdict(bed.rotating.stats())
    assert set(told) == {
        "reads", "hits", "stale_reads", "connects", "rejected", "suspected", "recovered", "rotations", "fetches",
        "refresh_failures", "api_calls",
    }  # fmt: skip
    assert all(told[field] > 0 for field in told if field != "suspected")
    assert scope.values("secretconn.hit_rate")["s"] == bed.rotating.stats().hit_rate


def test_each_has_a_unit_and_says_what_it_is(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    recover(bed)
    data = scope.reader.get_metrics_data()
    assert data is not None
    ((told,),) = (resource.scope_metrics for resource in data.resource_metrics)
    assert (told.scope.name, told.scope.version) == ("secretconn", version_of())
    assert {(one.name, one.unit, one.description) for one in told.metrics} == {
        *((f"secretconn.{field}", unit, about) for field, (unit, about) in COUNTERS.items()),
        *(
            (f"secretconn.{name}", unit, about)
            for name, unit, about in GAUGES.values()
            if scope.points(f"secretconn.{name}")
        ),
        ("secretconn.hit_rate", "1", "Hits per read since the start."),
        ("secretconn.refresh.duration", "s", "How long the source took, failed fetches included."),
        ("secretconn.recovery.duration", "s", "From the first rejected login to the open connection."),
    }
    (span,) = scope.spans("secretconn.recovery")
    scope_of_span = span.instrumentation_scope
    assert scope_of_span is not None
    assert (scope_of_span.name, scope_of_span.version) == ("secretconn", version_of())


def test_the_place_that_answered_is_told(scope: Telescope) -> None:
    bed = Bed()
    bed.source.place = "eu-west-1"
    scope.instrument(bed.rotating)
    bed.rotating.current()
    (span,) = scope.spans("secretconn.refresh")
    assert span.attributes is not None
    assert span.attributes["secretconn.place"] == "eu-west-1"
    assert (span.attributes["secretconn.version_id"], span.attributes["secretconn.api_calls"]) == ("v1", 1)


def test_what_follows_a_probation_is_a_trace_of_its_own(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    recover(bed)
    bed.time.now += 11.0
    with scope.tracer.start_as_current_span("request") as request:
        bed.connect()
        bed.rotating.refresh()
    *_, behind, asked = scope.spans("secretconn.refresh")
    assert behind.context is not None
    assert asked.context is not None
    trace = request.get_span_context().trace_id
    assert (behind.context.trace_id == trace, len(behind.links)) == (False, 1)
    assert (asked.context.trace_id == trace, len(asked.links)) == (True, 0)


def test_a_login_whose_version_has_lost_its_stage_is_told_as_another(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.rotating.current()
    bed.core.observers.tell(Recovered(secret_id="s", version_id="v0", stages=(), attempts=2, seconds=0.5))
    (point,) = scope.points("secretconn.recovery.duration")
    assert point.attributes["secretconn.stage"] == "other"


def test_hits_are_never_ahead_of_the_reads() -> None:
    """Instruments are collected in the order in which they were made."""
    assert list(COUNTERS).index("hits") < list(COUNTERS).index("reads")


def test_one_call_covers_all_there_are_and_all_to_come(scope: Telescope) -> None:
    before = RotatingCredentials("before", source=MemorySource(login("p1")))
    before.current()
    end = scope.instrument()
    after = RotatingCredentials("after", source=MemorySource(login("p1")))
    after.current()
    by_name = secretconn.shared("by-name/otel")
    assert scope.values("secretconn.reads")["before"] == 1
    assert scope.values("secretconn.reads")["after"] == 1
    assert scope.values("secretconn.reads")["by-name/otel"] == by_name.stats().reads == 0
    assert [span.attributes["secretconn.secret"] for span in scope.spans("secretconn.refresh")] == ["after"]
    end()
    RotatingCredentials("late", source=MemorySource(login("p1"))).current()
    after.refresh()
    assert scope.values("secretconn.reads") == {}
    assert len(scope.spans("secretconn.refresh")) == 1


def test_twice_is_once_until_both_end(scope: Telescope) -> None:
    bed = Bed()
    ends = [scope.instrument(bed.rotating) for _ in range(2)]
    bed.rotating.current()
    assert scope.values("secretconn.reads") == {"s": 1}
    assert len(scope.spans("secretconn.refresh")) == 1
    ends[0]()
    ends[0]()
    bed.rotating.refresh()
    assert len(scope.spans("secretconn.refresh")) == 2
    ends[1]()
    bed.rotating.refresh()
    assert len(scope.spans("secretconn.refresh")) == 2
    assert scope.values("secretconn.reads") == {}
    scope.instrument(bed.rotating)
    assert scope.values("secretconn.reads") == {"s": 1}


def test_it_ends_in_a_forked_child_too(scope: Telescope) -> None:
    bed = Bed()
    end = scope.instrument(bed.rotating)
    bed.rotating._after_fork()  # what the fork does there
    bed.rotating.current()
    end()
    bed.rotating.refresh()
    assert len(scope.spans("secretconn.refresh")) == 1


def test_a_connect_that_succeeds_tells_nothing(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.connect()
    spans, events = len(scope.exporter.get_finished_spans()), len(bed.events)
    for _ in range(100):
        bed.connect()
    assert (len(scope.exporter.get_finished_spans()), len(bed.events)) == (spans, events) == (1, 1)
    assert scope.values("secretconn.connects") == {"s": 101}


def test_counters_do_not_fall_when_an_object_goes(scope: Telescope) -> None:
    end = scope.instrument()
    for expected in (1, 2, 3):
        RotatingCredentials("short-lived", source=MemorySource(login("p1"))).current()
        gc.collect()
        assert scope.values("secretconn.reads")["short-lived"] == expected
    assert "short-lived" not in scope.values("secretconn.credentials.ttl")
    end()
    assert scope.values("secretconn.reads") == {}


def test_objects_of_one_name_are_added_up_and_show_the_worst_age(scope: Telescope) -> None:
    beds = [Bed(), Bed()]
    for bed in beds:
        scope.instrument(bed.rotating)
        bed.rotating.current()
    beds[0].time.now += 70.0
    beds[1].time.now += 30.0
    assert scope.values("secretconn.reads") == {"s": 2}
    assert scope.values("secretconn.credentials.age") == {"s": 70.0}


def test_gauges_of_age_ttl_and_failures(scope: Telescope) -> None:
    bed = Bed(ttl=900.0)
    bed.source.error = OSError("no")
    scope.instrument(bed.rotating)
    with pytest.raises(secretconn.SecretUnavailable):
        bed.rotating.current()
    assert scope.values("secretconn.credentials.age") == {}
    assert scope.values("secretconn.refresh.failing") == {"s": 1.0}
    bed.source.error = None
    bed.rotating.current()
    bed.time.now += 100.0
    assert scope.values("secretconn.credentials.age") == {"s": 100.0}
    assert scope.values("secretconn.credentials.ttl") == {"s": 900.0}
    assert scope.values("secretconn.refresh.failing") == {"s": 0.0}


def test_a_rotation_is_pending_for_as_long_as_it_was_seen(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)

    def pending_after(seconds: float) -> float:
        bed.time.now += seconds
        bed.rotating.refresh()
        return scope.values("secretconn.rotation.pending")["s"]

    assert pending_after(10.0) == 0.0
    bed.source.put("v2", login("p2"), "AWSPENDING")
    assert pending_after(10.0) == 0.0
    bed.time.now += 1000.0  # nobody asked: it may be over
    assert scope.values("secretconn.rotation.pending")["s"] == 0.0
    assert pending_after(500.0) == 1500.0
    bed.source.put("v3", login("p3"), "AWSPENDING")  # given up, and begun anew
    assert pending_after(10.0) == 0.0
    assert pending_after(10.0) == 10.0
    bed.source.rotate("v3", login("p3"))  # finished; AWSPENDING stays on the current version
    assert pending_after(10.0) == 0.0


def test_durations_are_histograms_with_reason_and_stage(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.source.on_read = lambda: bed.time.sleep(0.25)
    recover(bed)
    fail_a_refresh(bed)
    refreshes = {
        (point.attributes["secretconn.reason"], point.attributes.get("error.type")): point.sum
        for point in scope.points("secretconn.refresh.duration")
    }
    assert refreshes == {("first", None): 0.25, ("rejected", None): 0.5, ("ttl", "OSError"): 0.25}
    (recovery,) = scope.points("secretconn.recovery.duration")
    assert (recovery.attributes["secretconn.stage"], recovery.count, recovery.sum) == ("AWSPENDING", 1, 0.5)
    assert tuple(recovery.explicit_bounds) == SECONDS


def test_the_stage_of_a_finished_rotation_is_the_current_one(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.rotating.current()
    bed.source.rotate("v2", login("p2"))  # leaves AWSPENDING on it, as AWS does
    bed.server.accepted = {("app", "p2")}
    bed.connect()
    (recovery,) = scope.points("secretconn.recovery.duration")
    assert recovery.attributes["secretconn.stage"] == "AWSCURRENT"


def test_a_recovery_is_a_span_in_the_callers_trace_with_its_true_length(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.rotating.current()
    bed.source.on_read = lambda: bed.time.sleep(2.0)
    with scope.tracer.start_as_current_span("request") as request:
        recover(bed)
    (recovery,) = scope.spans("secretconn.recovery")
    asked = [one for one in scope.spans("secretconn.refresh") if one.attributes["secretconn.reason"] == "rejected"]
    assert len(asked) == 2  # for AWSCURRENT, which has not changed, and for AWSPENDING
    for span, seconds in ((recovery, 4), (asked[0], 2), (asked[1], 2)):
        assert span.parent == request.get_span_context()
        assert span.end_time - span.start_time == seconds * 1_000_000_000
    assert recovery.attributes["secretconn.version_id"] == "v2"
    assert recovery.attributes["secretconn.attempts"] == 2
    assert recovery.attributes["secretconn.stages"] == ("AWSPENDING",)
    assert [span.attributes["secretconn.api_calls"] for span in asked] == [1, 1]
    (rejected,) = scope.spans("request")[0].events
    assert rejected.name == "secretconn.rejected"
    assert rejected.attributes["secretconn.version_id"] == "v1"
    assert rejected.attributes["secretconn.suspect"] is False


def test_a_background_refresh_is_a_trace_of_its_own_with_a_link(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.rotating.current()
    bed.time.now += 4000.0
    with scope.tracer.start_as_current_span("request") as request:
        bed.rotating.current()
    bed.time.now += 4000.0
    bed.rotating.current()
    _, linked, alone = scope.spans("secretconn.refresh")
    assert linked.parent is None
    assert [link.context for link in linked.links] == [request.get_span_context()]
    assert (alone.parent, list(alone.links)) == (None, [])


def test_a_failed_refresh_is_an_error(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.rotating.current()
    fail_a_refresh(bed)
    _, failed = scope.spans("secretconn.refresh")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == failed.attributes["error.type"] == "OSError"
    assert failed.attributes["secretconn.retry_in"] > 0


def test_a_refresh_in_its_real_thread_stands_in_the_callers_trace(scope: Telescope) -> None:
    rotating = RotatingCredentials("threads", source=MemorySource(login("p1")))
    scope.instrument(rotating)
    with scope.tracer.start_as_current_span("request") as request:
        rotating.current()

    async def task() -> None:
        with scope.tracer.start_as_current_span("task") as span:
            await rotating.arefresh()
            expected.append(span.get_span_context())

    expected = [request.get_span_context()]
    asyncio.run(task())
    for thread in threading.enumerate():  # what a read brought is told after its callers go on
        if thread.name == "secretconn-refresh":
            thread.join(10)
    assert [span.parent for span in scope.spans("secretconn.refresh")] == expected


async def test_tasks_that_recover_side_by_side_each_have_their_own_span(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    bed.rotating.current()
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}

    async def request(number: int) -> int:
        with scope.tracer.start_as_current_span(f"request {number}") as span:
            await bed.aconnect(host=f"db{number}")
            return span.get_span_context().span_id

    wanted = await asyncio.gather(*(request(number) for number in range(5)))
    assert sorted(span.parent.span_id for span in scope.spans("secretconn.recovery") if span.parent) == sorted(wanted)


def test_nothing_of_the_secret_is_reported(scope: Telescope) -> None:
    word = "xyzzy-"
    bed = Bed()
    content = {"username": word + "user", "password": word + "1", "host": "db"}
    bed.source.put("v1", content, "AWSCURRENT")
    scope.instrument(bed.rotating)
    with scope.tracer.start_as_current_span("request"):
        bed.rotating.current()
        bed.source.put("v2", content | {"password": word + "2"}, "AWSPENDING")
        bed.server.accepted = {(word + "user", word + "2")}
        bed.connect()
        bed.source.error = OSError(word)
        bed.time.now += 4000.0
        bed.rotating.current()
    data = scope.reader.get_metrics_data()
    assert data is not None
    shown = data.to_json() + "".join(span.to_json() for span in scope.exporter.get_finished_spans())
    assert "secretconn.recovery.duration" in shown
    assert "OSError" in shown
    assert word not in shown


def test_the_secrets_name_is_the_callers_choice(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating, name=lambda secret_id: f"<{secret_id}>")
    bed.rotating.current()
    assert scope.values("secretconn.reads") == {"<s>": 1}
    assert scope.spans("secretconn.refresh")[0].attributes["secretconn.secret"] == "<s>"


def test_a_name_that_fails_harms_no_connection(scope: Telescope, caplog: pytest.LogCaptureFixture) -> None:
    def name(secret_id: str) -> str:
        if secret_id == "later":
            raise RuntimeError("mine")
        return secret_id

    end = scope.instrument(name=name)
    later = RotatingCredentials("later", source=MemorySource(login("p1")))
    assert later.current().password == "p1"
    assert [record.name for record in caplog.records] == ["secretconn.events"]
    end()
    with pytest.raises(RuntimeError, match="mine"):
        scope.instrument(later, name=name)


def test_a_secret_by_name_is_the_shared_one(scope: Telescope) -> None:
    scope.instrument("shared/otel")
    assert scope.values("secretconn.credentials.ttl") == {"shared/otel": secretconn.shared("shared/otel")._settings.ttl}


def test_another_tracer_provider_is_refused(scope: Telescope) -> None:
    bed = Bed()
    scope.instrument(bed.rotating)
    with pytest.raises(ConfigurationError, match="tracer_provider"):
        scope.instrument(bed.rotating, tracer_provider=TracerProvider())


def run(code: str) -> str:
    """In a process of its own: global providers can be set once."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_the_package_the_extra_is_named() -> None:
    hidden = "import sys; sys.modules['opentelemetry'] = None\n"
    tried = run(f"{hidden}try: import secretconn.otel\nexcept ImportError as error: print(error)")
    assert "pip install 'secretconn[otel]'" in tried


GLOBAL = """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from secretconn import RotatingCredentials
from secretconn.otel import instrument
from secretconn.runtime import version_of
from secretconn.testing.memory import MemorySource

reader = InMemoryMetricReader()
provider = MeterProvider([reader])
{calls}
RotatingCredentials("s", source=MemorySource({{"username": "app", "password": "p", "host": "db"}})).current()
for one in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
    if one.name in ("secretconn.reads", "secretconn.refresh.duration"):
        print(*(getattr(point, "value", None) or point.count for point in one.data.data_points))
"""


@pytest.mark.parametrize(
    "calls",
    [
        "instrument(); metrics.set_meter_provider(provider); instrument(); instrument(meter_provider=provider)",
        "instrument(meter_provider=provider); metrics.set_meter_provider(provider); instrument()",
    ],
)
def test_the_global_provider_is_one_whoever_names_it(calls: str) -> None:
    assert run(GLOBAL.format(calls=calls)) == "1\n1\n"


FORKING = """
import json, os, threading
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from secretconn import RotatingCredentials
from secretconn.otel import instrument
from secretconn.runtime import version_of
from secretconn.testing.memory import MemorySource

def report(reader):
    told = {}
    for one in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
        for point in one.data.data_points:
            key = one.name + " " + point.attributes["secretconn.secret"]
            told[key] = point.count if one.name.endswith("duration") else point.value
    print(json.dumps(told), flush=True)

def settled():                                  # what a read brought is told after its callers go on
    for thread in threading.enumerate():
        if thread.name == "secretconn-refresh":
            thread.join()

def secret(name):
    return RotatingCredentials(name, source=MemorySource({"username": "app", "password": "p", "host": "db"}))

early = InMemoryMetricReader()
earlier_provider = MeterProvider([early])
instrument()                                    # no provider is set yet
held, gone, long_gone = secret("held"), secret("gone"), secret("long-gone")
instrument(meter_provider=earlier_provider)
held.current(); held.current(); gone.current(); long_gone.current()
settled()
del long_gone
report(early)
del gone
if os.fork() == 0:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    instrument()
    held.current(); held.refresh(); secret("new").current()
    settled()
    report(reader)
    report(early)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
report(early)
"""


def test_a_forked_worker_sets_its_own_provider_and_counts_from_zero() -> None:
    before, own, inherited, parent = map(json.loads, run(FORKING).splitlines())
    assert before["secretconn.reads long-gone"] == parent["secretconn.reads long-gone"] == 1
    for child in (own, inherited):
        assert child["secretconn.reads held"] == 1
        assert child["secretconn.reads new"] == 1
        assert not {"secretconn.reads gone", "secretconn.reads long-gone"} & set(child)
    assert own["secretconn.refresh.duration held"] == 1
    assert (parent["secretconn.reads held"], parent["secretconn.reads gone"]) == (2, 1)


def test_stats_know_no_further_counter() -> None:
    assert set(COUNTERS) == set(asdict(Stats()))
