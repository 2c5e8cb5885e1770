"""MySQLServer on a real MySQL: logins, TLS, settings, restarts, and the data folder that is made once."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pymysql
import pytest

from secretconn.testing import MySQLServer, ServerUnavailable

ACCESS_DENIED = 1045


def connect(server: MySQLServer, **changed: Any) -> pymysql.connections.Connection:
    return pymysql.connect(
        host=server.host, port=server.port, **{"user": server.user, "password": server.password, **changed}
    )


def trusting(server: MySQLServer) -> ssl.SSLContext:
    """Trust in this server's authority only."""
    context = ssl.create_default_context(cafile=str(server.authority))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 asks for a key identifier that MySQL does not write
    context.check_hostname = False  # the certificate has no name: the server made it
    return context


def certificate(server: MySQLServer) -> Any:
    """The certificate that the server shows."""
    with connect(server, ssl=trusting(server)) as connection:
        return connection._sock.getpeercert(binary_form=True)


def test_it_is_a_mysql_9_whose_users_log_in_by_caching_sha2_password(mysql: MySQLServer) -> None:
    mysql.sql("CREATE USER plain_user IDENTIFIED BY 'p';\n")
    assert mysql.sql("SELECT plugin, version() LIKE '9.%' FROM mysql.user WHERE user = 'plain_user'") == [
        ["caching_sha2_password", "1"]
    ]


@pytest.mark.parametrize("user", ["root", "", "mysql.sys", "mysql.session"])
def test_no_login_without_a_password(mysql: MySQLServer, user: str) -> None:
    with pytest.raises(pymysql.OperationalError):
        connect(mysql, user=user, password="")


def test_two_servers_share_a_data_folder_made_once_and_nothing_else(mysql: MySQLServer) -> None:
    """Certificates, keys and the server's id are each one's own; the second one starts from the copy."""
    with MySQLServer(user="chief", options={"max_connections": "20"}) as other:
        assert certificate(other) != certificate(mysql)
        assert other.sql("SELECT @@server_uuid") != mysql.sql("SELECT @@server_uuid")
        assert other.sql("SELECT @@max_connections, current_user()") == [["20", "chief@%"]]
        no_password = "SELECT user FROM mysql.user WHERE authentication_string = '' AND account_locked = 'N'"
        assert other.sql(no_password) == []
        with pytest.raises(pymysql.OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
            connect(mysql, ssl=trusting(other))


def test_data_settings_and_port_outlive_restart_stop_and_crash() -> None:
    with MySQLServer(options={"tls_version": "", "lower_case_table_names": "1"}) as server:
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
        assert server.sql("SELECT @@lower_case_table_names, @@tls_version") == [["1", ""]]
        with connect(server, ssl_disabled=True) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            assert (cursor.fetchone() or ("", ""))[1] == ""
    assert not folder.exists()


def test_bad_setting_fails_with_the_servers_words() -> None:
    with pytest.raises(ServerUnavailable, match="no-such-setting"):
        MySQLServer(options={"no_such_setting": "1"}).start()


def test_mariadb_on_path_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mysqld").write_text("#!/bin/sh\necho 'mysqld Ver 10.11-MariaDB'\n")
    (tmp_path / "mysqld").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ServerUnavailable, match=r"path: .*/mysqld is not MySQL"):
        MySQLServer(ladder=("path",)).start()
