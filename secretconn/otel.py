"""OpenTelemetry: a secret's counters as metrics, its refreshes and recoveries as spans. Names: docs/telemetry.md.

Nothing is added to a connect: counters and gauges are read when a metric reader collects, all else comes from events.
Facts: the API's ``metrics`` and ``trace`` packages; names follow the general part of the semantic conventions.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from secretconn._core.rotating import RotatingCredentials, each
from secretconn._core.shared import shared
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.errors import ConfigurationError, DriverNotInstalled
from secretconn.events import Event, Fetched, Recovered, Refreshed, RefreshFailed, Rejected
from secretconn.runtime import at_fork, version_of
from secretconn.watched import WatchedSecrets

try:
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, Observation
except ImportError as error:
    raise DriverNotInstalled(f"OpenTelemetry cannot be imported ({error}): pip install 'secretconn[otel]'") from error

__all__ = ["instrument"]

SECRET = "secretconn.secret"  # noqa: S105  (an attribute's name)

COUNTERS = {
    "hits": ("{read}", "Reads of the login that were answered without waiting."),  # before reads: never more than those
    "reads": ("{read}", "Reads of the login."),
    "stale_reads": ("{read}", "Reads that were answered by a login past its TTL."),
    "connects": ("{connection}", "Connections opened."),
    "recovered": ("{connection}", "Connections opened after at least one rejected login."),
    "rejected": ("{login}", "Logins that a server refused."),
    "suspected": ("{login}", "Failed logins whose reason the driver hides."),
    "fetches": ("{fetch}", "Answers of the source, failed ones too."),
    "refresh_failures": ("{fetch}", "Fetches that brought no answer."),
    "api_calls": ("{call}", "Calls to Secrets Manager."),
    "rotations": ("{rotation}", "Times the current version was seen to change."),
}
"""Field of Stats to unit and description; the metric is ``secretconn.<field>``."""

GAUGES = {
    "age": ("credentials.age", "s", "Since the answer in use was requested."),
    "ttl": ("credentials.ttl", "s", "After which an answer is re-read."),
    "failing": ("refresh.failing", "{fetch}", "Failed fetches in a row; 0 after an answer."),
    "pending": ("rotation.pending", "s", "For which the same AWSPENDING version was seen."),
}
"""Gauge of Watched to metric, unit and description."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds of the histograms' buckets: those of the semantic conventions for request durations."""


def instrument(
    secret: str | RotatingCredentials | None = None,
    /,
    *,
    meter_provider: metrics.MeterProvider | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    name: Callable[[str], str] = str,
) -> Callable[[], None]:
    """Report a secret to OpenTelemetry; with none given, every secret of this process, those used later included.

    Call it once at start-up. Calling it again for the same secret changes nothing.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        meter_provider, tracer_provider: Default: the global ones, also when they are set only after this call.
        name: What the attribute ``secretconn.secret`` says for a secret id; for example without an account number.

    Returns:
        What ends it.

    Raises:
        ConfigurationError: the meter provider is in use here with another tracer provider.
    """
    watched = _telemetry(meter_provider, tracer_provider).secrets
    claim = watched.claim()

    def watch(rotating: RotatingCredentials) -> None:
        watched.watch(rotating, name, claim)

    def end() -> None:
        stop()
        watched.leave(claim)

    stop: Callable[[], object] = lambda: None  # noqa: E731
    if secret is None:
        stop = each(watch)
    else:
        watch(secret if isinstance(secret, RotatingCredentials) else shared(secret))
    return end


class _Telemetry:
    """The instruments and the tracer of one pair of providers, and the secrets they tell of."""

    def __init__(self, meter_provider: metrics.MeterProvider | None, tracer_provider: trace.TracerProvider | None):
        self.tracer_provider = tracer_provider
        self._tracer = trace.get_tracer("secretconn", version_of(), tracer_provider)
        self.secrets = WatchedSecrets(self._told)
        meter = metrics.get_meter("secretconn", version_of(), meter_provider)
        self._make_observables(meter)
        self._refreshes = _histogram(meter, "refresh", "How long the source took, failed fetches included.")
        self._recoveries = _histogram(meter, "recovery", "From the first rejected login to the open connection.")

    # -- metrics, when a reader collects ------------------------------------------------------------------------------

    def _make_observables(self, meter: metrics.Meter) -> None:
        for field, (unit, about) in COUNTERS.items():
            meter.create_observable_counter(f"secretconn.{field}", [partial(self._count, field)], unit, about)
        for gauge, (metric, unit, about) in GAUGES.items():
            meter.create_observable_gauge(f"secretconn.{metric}", [partial(self._gauge, gauge)], unit, about)
        meter.create_observable_gauge("secretconn.hit_rate", [self._hit_rate], "1", "Hits per read since the start.")

    def _count(self, field: str, _options: CallbackOptions) -> Iterable[Observation]:
        return _observations(self.secrets.total(field))

    def _gauge(self, gauge: str, _options: CallbackOptions) -> Iterable[Observation]:
        return _observations(self.secrets.worst(gauge))

    def _hit_rate(self, _options: CallbackOptions) -> Iterable[Observation]:
        hits, reads = self.secrets.total("hits"), self.secrets.total("reads")
        return _observations({name: hits.get(name, 0) / count for name, count in reads.items() if count})

    # -- histograms and spans, from events ----------------------------------------------------------------------------

    def _told(self, name: str, event: Event) -> None:
        about = {SECRET: name}
        if isinstance(event, Fetched | Refreshed | RefreshFailed):
            self._refreshed(about, event)
        elif isinstance(event, Recovered):
            self._recoveries.record(event.seconds, about | {"secretconn.stage": _stage(event.stages)})
            self._span("secretconn.recovery", event.seconds, about | _version_of(event) | _more(event, "attempts"))
        elif isinstance(event, Rejected):
            trace.get_current_span().add_event(
                "secretconn.rejected", about | _version_of(event) | {"secretconn.suspect": event.suspect}
            )

    def _refreshed(self, about: dict[str, str], event: Fetched | Refreshed | RefreshFailed) -> None:
        about = about | {"secretconn.reason": "first" if isinstance(event, Fetched) else event.reason}
        if event.place is not None:
            about["secretconn.place"] = event.place
        if isinstance(event, RefreshFailed):
            about["error.type"] = event.error
            more = _more(event, "retry_in")
        else:
            more = _more(event, "version_id", "api_calls")
        self._refreshes.record(event.seconds, about)
        nobody_waits = about["secretconn.reason"] in ("ttl", "probation")
        self._span("secretconn.refresh", event.seconds, about | more, apart=nobody_waits)

    def _span(self, name: str, seconds: float, attributes: dict[str, Any], *, apart: bool = False) -> None:
        """A span that ends now: events tell of what is over. ``apart``: a trace of its own, linked to the caller's."""
        now = time.time_ns()
        links = [trace.Link(trace.get_current_span().get_span_context())] if apart else []
        span = self._tracer.start_span(
            name, Context() if apart else None, attributes=attributes, links=links, start_time=now - int(seconds * 1e9)
        )
        if "error.type" in attributes:
            span.set_status(trace.StatusCode.ERROR, attributes["error.type"])
        span.end(now)


def _histogram(meter: metrics.Meter, kind: str, about: str) -> metrics.Histogram:
    name = f"secretconn.{kind}.duration"
    return meter.create_histogram(name, "s", about, explicit_bucket_boundaries_advisory=SECONDS)


def _observations(values: Mapping[str, float]) -> list[Observation]:
    return [Observation(value, {SECRET: name}) for name, value in values.items()]


def _stage(stages: tuple[str, ...]) -> str:
    """The one that tells most: most rotations leave AWSPENDING on the version that is current."""
    return next((stage for stage in (CURRENT, PENDING, PREVIOUS) if stage in stages), "other")


def _version_of(event: Recovered | Rejected) -> dict[str, Any]:
    return {"secretconn.version_id": event.version_id, "secretconn.stages": event.stages}


def _more(event: Event, *fields: str) -> dict[str, Any]:
    return {f"secretconn.{field}": getattr(event, field) for field in fields}


class _Global:
    """Stands for the global meter provider, whichever it is or will be."""


_GLOBAL = _Global()
_lock = threading.Lock()
_telemetries: weakref.WeakKeyDictionary[object, _Telemetry] = weakref.WeakKeyDictionary()


def _telemetry(meters: metrics.MeterProvider | None, tracers: trace.TracerProvider | None) -> _Telemetry:
    """One for each meter provider: it takes an instrument's callbacks once, and never gives them back."""
    everywhere = metrics.get_meter_provider()
    with _lock:
        key = _GLOBAL if meters is None or meters is everywhere else meters
        if key is _GLOBAL and everywhere in _telemetries:  # given before it became the global one
            key = everywhere
        found = _telemetries.get(key)
        if found is None:
            found = _telemetries[key] = _Telemetry(None if key is _GLOBAL else meters, tracers)
    if _tracers(found.tracer_provider) is not _tracers(tracers):
        raise ConfigurationError(
            "instrument() was called with this meter_provider= and another tracer_provider=; give it the same one again"
        )
    return found


def _tracers(given: trace.TracerProvider | None) -> trace.TracerProvider:
    return trace.get_tracer_provider() if given is None else given


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603  (another thread of the parent may have held it)
    _lock = threading.Lock()
    for telemetry in list(_telemetries.values()):
        telemetry.secrets.after_fork()


at_fork(_after_fork_in_child)
