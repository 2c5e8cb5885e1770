"""OpenTelemetry: a secret's counters as metrics, its refreshes and recoveries as spans. Names: docs/telemetry.md.

Nothing is added to a connect: counters and gauges are read when a metric reader collects, all else comes from events.
Facts: the API's ``metrics`` and ``trace`` packages; names follow the general part of the semantic conventions.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from secretconn._core.rotating import RotatingCredentials, each
from secretconn._core.shared import shared
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.errors import ConfigurationError, DriverNotInstalled
from secretconn.events import Event, Fetched, Recovered, Refreshed, RefreshFailed, Rejected
from secretconn.watched import Watched

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
    telemetry = _telemetry(meter_provider, tracer_provider)
    claim = telemetry.claim()

    def watch(rotating: RotatingCredentials) -> None:
        telemetry.watch(rotating, name, claim)

    def end() -> None:
        stop()
        telemetry.leave(claim)

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
        self._tracer = trace.get_tracer("secretconn", _version(), tracer_provider)
        self._claims: set[object] = set()
        self._watched: dict[int, Watched] = {}
        self._gone: deque[Watched] = deque()
        self._past: dict[str, Counter[str]] = {}
        self._lock = threading.RLock()
        meter = metrics.get_meter("secretconn", _version(), meter_provider)
        self._make_observables(meter)
        self._refreshes, self._recoveries = (
            meter.create_histogram(
                f"secretconn.{kind}.duration", "s", about, explicit_bucket_boundaries_advisory=SECONDS
            )
            for kind, about in (
                ("refresh", "How long the source took, failed fetches included."),
                ("recovery", "From the first rejected login to the open connection."),
            )
        )

    def _make_observables(self, meter: metrics.Meter) -> None:
        for field, (unit, about) in COUNTERS.items():
            meter.create_observable_counter(f"secretconn.{field}", [partial(self._count, field)], unit, about)
        for gauge, metric, unit, about in (
            ("age", "secretconn.credentials.age", "s", "Since the answer in use was requested."),
            ("ttl", "secretconn.credentials.ttl", "s", "After which an answer is re-read."),
            ("failing", "secretconn.refresh.failing", "{fetch}", "Failed fetches in a row; 0 after an answer."),
            ("pending", "secretconn.rotation.pending", "s", "For which the same AWSPENDING version was seen."),
        ):
            meter.create_observable_gauge(metric, [partial(self._gauge, gauge)], unit, about)
        meter.create_observable_gauge("secretconn.hit_rate", [self._hit_rate], "1", "Hits per read since the start.")

    # -- which secrets ------------------------------------------------------------------------------------------------

    def claim(self) -> object:
        """What a caller of instrument() watches secrets with, and leaves them by."""
        with self._lock:
            self._claims.add(claim := object())
        return claim

    def watch(self, rotating: RotatingCredentials, name: Callable[[str], str], claim: object) -> None:
        """Tell of it from now on; once, however many claims there are."""
        called = name(rotating.secret_id)
        with self._lock:
            self._settle()
            if claim not in self._claims:  # left while a new secret was being made
                return
            watched = self._watched.get(id(rotating))
            if watched is None:
                watched = self._watched[id(rotating)] = Watched(rotating, called, self._gone)
                watched.claims.add(claim)
                watched.stop = rotating.subscribe(partial(self._told, watched))
            watched.claims.add(claim)

    def leave(self, claim: object) -> None:
        """Take a claim back; what nobody else claims is told of no more."""
        with self._lock:
            self._settle()
            self._claims.discard(claim)
            if not self._claims:
                self._past = {}
            for key, watched in list(self._watched.items()):
                watched.claims.discard(claim)
                if not watched.claims:
                    watched.stop()
                    del self._watched[key]

    def after_fork(self) -> None:
        """In a forked child: a new lock, and nothing of what the parent counted."""
        self._lock = threading.RLock()
        self._past = {}
        self._gone.clear()
        self._watched = {key: one for key, one in self._watched.items() if one.rotating is not None}

    def _settle(self) -> None:
        """Keep the last counters of secrets that are gone."""
        while self._gone:
            watched = self._gone.popleft()
            keys = [key for key, other in self._watched.items() if other is watched]
            for key in keys:
                self._past.setdefault(watched.name, Counter()).update(asdict(watched.stats()))
                del self._watched[key]

    # -- metrics, when a reader collects ------------------------------------------------------------------------------

    def _total(self, field: str) -> dict[str, int]:
        """One counter by name, of secrets that are gone too: a counter never falls."""
        with self._lock:
            self._settle()
            total = {name: counts[field] for name, counts in self._past.items()}
            for watched in self._watched.values():
                total[watched.name] = total.get(watched.name, 0) + getattr(watched.stats(), field)
        return total

    def _count(self, field: str, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {SECRET: name}) for name, count in self._total(field).items()]

    def _hit_rate(self, _options: CallbackOptions) -> Iterable[Observation]:
        hits, reads = self._total("hits"), self._total("reads")
        return [Observation(hits.get(name, 0) / count, {SECRET: name}) for name, count in reads.items() if count]

    def _gauge(self, gauge: str, _options: CallbackOptions) -> Iterable[Observation]:
        """The worst of those that share a name."""
        worst: dict[str, float] = {}
        with self._lock:
            self._settle()
            for watched in self._watched.values():
                value = watched.gauge(gauge) if watched.rotating is not None else None
                if value is not None:
                    worst[watched.name] = max(value, worst.get(watched.name, value))
        return [Observation(value, {SECRET: name}) for name, value in worst.items()]

    # -- histograms and spans, from events ----------------------------------------------------------------------------

    def _told(self, watched: Watched, event: Event) -> None:
        if not watched.claims:  # a subscription that ended after a fork
            return
        about = {SECRET: watched.name}
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


def _stage(stages: tuple[str, ...]) -> str:
    """The one that tells most: most rotations leave AWSPENDING on the version that is current."""
    return next((stage for stage in (CURRENT, PENDING, PREVIOUS) if stage in stages), "other")


def _version_of(event: Recovered | Rejected) -> dict[str, Any]:
    return {"secretconn.version_id": event.version_id, "secretconn.stages": event.stages}


def _more(event: Event, *fields: str) -> dict[str, Any]:
    return {f"secretconn.{field}": getattr(event, field) for field in fields}


def _version() -> str:
    try:
        return version("secretconn")
    except PackageNotFoundError:  # a source tree on the path
        return ""


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
        telemetry.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
