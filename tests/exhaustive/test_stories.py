"""Stories that the deep exploration has found, each too far from the beginning for the short one."""

from __future__ import annotations

from tests.exhaustive.process import Event, Process
from tests.exhaustive.world import Setup


def play(setup: Setup, *events: Event) -> list[str]:
    """Let it happen, and return what was told."""
    told: list[str] = []
    process = Process(setup, told.append)
    for event in events:
        assert event in process.events(), told
        process.apply(event)
    return told


STEP = ("step",)


def test_what_another_connect_has_found_refused_since_the_answer_is_not_sent() -> None:
    told = play(
        Setup(connects=2),
        *(STEP, STEP, ("begin", "writer"), ("land", (2,)), ("return", 0, False)),
        *(STEP, STEP, ("land", (2,)), ("land", (4,))),  # finishSecret and createSecret between two calls
        *(STEP, ("return", 0, False), ("begin", "writer"), ("land", (5,))),
        *(("wake", 0), ("return", 0, False)),  # connect 1 is refused v1
        *(("wake", 1), ("return", 1, True)),
    )
    assert told[-3:] == ["connect 2 sends v2", "connect 2: the writer takes v2", "connect 2 succeeds"]


def test_a_round_goes_on_with_what_was_refused_before_its_answer() -> None:
    told = play(
        Setup(rotations=1, lagging=True, connects=2),
        *(STEP, STEP, STEP, ("begin", "reader"), ("land", (3,)), ("arrive",), ("return", 0, False), ("land", (3,))),
        *(("begin", "reader"), ("land", (3,))),  # connect 2 has waited for this answer: v1 is known to be refused
        *(("wake", 1), ("return", 1, False), ("return", 1, True)),
    )
    assert [line for line in told if line.startswith("connect 2 s")] == [
        "connect 2 sends v0",
        "connect 2 sends v1",
        "connect 2 succeeds",
    ]


def test_a_whole_answer_from_before_the_refusal_is_no_round() -> None:
    told = play(
        Setup(connects=2, label_stays=False),
        *(STEP, STEP, ("begin", "writer"), ("land", (2,)), ("return", 0, False)),
        *(STEP, ("land", (2,)), ("land", (3,))),  # AWSPENDING is gone by then
        *(STEP, STEP, ("land", (3,))),
        *(("begin", "writer"), ("return", 1, False)),
    )
    assert told[-3:] == ["connect 2 sends v1", "connect 2: the writer refuses v1", "a read begins"]
