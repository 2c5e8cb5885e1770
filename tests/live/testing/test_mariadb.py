"""MariaDBServer on a real MariaDB: logins, settings, restarts, the ladder, and packages unpacked by two at once."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pymysql
import pytest

from secretconn.testing import MariaDBServer, ServerUnavailable, debian

ACCESS_DENIED = 1045


def connect(server: MariaDBServer, **changed: str) -> pymysql.connections.Connection:
    return pymysql.connect(
        host=server.host, port=server.port, **{"user": server.user, "password": server.password, **changed}
    )


@pytest.mark.parametrize("user", ["root", "", "mysql", "nobody"])
def test_no_login_without_a_password(mariadb: MariaDBServer, user: str) -> None:
    with pytest.raises(pymysql.OperationalError) as caught:
        connect(mariadb, user=user, password="")
    assert caught.value.args[0] == ACCESS_DENIED


def test_every_account_has_a_password_or_cannot_log_in(mariadb: MariaDBServer) -> None:
    open_ones = mariadb.sql(
        "SELECT user, host FROM mysql.global_priv WHERE json_value(priv, '$.authentication_string') = ''"
        " AND NOT coalesce(json_value(priv, '$.account_locked'), 0) AND NOT coalesce(json_value(priv, '$.is_role'), 0)"
        " AND user NOT LIKE 'orders%'"  # of tests/live/tokens, where an endpoint before the server judges
    )
    assert open_ones == []


def test_plain_by_default(mariadb: MariaDBServer) -> None:
    assert mariadb.sql("SHOW VARIABLES LIKE 'have_ssl'")[0][1] != "YES"


def test_temporary_tables_are_out_of_reach_of_other_servers(mariadb: MariaDBServer) -> None:
    assert mariadb.sql("SELECT @@tmpdir") == [[str(mariadb.folder)]]


def test_data_settings_and_port_outlive_restart_stop_and_crash() -> None:
    with MariaDBServer(user="chief", options={"max_password_errors": "3"}) as server:
        server.sql("CREATE DATABASE kept")
        port, folder = server.port, server.folder
        server.restart()
        server.restart(immediate=True)
        server.stop()
        with pytest.raises(pymysql.OperationalError, match="refused"):
            connect(server)
        server.start()
        assert server.port == port
        assert ["kept"] in server.sql("SHOW DATABASES")
        assert server.sql("SELECT @@max_password_errors, current_user()") == [["3", "chief@%"]]
    assert not folder.exists()


def test_bad_setting_fails_with_the_servers_words() -> None:
    with pytest.raises(ServerUnavailable, match="no-such-setting"):
        MariaDBServer(options={"no_such_setting": "1"}).start()


def test_ladder_that_does_not_hold_says_why_for_each_rung(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody-listens.sock")
    with pytest.raises(ServerUnavailable, match=r"docker: (no Docker engine answers|testcontainers is not installed)"):
        MariaDBServer(ladder=("docker",)).start()


def unpack_one(folder: str) -> str:
    return str(debian.unpack("libnuma1", "liburing2", cache=folder).root)


@pytest.mark.slow
def test_two_processes_unpack_into_one_new_folder(tmp_path: Path) -> None:
    folder = str(tmp_path / "new" / "packages")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        roots = set(pool.map(unpack_one, [folder, folder]))
    root = Path(roots.pop())
    assert not roots
    assert list(root.glob("usr/lib/*/libnuma.so.1"))
    assert list(root.glob("usr/lib/*/liburing.so.2"))


def test_debian_rung_is_there_when_asked_for() -> None:
    with MariaDBServer(ladder=("debian",)) as server:
        assert server.rung == "debian"
        assert server.sql("SELECT 1") == [["1"]]
