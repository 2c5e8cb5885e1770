"""Reporter: a thread in each worker that writes what the journal holds and how the worker is to the database.

It connects as the application does, through the same credentials, so it sees a rotation even in an idle worker; its
connects are among those that the page counts.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import Error, connection

from project.database import database_user
from secretconn import Event, Recovered, Refreshed, RefreshFailed, Rejected, Rotated, SecretConnError
from secretconn.django import credentials_of
from status.journal import Journal, Note
from status.models import Happening, Worker

__all__ = ["PERIOD", "Reporter", "reporter", "start", "stop"]

log = logging.getLogger("webapp")

PERIOD = 2.0
"""Seconds between two reports."""

SOON = 0.2
"""Seconds from an event to its report: a rejected login and what follows it come together."""

KEPT = timedelta(hours=1)


class Reporter:
    """One process's reports.

    Attributes:
        journal: What this process was told.
    """

    def __init__(self) -> None:
        self.journal = Journal(noted=self._wake)
        self.key = uuid.uuid4().hex
        self._started = datetime.now(UTC)
        self._something, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-reporter", daemon=True)
        self._credentials = credentials_of()
        self._unsubscribe = self._credentials.subscribe(self.journal.saw)
        self._failing = False

    def start(self) -> None:
        """Report until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Report once more and end."""
        self._end.set()
        self._something.set()
        self._thread.join(timeout=5.0)
        self._unsubscribe()

    def own_row(self, user: str | None = None) -> dict[str, Any]:
        """This process as it is now: the fields of a Worker.

        Args:
            user: Whom the database takes us for, if it was asked; else the user of the version held as AWSCURRENT.
        """
        held_user, version = self._held()
        stats, use, (requests, failures) = self._credentials.stats(), self.journal.use(version), self.journal.counts()
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self._started,
            "seen": datetime.now(UTC),
            "user": user or held_user,
            "version_id": use.version_id,
            "stage": use.stage,
            "since": use.since,
            "reads": stats.reads,
            "hits": stats.hits,
            "api_calls": stats.api_calls,
            "connects": stats.connects,
            "rejected": stats.rejected + stats.suspected,
            "recovered": stats.recovered,
            "requests": requests,
            "failures": failures,
        }

    def _held(self) -> tuple[str, str]:
        """User and version of what is held as AWSCURRENT; nothing where the secret could not be read yet."""
        try:
            login = self._credentials.current()
        except SecretConnError as error:
            log.warning("the secret cannot be read: %s", error)
            return "", ""
        return login.username, login.version_id

    def report(self) -> None:
        """Write the worker's row and what happened since.

        Raises:
            django.db.Error: The database does not answer; nothing that happened is lost.
        """
        notes = self.journal.take()
        try:
            Happening.objects.bulk_create([_happening(note, self.key) for note in notes])
            notes = []
            row = self.own_row(database_user())
            if not Worker.objects.filter(key=self.key).update(**row):
                Worker.objects.create(key=self.key, **row)
            Happening.objects.filter(at__lt=row["seen"] - KEPT).delete()
            Worker.objects.filter(seen__lt=row["seen"] - KEPT).delete()
        finally:
            self.journal.give_back(notes)
            connection.close()

    def _wake(self) -> None:
        self._something.set()

    def _run(self) -> None:
        while True:
            self._try_to_report()
            if self._end.is_set():
                return
            if self._something.wait(PERIOD):
                self._end.wait(SOON)
                self._something.clear()

    def _try_to_report(self) -> None:
        try:
            self.report()
            self._failing = False
        except Error as error:
            if not self._failing:
                log.warning("the status cannot be written (%s); the notes are kept", error)
            self._failing = True


def _happening(note: Note, worker: str) -> Happening:
    event = note.event
    row = Happening(at=note.at, worker=worker, pid=os.getpid(), kind=note.kind)
    row.version_id = getattr(event, "version_id", "")
    row.seconds = getattr(event, "seconds", 0.0)
    row.stages = "+".join(getattr(event, "stages", ()))
    row.previous_version_id = getattr(event, "previous_version_id", "")
    row.detail = _detail(event)
    return row


def _detail(event: Event) -> str:
    match event:
        case Rotated():
            return "another user" if event.username_changed else "same user"
        case Recovered():
            return f"login {event.attempts} was accepted"
        case Rejected():
            return "perhaps rejected: the driver hides why" if event.suspect else "rejected"
        case Refreshed():
            return f"asked because: {event.reason}"
        case RefreshFailed():
            return event.error[:200]
    return ""


_reporter: Reporter | None = None


def reporter() -> Reporter:
    """This process's reporter; made, but not started, where nobody started it."""
    global _reporter  # noqa: PLW0603  (one per process)
    if _reporter is None:
        _reporter = Reporter()
    return _reporter


def start() -> None:
    """Begin to report; once per worker, after the fork."""
    reporter().start()


def stop() -> None:
    """Report for the last time."""
    if _reporter is not None:
        _reporter.stop()
