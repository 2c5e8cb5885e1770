"""MariaDBServer and MySQLServer alike: logins, secrecy, and who they run as."""

from __future__ import annotations

import sys
from pathlib import Path

import pymysql
import pytest

from secretconn.testing import MariaDBServer, MySQLServer
from secretconn.testing._process import unprivileged

ACCESS_DENIED = 1045


@pytest.fixture(params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> MariaDBServer | MySQLServer:
    found: MariaDBServer | MySQLServer = request.getfixturevalue(request.param)
    return found


def connect(server: MariaDBServer | MySQLServer, password: str) -> None:
    pymysql.connect(host=server.host, port=server.port, user=server.user, password=password).close()


def test_right_password_is_accepted_and_wrong_one_rejected(server: MariaDBServer | MySQLServer) -> None:
    connect(server, server.password)
    with pytest.raises(pymysql.OperationalError) as caught:
        connect(server, "wrong")
    assert caught.value.args[0] == ACCESS_DENIED


def test_password_is_nowhere_in_sight(server: MariaDBServer | MySQLServer) -> None:
    assert server.password not in repr(server)
    assert server.password not in repr(server.admin())
    assert server.password not in server.log()
    assert not (server.folder / "init.sql").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_runs_unprivileged(server: MariaDBServer | MySQLServer) -> None:
    if server.pid is not None and unprivileged().uid >= 0:
        assert Path(f"/proc/{server.pid}").stat().st_uid == unprivileged().uid
