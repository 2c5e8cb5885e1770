"""The plugin on real servers: who keeps a password fails the five-line test, who uses secretconn passes it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from secretconn.testing import MariaDBServer, MySQLServer, PostgresServer

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]
PLUGIN = "secretconn.testing.plugin"
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = --strict-markers -p no:cacheprovider
"""

ORDERS = '''
"""Applications that know the name of their secret and nothing of any test."""

import json

import asyncpg
import boto3
import psycopg
import pymysql
import sqlalchemy

import secretconn

connect = secretconn.wrap(psycopg.connect, "prod/orders")  # made at import, as applications do
engine = sqlalchemy.create_engine(
    "postgresql+psycopg:///?plugin=secretconn&secret_id=prod/orders", poolclass=sqlalchemy.NullPool
)

def with_psycopg():
    with connect() as connection:
        return connection.execute("SELECT current_user").fetchone()[0]

def by_name():
    secretconn.connect("prod/orders").close()

def with_sqlalchemy():
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))

async def with_asyncpg():
    await (await secretconn.aconnect("prod/orders", driver="asyncpg")).close()

class Keeping:
    """Reads the secret once, and keeps what it says."""

    def __init__(self):
        answer = boto3.client("secretsmanager").get_secret_value(SecretId="prod/orders")
        kept = json.loads(answer["SecretString"])
        self.place = {"host": kept["host"], "port": kept["port"]}
        self.login = {"user": kept["username"], "password": kept["password"]}
        self.database = kept["dbname"]

    def with_psycopg(self):
        psycopg.connect(**self.place, **self.login, dbname=self.database).close()

    async def with_asyncpg(self):
        await (await asyncpg.connect(**self.place, **self.login, database=self.database)).close()
'''


def url(server: PostgresServer | MariaDBServer) -> str:
    login = server.login
    return f"{server.engine}://{login.username}:{quote(login.password, safe='')}@{server.host}:{server.port}"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run tests of somebody else's: ``run(source, *arguments)``, beside the module ``orders``."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "a-profile-of-the-developer")
    monkeypatch.setenv("SECRETCONN_SOURCE", "agent")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    pytester.makeini(INI)
    pytester.makepyfile(orders=ORDERS)

    def running(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_orders=source)
        return pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:anyio", *arguments)

    return running


@pytest.fixture
def on_our_servers(
    postgres: PostgresServer, mariadb: MariaDBServer, mysql: MySQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers of these tests are those of the tests within, as if they were services of a CI."""
    monkeypatch.setenv("SECRETCONN_TEST_POSTGRES_URL", url(postgres))
    monkeypatch.setenv("SECRETCONN_TEST_MARIADB_URL", url(mariadb))
    monkeypatch.setenv("SECRETCONN_TEST_MYSQL_URL", url(mysql))


def failed(result: pytest.RunResult) -> set[str]:
    """Names of the tests that failed, as the summary of ``-rA`` has them."""
    return {
        line.split("::")[1].split(" ")[0] for line in result.outlines if line.startswith("FAILED ") and "::" in line
    }


def left_at(postgres: PostgresServer, *others: MariaDBServer | MySQLServer) -> list[list[str]]:
    """Databases and users."""
    return [
        *postgres.sql("SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1"),
        *(
            row
            for other in others
            for row in other.sql("SELECT schema_name FROM information_schema.schemata ORDER BY 1")
        ),
        *(row for other in others for row in other.sql("SELECT user FROM mysql.user ORDER BY 1")),
    ]


@pytest.mark.usefixtures("on_our_servers")
def test_who_survives_a_rotation_passes_and_who_does_not_fails(run: Run) -> None:
    result = run(
        """
        import pytest
        import orders

        pytestmark = pytest.mark.secretconn(secret="prod/orders")
        fast = pytest.mark.secretconn_rotate(every=0.3, pause=0.1)

        def test_steps_ours(secretconn_rotator):
            for step in secretconn_rotator.steps():
                orders.with_psycopg()

        @fast
        def test_random_ours(secretconn_rotations):
            for _ in secretconn_rotations.until(3):
                orders.with_psycopg()
                orders.by_name()

        @fast
        async def test_random_ours_asyncpg(secretconn_rotations):
            for _ in secretconn_rotations.until(3):
                await orders.with_asyncpg()

        @fast
        def test_random_ours_sqlalchemy(secretconn_rotations):
            for _ in secretconn_rotations.until(3):
                orders.with_sqlalchemy()

        @pytest.mark.parametrize("secretconn_strategy", ["alternating-users"])
        def test_users_take_turns(secretconn_rotator, secretconn_application):
            assert orders.with_psycopg() == secretconn_application.username
            secretconn_rotator.rotate()
            assert orders.with_psycopg() == secretconn_application.username
            assert secretconn_application.login().username == secretconn_application.username + "_clone"

        def test_steps_keeping(secretconn_rotator):
            keeping = orders.Keeping()
            for step in secretconn_rotator.steps():
                keeping.with_psycopg()

        @fast
        def test_random_keeping(secretconn_rotations):
            keeping = orders.Keeping()
            for _ in secretconn_rotations.until(3):
                keeping.with_psycopg()

        @fast
        async def test_random_keeping_asyncpg(secretconn_rotations):
            keeping = orders.Keeping()
            for _ in secretconn_rotations.until(3):
                await keeping.with_asyncpg()
        """,
        "--secretconn-seed=77",
    )
    result.assert_outcomes(passed=5, failed=3)
    assert failed(result) == {"test_steps_keeping", "test_random_keeping", "test_random_keeping_asyncpg"}
    told = "\n".join(result.outlines)
    assert "password authentication failed" in told
    assert told.count("The same moments again: --secretconn-seed=77") == 2


@pytest.mark.usefixtures("on_our_servers")
def test_rotations_that_fail_or_do_not_happen_fail_the_test(run: Run) -> None:
    result = run(
        """
        import pytest

        @pytest.mark.secretconn_rotate(every=0)
        def test_failing(secretconn_application, secretconn_environment):
            secretconn_environment.delete_secret(secretconn_application.secret_id)
            import threading
            for thread in threading.enumerate():
                if thread.name == "secretconn-rotations":
                    thread.join(60)

        @pytest.mark.secretconn_rotate(every=0)
        def test_waiting_for_failing(secretconn_application, secretconn_environment, secretconn_rotations):
            secretconn_environment.delete_secret(secretconn_application.secret_id)
            for _ in secretconn_rotations.until(1000):
                pass

        @pytest.mark.secretconn_rotate(every=1000, seed=1)
        def test_too_short():
            pass

        @pytest.mark.secretconn_rotate(every=1000, seed=1, at_least=0)
        def test_that_may_be_short():
            pass

        @pytest.mark.secretconn_rotate(every=1000, seed=1)
        def test_failing_by_itself():
            assert not "for its own reason"

        @pytest.mark.secretconn_rotate(every=1000, seed=1)
        def test_skipped():
            pytest.skip("no reason")

        @pytest.mark.secretconn(engine="oracle")
        def test_no_such_engine(secretconn_application):
            pass

        @pytest.mark.secretconn_rotate(often=True)
        def test_slip_of_the_pen():
            pass

        @pytest.fixture
        def marked_late(request):
            request.node.add_marker("secretconn_rotate")

        def test_marked_late(marked_late):
            pass

        @pytest.fixture
        def teardown_looks():
            yield
            import threading
            assert "secretconn-rotations" not in [thread.name for thread in threading.enumerate()]

        @pytest.mark.secretconn_rotate(every=0.01, pause=0.01)
        def test_stopped_before_teardown(secretconn_rotations, teardown_looks):
            for _ in secretconn_rotations.until(1):
                pass
        """
    )
    result.assert_outcomes(passed=2, failed=5, skipped=1, errors=2)
    told = "\n".join(line for line in result.outlines if line.startswith("E "))
    assert told.count("RotationError: a rotation failed: ") == 2
    assert "0 of at least 1 rotations were done, which proves nothing" in told
    assert "@pytest.mark.secretconn_rotate takes every, pause, strategy, seed, at_least by keyword, not often=" in told
    assert "test_marked_late has the marker secretconn_rotate, but nothing rotates" in told
    assert "ConfigurationError: the engine must be postgres or mariadb or mysql, not 'oracle'" in told
    assert "for its own reason" in told


@pytest.mark.usefixtures("on_our_servers")
def test_no_test_sees_what_another_one_left(
    run: Run, postgres: PostgresServer, mariadb: MariaDBServer, mysql: MySQLServer
) -> None:
    before = left_at(postgres, mariadb, mysql)
    result = run(
        """
        import os
        import boto3
        import pytest
        import secretconn
        from botocore.exceptions import ClientError
        import orders

        BEFORE = dict(os.environ)
        seen = set()

        @pytest.mark.secretconn(secret="prod/orders")
        @pytest.mark.parametrize("secretconn_engine", ["postgres", "mariadb", "mysql", "postgres"])
        def test_same_name(secretconn_environment, secretconn_application, secretconn_rotator, secretconn_engine):
            shared = secretconn.shared("prod/orders")
            assert shared.stats() == secretconn.Stats()
            orders.by_name()
            assert shared.stats().rejected == 0
            assert secretconn_environment.calls["GetSecretValue"] == 1
            secretconn_environment.delay = 0.001
            assert shared.current().username == secretconn_application.username
            assert shared.current().engine == secretconn_engine
            assert shared.current().username not in seen
            seen.add(shared.current().username)
            for _ in secretconn_rotator.steps():
                orders.by_name()
            assert shared.stats().recovered > 0

        def test_a_name_of_its_own(secretconn_application):
            assert secretconn_application.secret_id.startswith("test/orders_")
            with pytest.raises(ClientError, match="ResourceNotFoundException"):
                boto3.client("secretsmanager").get_secret_value(SecretId="prod/orders")

        @pytest.mark.secretconn(secret="prod/orders", content={"engine": "aurora-postgresql", "team": "shop"})
        def test_two_at_once(secretconn_application, secretconn_make_application, monkeypatch):
            stock = secretconn_make_application("mariadb", secret_id="prod/stock", name="stock")
            monkeypatch.undo()  # the test's own is not the fixtures'
            secretconn.connect("prod/orders", driver="psycopg").close()
            secretconn.connect("prod/stock", driver="pymysql").close()
            assert stock.login().username.startswith("stock_")
            with pytest.raises(ClientError, match="ResourceExistsException"):
                secretconn_make_application(secret_id="prod/stock")
            secretconn.connect("prod/stock", driver="pymysql").close()

        def test_nothing_is_left(secretconn_secrets_manager):
            assert secretconn_secrets_manager.delay == 0
            assert dict(os.environ) | {"PYTEST_CURRENT_TEST": ""} == BEFORE | {"PYTEST_CURRENT_TEST": ""}
            assert boto3.DEFAULT_SESSION is None
            assert "version_id=None" in repr(secretconn.shared("prod/orders"))
        """
    )
    result.assert_outcomes(passed=7)
    assert left_at(postgres, mariadb, mysql) == before


def test_each_worker_has_servers_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRETCONN_TEST_POSTGRES_URL", "SECRETCONN_TEST_MARIADB_URL"):
        monkeypatch.delenv(name, raising=False)
    result = run(
        """
        import os

        def test_it(secretconn_application, secretconn_postgres, secretconn_secrets_manager):
            assert secretconn_application.accepts(secretconn_application.login())
            worker = os.environ["PYTEST_XDIST_WORKER"]
            print("SERVERS", worker, secretconn_postgres.port, secretconn_secrets_manager.endpoint_url)
        """,
        "-n2",
        "--dist=each",
        "-rA",
    )
    result.assert_outcomes(passed=2)
    seen = {tuple(line.split()[1:]) for line in result.outlines if line.startswith("SERVERS ")}
    assert len(seen) == 2
    assert all(len(set(column)) == 2 for column in zip(*seen, strict=True))
