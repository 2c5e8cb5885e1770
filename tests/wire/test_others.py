"""MongoDB, Snowflake and Db2: the real drivers against fake servers; Redshift's against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn import Verdict
from secretconn.engines import driver_named
from tests.wire.conftest import PASSWORDS
from tests.wire.fake import FakeDb2, FakeMongo, FakeSnowflake

MONGO = [
    (18, "Authentication failed.", Verdict.REJECTED),
    (8000, "bad auth : authentication failed", Verdict.REJECTED),
    (8000, "something else at Atlas", Verdict.OTHER),
    (13, "not authorized on admin to execute command", Verdict.SUSPECT),
    (11, "Could not find user", Verdict.OTHER),
    (91, "The server is in quiesce mode and will shut down", Verdict.OTHER),
]
OPTIONS = {"serverSelectionTimeoutMS": 3000, "authMechanism": "SCRAM-SHA-256"}


@pytest.mark.parametrize(("code", "text", "verdict"), MONGO)
def test_pymongo_shows_a_refusal_in_connect(
    make_rotated: Callable[..., Any], code: int, text: str, verdict: Verdict
) -> None:
    pymongo = pytest.importorskip("pymongo")
    with FakeMongo((code, text)) as server:
        credentials = make_rotated("mongo", server, "old", "new", username="app@x:y/z%")
        with pytest.raises(pymongo.errors.PyMongoError) as caught:
            secretconn.connect(credentials, **OPTIONS)
        assert driver_named("pymongo").classify(caught.value) is verdict
        assert {user for user, _ in server.logins} == {"app@x:y/z%"}
        stats = credentials.stats()
        wanted = {Verdict.REJECTED: (2, 0), Verdict.SUSPECT: (0, 2), Verdict.OTHER: (0, 0)}[verdict]
        assert (stats.rejected, stats.suspected) == wanted


async def test_pymongo_for_asyncio(make_rotated: Callable[..., Any]) -> None:
    pymongo = pytest.importorskip("pymongo")
    with FakeMongo((18, "Authentication failed.")) as server:
        credentials = make_rotated("mongo", server, "old", "new")
        with pytest.raises(pymongo.errors.OperationFailure):
            await secretconn.aconnect(credentials, **OPTIONS)
        assert credentials.stats().rejected == 2


def test_pymongo_without_a_server_is_other() -> None:
    pymongo = pytest.importorskip("pymongo")
    client = pymongo.MongoClient("127.0.0.1", 1, serverSelectionTimeoutMS=100)
    with client, pytest.raises(pymongo.errors.ServerSelectionTimeoutError) as caught:
        client.admin.command("ping")
    assert driver_named("pymongo").classify(caught.value) is Verdict.OTHER


SNOWFLAKE = [
    (390100, "Incorrect username or password was specified.", Verdict.REJECTED),
    (390106, "Your password has expired.", Verdict.REJECTED),
    (390144, "JWT token is invalid.", Verdict.REJECTED),
    (390101, "Your user account has been temporarily locked.", Verdict.BARRED),
    (390102, "User access disabled.", Verdict.BARRED),
    (390422, "Incoming request is not allowed to access Snowflake.", Verdict.BARRED),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("code", "text", "verdict"), SNOWFLAKE)
def test_snowflake(make_rotated: Callable[..., Any], code: int, text: str, verdict: Verdict) -> None:
    snowflake = pytest.importorskip("snowflake.connector")
    with FakeSnowflake((code, text)) as server:
        credentials = make_rotated("snowflake", server, "old", "new", host="acc.snowflakecomputing.com")
        with pytest.raises(snowflake.errors.Error) as caught:
            secretconn.connect(credentials, host=server.host, account="acc", protocol="http", login_timeout=5)
        assert driver_named("snowflake").classify(caught.value) is verdict
        again = verdict is Verdict.REJECTED  # the newer login is of the same user
        wanted = [("app", "old"), ("app", "new")] if again else [("app", "old")]
        assert server.logins == wanted


@pytest.mark.filterwarnings("ignore")  # it leaves the socket of a refused login open
def test_redshift_connector_on_postgresql() -> None:
    redshift = pytest.importorskip("redshift_connector")
    from secretconn.testing.postgres import PostgresServer

    classify = driver_named("redshift-connector").classify
    rules = ["host all locked 127.0.0.1/32 reject", "host all all 127.0.0.1/32 md5"]
    with PostgresServer(hba=rules, options={"password_encryption": "md5"}) as server:
        server.sql("CREATE ROLE app LOGIN PASSWORD 'p'")

        def verdict(user: str, password: str, database: str = "postgres") -> Verdict:
            with pytest.raises(redshift.Error) as caught:
                redshift.connect(
                    user=user, password=password, host=server.host, port=server.port, database=database, ssl=False
                )
            return classify(caught.value)

        assert verdict("app", "wrong") is Verdict.REJECTED
        assert verdict("locked", "wrong") is Verdict.SUSPECT
        assert verdict("app", "p", "nix") is Verdict.OTHER


@pytest.mark.parametrize("new", PASSWORDS)
def test_ibm_db_sends_the_new_password_or_nothing(make_rotated: Callable[..., Any], new: str) -> None:
    ibm = pytest.importorskip("ibm_db_dbi")
    with FakeDb2((0x0F, "")) as server:
        credentials = make_rotated("db2", server, "old", new, dbname="orders")
        with pytest.raises((ibm.Error, secretconn.ConfigurationError)):
            secretconn.connect(credentials, "AUTHENTICATION=SERVER")
        assert server.logins == [("app", "old"), ("app", new)][: 1 if ";" in new else 2]


@pytest.mark.parametrize(
    ("code", "verdict"), [(0x0F, Verdict.REJECTED), (0x0E, Verdict.REJECTED), (0x01, Verdict.OTHER)]
)
def test_ibm_db_s_verdicts(code: int, verdict: Verdict) -> None:
    ibm_db = pytest.importorskip("ibm_db")
    with FakeDb2((code, "")) as server:
        where = f"HOSTNAME={server.host};PORT={server.port};PROTOCOL=TCPIP;DATABASE=x"
        with pytest.raises(Exception, match="SQL30082N") as caught:
            ibm_db.connect(f"{where};AUTHENTICATION=SERVER;UID=app;PWD=x", "", "")
    assert driver_named("ibm-db").classify(caught.value) is verdict
