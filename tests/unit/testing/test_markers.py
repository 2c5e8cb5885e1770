"""The markers: the nearest wins keyword by keyword, and a slip of the pen is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from secretconn.errors import ConfigurationError
from secretconn.testing._markers import RotateMarker, SecretMarker, read


@dataclass
class Mark:
    """What pytest.mark makes."""

    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    args: tuple[object, ...] = ()


class Node:
    """An item with these marks, the nearest first."""

    def __init__(self, *marks: Mark) -> None:
        self._marks = marks

    def iter_markers(self, name: str) -> list[Mark]:
        return [mark for mark in self._marks if mark.name == name]


def test_without_a_mark_all_is_as_by_default() -> None:
    assert read(Node(Mark("other", {"secret": "x"})), "secretconn", SecretMarker) == SecretMarker()


def test_the_nearest_wins_keyword_by_keyword() -> None:
    near, far = {"engine": "mariadb"}, {"engine": "postgres", "secret": "prod/orders"}
    node = Node(Mark("secretconn", near), Mark("secretconn", far))
    assert read(node, "secretconn", SecretMarker) == SecretMarker(secret="prod/orders", engine="mariadb")


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (Mark("secretconn_rotate", {"evry": 1}), "by keyword, not evry="),
        (Mark("secretconn_rotate", {}, (1,)), "and no positional arguments"),
    ],
)
def test_what_is_not_known_is_told(mark: Mark, told: str) -> None:
    with pytest.raises(ConfigurationError, match=r"@pytest\.mark\.secretconn_rotate takes every, pause, ") as caught:
        read(Node(mark), "secretconn_rotate", RotateMarker)
    assert told in str(caught.value)
