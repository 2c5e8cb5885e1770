"""Sessions of our own, which share what botocore reads of its service descriptions.

Each secret has its own session, so that credentials are looked for when they are needed and no lock is shared. But a
session's loader keeps the descriptions it has read. They take some megabytes, reading them takes longer than the secret
does, and they are the same for all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session

__all__ = ["new_session"]


def new_session(profile: str | None) -> Session:
    """A botocore session for a profile; None for the default chain.

    Raises:
        botocore.exceptions.ProfileNotFound: The profile is not in the shared configuration.
    """
    import botocore.session

    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@lru_cache(maxsize=8)
def _loader(data_path: str | None) -> Any:
    """The loader for AWS_DATA_PATH; it keeps what it has read, and threads may share it."""
    from botocore.loaders import create_loader

    return create_loader(data_path)
