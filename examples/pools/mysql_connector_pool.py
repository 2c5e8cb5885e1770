"""mysql-connector's pool: it reconnects with the password it was made with, so a lost connection is replaced here."""

from __future__ import annotations

from typing import Any

from mysql.connector import connect
from mysql.connector.pooling import MySQLConnectionPool, PooledMySQLConnection

import secretconn


class RotatingPool(MySQLConnectionPool):
    """MySQLConnectionPool whose connections are all opened with the secret; needs pool_name or a host."""

    def __init__(self, secret: str | secretconn.RotatingCredentials, pool_size: int = 5, **config: Any) -> None:
        self._open = secretconn.wrap(connect, secret)
        self._config = config
        super().__init__(pool_size=pool_size, pool_name=config.pop("pool_name", "rotating"))  # empty until here
        self.set_config(**{"autocommit": False, **config})
        for _ in range(pool_size):
            self.add_connection()

    def add_connection(self, cnx: Any = None) -> None:
        super().add_connection(cnx or self._fresh())

    def get_connection(self) -> PooledMySQLConnection:
        cnx = self._cnx_queue.get()
        if not cnx.is_connected():
            try:
                cnx = self._fresh()
            except BaseException:
                self._cnx_queue.put(cnx)  # its place in the pool stays
                raise
        return PooledMySQLConnection(self, cnx)

    def _fresh(self) -> Any:
        cnx = self._open(**self._config)
        cnx.pool_config_version = self._config_version
        return cnx


def make_pool(secret: str | secretconn.RotatingCredentials) -> RotatingPool:
    return RotatingPool(secret, pool_size=4)
