"""Sources: where versions of a secret are read from. One file per source."""

from secretconn.sources.base import Reading, Source

__all__ = ["Reading", "Source"]
