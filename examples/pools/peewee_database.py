"""peewee: PostgreSQL needs one argument; MySQL has one place where it opens a connection, and this takes it."""

from __future__ import annotations

from typing import Any

import psycopg2
import pymysql
from peewee import MySQLDatabase
from playhouse.pool import PooledMySQLDatabase, PooledPostgresqlDatabase

import secretconn

Secret = str | secretconn.RotatingCredentials


def make_postgres(secret: Secret, database: str, **connect_args: Any) -> PooledPostgresqlDatabase:
    opening = secretconn.wrap(psycopg2.connect, secret)
    return PooledPostgresqlDatabase(database, connection_factory=opening, max_connections=8, **connect_args)


class RotatingMySQLDatabase(MySQLDatabase):
    """peewee's own, but for the connect."""

    def init(self, database: str, *, secret: Secret, **kwargs: Any) -> None:
        self._opening = secretconn.wrap(pymysql.connect, secret)
        super().init(database, **kwargs)

    def _connect(self) -> Any:
        return self._opening(database=self.database, autocommit=True, **self.connect_params)


class PooledRotatingMySQLDatabase(PooledMySQLDatabase, RotatingMySQLDatabase):
    """The pool's ``_connect`` comes first, and opens through the one above."""


def make_mysql(secret: Secret, database: str, **connect_args: Any) -> PooledRotatingMySQLDatabase:
    return PooledRotatingMySQLDatabase(database, secret=secret, max_connections=8, **connect_args)
