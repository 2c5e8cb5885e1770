"""Replicas: who is asked, in which order, and when the first region is asked again."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import pytest

from secretconn import ConfigurationError, RotatingCredentials, SecretUnavailable
from secretconn.events import Fetched, Refreshed, RefreshFailed
from secretconn.sources import FileSource, ReplicatedSource
from secretconn.sources.base import Reading
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Time, login

STAGES = ("AWSCURRENT",)
NOBODY = frozenset[str]()


class Region(MemorySource):
    def __init__(self, place: str) -> None:
        super().__init__(login("p1"))
        self.place = place


class Regions:
    def __init__(self) -> None:
        self.time = Time()
        self.first, self.second = Region("eu-central-1"), Region("eu-west-1")
        self.source = ReplicatedSource("s", [self.first, self.second], lambda: self.time.now)

    def asked(self) -> tuple[int, int]:
        return self.first.reads, self.second.reads


def test_the_first_region_answers_while_it_can() -> None:
    regions = Regions()
    regions.source.read(STAGES, NOBODY)
    assert (regions.asked(), regions.source.place) == ((1, 0), "eu-central-1")


def test_the_next_region_answers_and_the_first_again_when_it_heals() -> None:
    regions = Regions()
    regions.first.error = OSError("down")
    regions.source.read(STAGES, NOBODY)
    assert (regions.asked(), regions.source.place) == ((1, 1), "eu-west-1")
    regions.first.error = None
    regions.source.read(STAGES, NOBODY)
    assert regions.asked() == (1, 2)
    regions.time.now += 30
    regions.source.read(STAGES, NOBODY)
    assert (regions.asked(), regions.source.place) == ((2, 2), "eu-central-1")


def test_a_region_that_failed_is_still_asked_when_the_others_fail() -> None:
    regions = Regions()
    regions.first.error = OSError("down")
    regions.source.read(STAGES, NOBODY)
    regions.first.error, regions.second.error = None, OSError("down")
    regions.source.read(STAGES, NOBODY)
    assert regions.asked() == (2, 2)


def test_a_region_without_the_current_version_has_not_answered() -> None:
    regions = Regions()
    regions.first.unreadable = {"AWSCURRENT": PermissionError("no")}
    regions.source.read(STAGES, NOBODY)
    assert regions.source.place == "eu-west-1"
    regions.first.unreadable, regions.first.stages = {}, {}
    regions.time.now += 30
    regions.source.read(STAGES, NOBODY)
    assert regions.source.place == "eu-west-1"


def test_nor_has_one_whose_current_version_is_labelled_and_cannot_be_read() -> None:
    class Unreadable(Region):
        def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
            return super().read(stages, held)._replace(failures={"AWSCURRENT": PermissionError("no")})

    second = Region("eu-west-1")
    source = ReplicatedSource("s", [Unreadable("eu-central-1"), second], lambda: 0.0)
    assert source.read(STAGES, NOBODY).failures == {}
    assert (second.reads, source.place) == (1, "eu-west-1")


def test_each_region_s_source_imports_what_it_needs() -> None:
    class Prepared(Region):
        prepared = 0

        def prepare(self) -> None:
            self.prepared += 1

    parts = [Prepared("eu-central-1"), Region("eu-west-1"), Prepared("eu-north-1")]
    ReplicatedSource("s", parts, lambda: 0.0).prepare()
    assert [getattr(part, "prepared", None) for part in parts] == [1, None, 1]


def test_after_a_rejection_a_region_is_asked_as_after_a_rejection() -> None:
    source, held = Regions().source, frozenset({"v1"})
    assert source.read(STAGES, held).whole
    assert not source.read_fresh(STAGES, held).whole


def test_each_is_let_go_in_a_forked_child() -> None:
    regions, told = Regions(), list[bool]()
    regions.first.after_fork = regions.second.after_fork = told.append  # type: ignore[method-assign]
    regions.source.after_fork(True)
    assert told == [True, True]


def test_one_without_a_cache_is_asked_as_ever(tmp_path: Path) -> None:
    (tmp_path / "db.json").write_text("{}")
    assert ReplicatedSource("s", [FileSource(tmp_path / "db.json")], lambda: 0.0).read_fresh(STAGES, NOBODY).payloads


def test_when_none_answers_each_is_told_of() -> None:
    regions = Regions()
    regions.first.error, regions.second.error = OSError("p1 is in here"), PermissionError("p1")
    with pytest.raises(SecretUnavailable, match=r"eu-central-1: OSError; eu-west-1: PermissionError") as caught:
        regions.source.read(STAGES, NOBODY)
    assert caught.value.__cause__ is regions.first.error
    assert caught.value.secret_id == "s"
    assert "p1" not in str(caught.value)


def test_why_one_without_the_current_version_was_of_no_use_is_the_cause() -> None:
    regions = Regions()
    regions.first.stages, regions.second.stages = {}, {}
    with pytest.raises(SecretUnavailable) as caught:
        regions.source.read(("AWSCURRENT", "AWSPENDING"), NOBODY)
    assert str(caught.value.__cause__) == "no version has the stage AWSCURRENT"


def test_one_whose_place_is_unknown_is_told_as_a_region() -> None:
    regions = Regions()
    regions.second.place = ""
    regions.first.error = regions.second.error = OSError("down")
    with pytest.raises(SecretUnavailable) as caught:
        regions.source.read(STAGES, NOBODY)
    assert str(caught.value) == "secret 's' could not be read in any region (eu-central-1: OSError; a region: OSError)"


def test_a_wrong_configuration_is_no_failing_region() -> None:
    regions = Regions()
    regions.first.error = ConfigurationError("no region")
    with pytest.raises(ConfigurationError, match="no region"):
        regions.source.read(STAGES, NOBODY)
    assert regions.asked() == (1, 0)


def test_events_tell_which_region_answered() -> None:
    regions = Regions()
    rotating = RotatingCredentials("s", source=regions.source, runtime=regions.time.runtime())
    events: list[Fetched | Refreshed | RefreshFailed] = []
    rotating.subscribe(events.append)  # type: ignore[arg-type]
    rotating.current()
    regions.first.error = OSError("down")
    rotating.refresh()
    regions.second.error = OSError("down")
    with pytest.raises(SecretUnavailable):
        rotating.refresh()
    told = [(type(event).__name__, event.place) for event in events if hasattr(event, "place")]
    assert told == [("Fetched", "eu-central-1"), ("Refreshed", "eu-west-1"), ("RefreshFailed", "eu-central-1")]
    assert rotating.stats().api_calls == regions.source.api_calls


def test_every_region_that_failed_is_left_alone_for_a_while() -> None:
    time, regions = Time(), [Region(name) for name in ("eu-central-1", "eu-west-1", "eu-north-1")]
    source = ReplicatedSource("s", regions, lambda: time.now)
    regions[0].error = regions[1].error = OSError("down")
    for _ in range(3):
        source.read(STAGES, NOBODY)
        time.now += 5.0
    assert [region.reads for region in regions] == [1, 1, 3]


def test_a_stage_that_is_not_there_or_not_readable_is_no_failing_region() -> None:
    regions = Regions()
    assert regions.source.read(("AWSPENDING",), NOBODY).failures == {}
    regions.first.put("v2", login("p2"), "AWSPENDING")
    regions.first.unreadable["AWSPENDING"] = OSError("denied")
    assert regions.source.read(("AWSPENDING",), NOBODY).failures.keys() == {"AWSPENDING"}
    assert regions.asked() == (2, 0)
