"""DBUtils: a wrapped connect is the creator. DBUtils finds the driver's module by the connection itself."""

from __future__ import annotations

from typing import Any

import pymysql
from dbutils.pooled_db import PooledDB

import secretconn


def make_pool(secret: str | secretconn.RotatingCredentials, **connect_args: Any) -> PooledDB:
    return PooledDB(secretconn.wrap(pymysql.connect, secret), maxconnections=4, blocking=True, ping=1, **connect_args)
