"""What the page and data.json show: this worker as it is now, all workers as they last reported, the rotations."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import Error

from project.database import database_user
from status.models import Happening, Worker
from status.reporter import PERIOD, Reporter

__all__ = ["overview"]

log = logging.getLogger("webapp")

LOOK_BACK = timedelta(minutes=30)
STRIP = timedelta(minutes=3)
ALIVE = timedelta(seconds=5 * PERIOD)
ROTATIONS = 10
MOST = 2000
"""Events that are looked at."""

SHORT = 8
HOST = 12
"""Characters of a host's name in a lane's: a container's whole one."""

SUMMED = ("connects", "rejected", "recovered", "api_calls", "reads", "hits", "requests", "failures")


def overview(reporter: Reporter) -> dict[str, Any]:
    """All of it, as JSON can carry it."""
    now = datetime.now(UTC)
    workers, happenings, user, trouble = _from_database(now)
    own = reporter.own_row(user)  # after the database was asked: that login may have taught us of a rotation
    workers[reporter.key] = own
    alive = sorted(workers.items(), key=lambda one: (one[1]["host"], one[1]["pid"], one[0]))
    several = len({row["host"] for _, row in alive}) > 1
    return {
        "now": now.timestamp(),
        "trouble": trouble,
        "me": _shown(own, now),
        "all": {**_sums([row for _, row in alive]), "workers": len(alive)},
        "workers": [{"key": key, "lane": _lane(row, several), **_shown(row, now)} for key, row in alive],
        "rotations": _rotations(happenings, now)[:ROTATIONS],
        "happenings": [_dot(one) for one in happenings if one.at >= now - STRIP],
    }


def _from_database(now: datetime) -> tuple[dict[str, dict[str, Any]], list[Happening], str | None, str]:
    """The workers by key, what happened, our user, and what is wrong: a page about trouble must not fail in it."""
    try:
        alive = Worker.objects.filter(seen__gte=now - ALIVE)
        happened = Happening.objects.filter(at__gte=now - LOOK_BACK).order_by("-at", "-id")[:MOST]
        return {worker.key: _row(worker) for worker in alive}, list(reversed(happened)), database_user(), ""
    except Error as error:
        log.warning("the status cannot be read: %s", error)
        return {}, [], None, "The database does not answer: this is what the worker that answered knows by itself."


def _row(worker: Worker) -> dict[str, Any]:
    return {field.attname: getattr(worker, field.attname) for field in Worker._meta.fields if field.name != "key"}


def _shown(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("host", "pid", "user", "version_id", "stage", *SUMMED)},
        "version": row["version_id"][:SHORT],
        "age": _ago(row["since"], now),
        "hit_rate": _rate(row),
        "seen": _ago(row["seen"], now),
    }


def _lane(row: dict[str, Any], several: bool) -> str:
    """What a lane of the timeline is called: containers count their processes alike, so a process id is not enough."""
    return f"{row['host'][:HOST]}:{row['pid']}" if several else str(row["pid"])


def _sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(row[name] for row in rows) for name in SUMMED}
    return {**sums, "hit_rate": _rate(sums)}


def _rate(row: dict[str, Any]) -> str:
    return f"{100 * row['hits'] / row['reads']:.1f} %" if row["reads"] else "-"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _dot(one: Happening) -> dict[str, Any]:
    return {
        "at": one.at.timestamp(),
        "worker": one.worker,
        "kind": one.kind,
        "version": one.version_id[:SHORT],
        "stages": one.stages,
        "detail": one.detail,
    }


def _rotations(happenings: Iterable[Happening], now: datetime) -> list[dict[str, Any]]:
    """The rotations the workers saw, the newest first.

    A login that was rejected belongs to the rotation away from its version; one that was accepted then, to the rotation
    to its version.
    """
    by_kind: dict[str, dict[str, list[Happening]]] = defaultdict(lambda: defaultdict(list))
    for one in happenings:
        by_kind[one.kind][one.version_id].append(one)
    found = []
    for version, rotated in by_kind["Rotated"].items():
        first = rotated[0]
        rejected, recovered = by_kind["Rejected"][first.previous_version_id], by_kind["Recovered"][version]
        found.append(
            {
                "at": first.at.timestamp(),
                "ago": _ago(first.at, now),
                "clock": f"{first.at:%H:%M:%S} UTC",
                "version_id": version,
                "version": version[:SHORT],
                "previous": first.previous_version_id[:SHORT],
                "what": f"{first.detail}, new password",
                "workers": len({one.worker for one in rotated}),
                "rejected": len(rejected),
                "recovered": len(recovered),
                "early": sum("AWSPENDING" in one.stages and "AWSCURRENT" not in one.stages for one in recovered),
                "slowest": f"{1000 * max((one.seconds for one in recovered), default=0.0):.0f} ms",
            }
        )
    return sorted(found, key=lambda rotation: rotation["at"], reverse=True)
