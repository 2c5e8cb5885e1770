"""Sources: where versions of a secret are read from. One file per source; choose.py picks one."""

from secretconn.sources.agent import AgentSource
from secretconn.sources.base import CachingSource, Reading, Source
from secretconn.sources.file import FileSource
from secretconn.sources.replicas import ReplicatedSource
from secretconn.sources.secrets_manager import SecretsManagerSource

__all__ = [
    "AgentSource",
    "CachingSource",
    "FileSource",
    "Reading",
    "ReplicatedSource",
    "SecretsManagerSource",
    "Source",
]
