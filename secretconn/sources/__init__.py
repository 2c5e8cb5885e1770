"""Sources: where versions of a secret are read from. One file per source; choose.py picks one.

A source's own module is imported when its name is first used: a process that reads Secrets Manager needs no HTTP client
for the agent, and the other way round.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from secretconn.sources.base import CachingSource, Reading, Source

if TYPE_CHECKING:
    from secretconn.sources.agent import AgentSource
    from secretconn.sources.file import FileSource
    from secretconn.sources.replicas import ReplicatedSource
    from secretconn.sources.secrets_manager import SecretsManagerSource
    from secretconn.sources.tokens import IamTokens

__all__ = [
    "AgentSource",
    "CachingSource",
    "FileSource",
    "IamTokens",
    "Reading",
    "ReplicatedSource",
    "SecretsManagerSource",
    "Source",
]

_HOMES = {
    "AgentSource": "secretconn.sources.agent",
    "FileSource": "secretconn.sources.file",
    "IamTokens": "secretconn.sources.tokens",
    "ReplicatedSource": "secretconn.sources.replicas",
    "SecretsManagerSource": "secretconn.sources.secrets_manager",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
