"""oracledb as Django uses it: the login as plain values, from which its backend makes a DSN."""

from __future__ import annotations

from dataclasses import replace

from secretconn.engines import driver_named
from secretconn.engines.arguments import keyword_reader
from secretconn.engines.base import PLAIN

__all__ = ["ORACLEDB"]

_KEYWORDS = PLAIN | {"database": "service_name"}

ORACLEDB = replace(
    driver_named("oracledb"),
    extra="django",
    keywords=_KEYWORDS,
    given=keyword_reader({keyword: name for name, keyword in _KEYWORDS.items()}),
    adapt=None,
)
