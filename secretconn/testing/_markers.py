"""Markers: what ``secretconn`` and ``secretconn_rotate`` may say, and how the nearest of several wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

from secretconn.errors import ConfigurationError
from secretconn.testing.rotation import Strategy

__all__ = ["RotateMarker", "SecretMarker", "read"]


@dataclass(frozen=True, slots=True)
class SecretMarker:
    """``@pytest.mark.secretconn(...)``: what application a test wants.

    Attributes:
        secret: The secret's name; None for a new one.
        engine: "postgres", "mariadb" or "mysql"; None for that of the ini option.
        content: More keys for the secret, or other values for its keys.
    """

    secret: str | None = None
    engine: str | None = None
    content: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class RotateMarker:
    """``@pytest.mark.secretconn_rotate(...)``: rotations while a test runs; see RandomRotations.

    Attributes:
        strategy: None for that of the fixture ``secretconn_strategy``.
        seed: None for that of ``--secretconn-seed``, or a new one.
    """

    every: float = 0.3
    pause: float = 0.05
    strategy: Strategy | None = None
    seed: int | None = None
    at_least: int = 1


class Node(Protocol):
    """What is needed of pytest's items."""

    def iter_markers(self, name: str) -> Any:
        """The marks, the nearest first."""


Marker = TypeVar("Marker", SecretMarker, RotateMarker)


def read(node: Node, name: str, kind: type[Marker]) -> Marker:
    """What all marks of this name say together; a nearer one (function, class, module) wins, keyword by keyword.

    Raises:
        ConfigurationError: positional arguments, or a keyword that there is not.
    """
    known = [field.name for field in fields(kind)]
    said: dict[str, Any] = {}
    for mark in node.iter_markers(name):
        unknown = [keyword for keyword in mark.kwargs if keyword not in known]
        if mark.args or unknown:
            what = f"not {unknown[0]}=" if unknown else "and no positional arguments"
            raise ConfigurationError(f"@pytest.mark.{name} takes {', '.join(known)} by keyword, {what}")
        said = {**mark.kwargs, **said}
    return kind(**said)
