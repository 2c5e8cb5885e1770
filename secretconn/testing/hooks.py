"""Hooks: what a test may do to all RotatingCredentials of a process, so that no test sees what another one left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from secretconn._core import rotating
from secretconn._core.choose import stand_ins
from secretconn.errors import ConfigurationError
from secretconn.sources.base import Source

__all__ = ["forget", "stand_in"]


def forget() -> None:
    """Make every RotatingCredentials of this process forget what it holds, as if it had just been made.

    The objects stay, and so does all that was built on them: what `secretconn.wrap` returned at import, an engine, a
    pool. What they hold (logins, what each endpoint accepted, counters, the client) goes, and where they read from is
    chosen anew from the environment variables of now. Their settings and subscribers stay. Open connections are not
    secretconn's, and stay as well.

    The plugin's fixtures call it before and after each test, so that two tests may use one secret name.
    """
    for credentials in rotating.roll.living():
        rotating.forget(credentials)


@contextlib.contextmanager
def stand_in(secret_id: str, source: Source) -> Iterator[None]:
    """Have this secret read from ``source`` for a while, whoever names it, however it says to reach Secrets Manager.

    Args:
        secret_id: Name or ARN, as the application writes it.
        source: A `MemorySource`, for example.

    Raises:
        ConfigurationError: There is a stand-in for this secret already.
    """
    if secret_id in stand_ins:
        raise ConfigurationError(f"there is a stand-in for secret {secret_id!r} already")
    stand_ins[secret_id] = source
    forget()
    try:
        yield
    finally:
        del stand_ins[secret_id]
        forget()
