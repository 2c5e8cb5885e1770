"""The notes a worker takes: which version it logs in with, under which stage, since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from secretconn import Fetched, Recovered, Refreshed, Rejected, Rotated
from status.journal import Journal


class Clock:
    """Goes on by a second at each look."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


REJECTED = Rejected(secret_id="s", version_id="v1", stages=("AWSCURRENT",), suspect=False, seconds=0.1)
EARLY = Recovered(secret_id="s", version_id="v2", stages=("AWSPENDING",), attempts=2, seconds=0.2)
ROTATED = Rotated(secret_id="s", version_id="v2", previous_version_id="v1", username_changed=False)


def test_through_a_window() -> None:
    journal = Journal(now=Clock())
    first = journal.use("v1")
    assert (first.version_id, first.stage) == ("v1", "AWSCURRENT")
    assert journal.use("v1") == first, "the same version, as old as it is"

    journal.saw(REJECTED)
    journal.saw(EARLY)
    early = journal.use("v1")
    assert (early.version_id, early.stage) == ("v2", "AWSPENDING"), "though v1 is AWSCURRENT still"

    journal.saw(ROTATED)
    after = journal.use("v2")
    assert (after.version_id, after.stage, after.since) == ("v2", "AWSCURRENT", early.since)


def test_a_pending_version_that_is_rejected_is_given_up() -> None:
    journal = Journal(now=Clock())
    journal.saw(EARLY)
    journal.saw(Rejected(secret_id="s", version_id="v2", stages=("AWSPENDING",), suspect=False, seconds=0.1))
    assert journal.use("v1").version_id == "v1"


def test_a_new_version_that_nobody_was_rejected_for() -> None:
    journal = Journal(now=Clock())
    old = journal.use("v1")
    journal.saw(ROTATED)
    new = journal.use("v2")
    assert (new.version_id, new.stage) == ("v2", "AWSCURRENT")
    assert new.since > old.since


def test_notes_are_taken_once_and_can_be_given_back() -> None:
    woken: list[None] = []
    journal = Journal(noted=lambda: woken.append(None), now=Clock())
    journal.saw(Fetched(secret_id="s", version_id="v1", seconds=0.1, api_calls=2))
    journal.saw(Refreshed(secret_id="s", version_id="v1", reason="ttl", seconds=0.1, api_calls=1))
    assert journal.take() == []
    assert not woken, "nothing worth telling"
    for event in (REJECTED, EARLY):
        journal.saw(event)
    notes = journal.take()
    journal.saw(ROTATED)
    journal.give_back(notes)
    assert [note.kind for note in journal.take()] == ["Rejected", "Recovered", "Rotated"]
    assert journal.take() == []


def test_requests_are_counted() -> None:
    journal = Journal()
    for status in (200, 302, 404, 500, 503):
        journal.served(status)
    assert journal.counts() == (5, 2)
