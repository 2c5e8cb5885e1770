"""The engines secretconn brings, and this process's registry of them. Imported when somebody first looks one up."""

from __future__ import annotations

from . import mysql, postgresql
from .db2 import ENGINE as DB2
from .mongodb import ENGINE as MONGODB
from .oracle import ENGINE as ORACLE
from .redis import ENGINE as REDIS
from .redshift import ENGINE as REDSHIFT
from .registry import Registry
from .snowflake import ENGINE as SNOWFLAKE
from .sqlserver import ENGINE as SQLSERVER

__all__ = [
    "BUILT_IN",
    "default_driver",
    "driver_named",
    "driver_of",
    "engine_named",
    "engines",
    "load",
    "register",
    "register_driver",
]

BUILT_IN = (
    mysql.ENGINE,
    postgresql.ENGINE,
    ORACLE,
    SQLSERVER,
    DB2,
    REDSHIFT,
    MONGODB,
    REDIS,
    SNOWFLAKE,
)

_registry = Registry(BUILT_IN)

engines = _registry.engines
engine_named = _registry.engine_named
driver_named = _registry.driver_named
driver_of = _registry.driver_of
default_driver = _registry.default_driver
register = _registry.register
register_driver = _registry.register_driver
load = _registry.load
