"""Stock: what Django's own classes, before which ours come among the bases, are to a type checker."""

from __future__ import annotations

from typing import Any

__all__ = ["Stock"]

Stock: Any = object
