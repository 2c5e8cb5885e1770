"""Sessions of our own, which share what botocore reads of its service descriptions, and its list of partitions.

Each secret has its own session, so that credentials are looked for when they are needed and no lock is shared. But a
session's loader keeps the descriptions it has read. They take some megabytes, reading them takes longer than the secret
does, and they are the same for all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session

__all__ = ["new_session", "partition_of"]


def new_session(profile: str | None) -> Session:
    """A botocore session for a profile; None for the default chain.

    An empty variable counts as not set, as it does to the AWS CLI: botocore would take AWS_DEFAULT_REGION="" for a
    region, and AWS_PROFILE="" for the name of a profile.

    Raises:
        botocore.exceptions.ProfileNotFound: The profile is not in the shared configuration.
    """
    import botocore.session

    variables = botocore.session.Session.SESSION_VARIABLES
    session = botocore.session.Session(session_vars=_without_empty(variables, os.environ), profile=profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


def partition_of(region: str) -> str | None:
    """The partition of a region, by botocore's data: its lists first, then its patterns. None: it knows none."""
    partitions = _loader(None).load_data("partitions")["partitions"]
    listed = (one["id"] for one in partitions if region in one["regions"])
    alike = (one["id"] for one in partitions if re.fullmatch(one["regionRegex"], region))
    return next(listed, None) or next(alike, None)


def _without_empty(variables: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """botocore's variables (key in the file, environment variables, default, conversion) that have an empty one,
    without it: the next in the chain counts."""
    changed: dict[str, Any] = {}
    for name, (key, names, default, convert) in variables.items():
        every = [names] if isinstance(names, str) else list(names or ())
        kept = [variable for variable in every if environ.get(variable) != ""]
        if kept != every:
            changed[name] = (key, kept or None, default, convert)
    return changed


@lru_cache(maxsize=8)
def _loader(data_path: str | None) -> Any:
    """The loader for AWS_DATA_PATH; it keeps what it has read, and threads may share it."""
    from botocore.loaders import create_loader

    return create_loader(data_path)
