"""A rotated secret in memory, for the address of a fake server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.testing.memory import MemorySource

PASSWORDS = ["plain", "a;b{=c%", "{a;b}", "a}b]!#(d", "'\"\\%$ &@:/?#=x"]


@pytest.fixture
def make_rotated() -> Callable[..., RotatingCredentials]:
    """``make_rotated(engine, server, old, new)``: the old login is held, the new one is what the source has now."""

    def make(engine: str, server: Any, old: str, new: str, **more: object) -> RotatingCredentials:
        where = {"engine": engine, "host": server.host, "port": server.port, "username": "app", **more}
        source = MemorySource({**where, "password": old})
        credentials = RotatingCredentials("s", source=source)
        credentials.current()
        source.rotate("v2", {**where, "password": new})
        return credentials

    return make
