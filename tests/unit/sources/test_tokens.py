"""IAM tokens: what is signed, for how long a token is used, and when a refused one is signed anew."""

from __future__ import annotations

import json
import logging
import time
from calendar import timegm
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials as AwsKeys

import secretconn
from secretconn import ConfigurationError, RotatingCredentials, Runtime, SecretUnavailable
from secretconn._core.choose import Reach, choose
from secretconn._core.environment import environment
from secretconn.pools import is_outlived
from secretconn.sources import IamTokens
from secretconn.sources.token_hosts import token_url
from secretconn.testing.memory import MemorySource
from tests.support.iam import Iam, Keys
from tests.unit.fakes import DRIVER, Gate, Refused, Time
from tests.unit.test_secrecy import assert_silent, walk

HOST = "orders.abc123.eu-central-1.rds.amazonaws.com"
URL = f"rds-iam://orders@{HOST}/shop?engine=postgresql"
DSQL = "abc.dsql.us-east-1.on.aws"
CURRENT = ("AWSCURRENT",)
NOBODY = frozenset[str]()
NOW = 1_790_000_000.5
KEYS = Keys("AKIDEXAMPLEONE", "xyzzy-secret", "xyzzy-session+token==")


class Session:
    """As botocore's: its keys, which may be others the next time."""

    def __init__(self, keys: Keys | None = KEYS, region: str | None = None) -> None:
        self.keys, self.region, self.asked = keys, region, 0

    def get_credentials(self) -> Any:
        self.asked += 1
        return None if self.keys is None else AwsKeys(self.keys.id, self.keys.secret, self.keys.token)

    def get_config_variable(self, name: str) -> str | None:
        return self.region


class Wall:
    """Seconds since 1970."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def session() -> Session:
    return Session()


def tokens(session: Session, wall: Wall, scheme: str = "rds-iam", **more: Any) -> IamTokens:
    more = {"user": "orders", "host": HOST, "engine": "postgresql", **more}
    return IamTokens(scheme, session=session, wall=wall, **more)  # type: ignore[arg-type]


def token_of(source: IamTokens, *, fresh: bool = False, held: frozenset[str] = NOBODY) -> dict[str, Any] | None:
    reading = source.read_fresh(CURRENT, held) if fresh else source.read(CURRENT, held)
    return next((json.loads(one.content) for one in reading.payloads.values()), None)


def test_a_token_is_what_iam_accepts_and_botocore_makes(session: Session, wall: Wall) -> None:
    """Odd users are quoted as botocore does it; the signature is checked by one of our own."""
    user = "or ders/+é~"
    found = token_of(tokens(session, wall, user=user, database="shop"))
    assert found is not None
    token = found.pop("password")
    assert found == {"username": user, "host": HOST, "port": 5432, "dbname": "shop", "engine": "postgresql"}
    iam = Iam("rds-db", "eu-central-1", f"{HOST}:5432", [KEYS], ahead=NOW - time.time())
    assert iam.accepts(user, token), iam.refused
    aws = botocore.session.Session()
    aws.set_credentials(KEYS.id, KEYS.secret, KEYS.token)
    theirs = aws.create_client("rds", region_name="eu-central-1").generate_db_auth_token(HOST, 5432, user)
    ours, theirs = (url.replace("X-Amz-Date", "&X-Amz-Date").partition("&X-Amz-Date")[0] for url in (token, theirs))
    assert ours.rpartition("%2F2")[0] == theirs.rpartition("%2F2")[0]


@pytest.mark.parametrize(
    ("scheme", "user", "host", "more", "service", "region", "authority", "asked"),
    [
        ("dsql", "app", DSQL, {}, "dsql", "us-east-1", DSQL, {"Action": "DbConnect"}),
        ("dsql", "admin", DSQL, {}, "dsql", "us-east-1", DSQL, {"Action": "DbConnectAdmin"}),
        (
            "elasticache-iam",
            "app",
            "shop-x7ab2c.serverless.use1.cache.amazonaws.com",
            {"region": "us-east-1"},
            *("elasticache", "us-east-1", "shop"),
            {"Action": "connect", "User": "app", "ResourceType": "ServerlessCache"},
        ),
        (
            "elasticache-iam",
            "app",
            "master.shop.x7ab2c.use1.cache.amazonaws.com",
            {"region": "us-east-1"},
            *("elasticache", "us-east-1", "shop"),
            {"Action": "connect", "User": "app"},
        ),
        (
            "memorydb-iam",
            "admin",
            "clustercfg.shop.x7ab2c.memorydb.us-east-1.amazonaws.com",
            {},
            *("memorydb", "us-east-1", "shop"),
            {"Action": "connect", "User": "admin"},
        ),
        (
            "elasticache-iam",
            "app",
            "127.0.0.1",
            {"region": "us-east-1", "cache": "shop", "serverless": True},
            *("elasticache", "us-east-1", "shop"),
            {"Action": "connect", "User": "app", "ResourceType": "ServerlessCache"},
        ),
    ],
)
def test_each_service_has_its_own_token(
    session: Session,
    wall: Wall,
    scheme: str,
    user: str,
    host: str,
    more: dict[str, Any],
    service: str,
    region: str,
    authority: str,
    asked: dict[str, str],
) -> None:
    found = token_of(tokens(session, wall, scheme, user=user, host=host, engine=None, **more))
    assert found is not None
    iam = Iam(service, region, authority, [KEYS], NOW - time.time(), asked, None)
    assert iam.accepts(user, found["password"]), iam.refused


@pytest.mark.parametrize(("user", "admin"), [("app", ""), ("admin", "admin_")])
def test_dsql_tokens_are_botocores(session: Session, wall: Wall, user: str, admin: str) -> None:
    found = token_of(tokens(session, wall, "dsql", user=user, host=DSQL, engine=None))
    assert found is not None
    assert found["port"] == 5432
    assert found["engine"] == "postgresql"
    aws = botocore.session.Session()
    aws.set_credentials(KEYS.id, KEYS.secret, KEYS.token)
    client = aws.create_client("dsql", region_name="us-east-1")
    theirs = getattr(client, f"generate_db_connect_{admin}auth_token")(DSQL)
    assert found["password"].partition("%2F2")[0] == theirs.partition("%2F2")[0]


def test_a_refused_token_is_signed_anew_for_other_keys_or_for_its_age(session: Session, wall: Wall) -> None:
    source = tokens(session, wall)
    source.read(CURRENT, NOBODY)
    held = frozenset(source.read(CURRENT, NOBODY).payloads)
    assert token_of(source, fresh=True, held=held) is None
    wall.now += 59
    reading = source.read_fresh(CURRENT, held)
    assert reading.payloads == {}
    assert reading.stages["AWSCURRENT"] in held
    wall.now -= 2
    session.keys = Keys("AKIDEXAMPLETWO", "xyzzy-other")
    found = token_of(source, fresh=True, held=held)
    assert found is not None
    assert "AKIDEXAMPLETWO" in found["password"]
    assert "Security-Token" not in found["password"]
    held = frozenset(source.read(CURRENT, NOBODY).payloads)
    wall.now += 61
    assert token_of(source, fresh=True, held=held) is not None
    held = frozenset(source.read(CURRENT, NOBODY).payloads)
    wall.now -= 3600  # the clock was wrong, and was put right
    assert token_of(source, fresh=True, held=held) is not None


def test_a_token_of_keys_that_were_not_looked_for_is_no_last_word(session: Session, wall: Wall) -> None:
    """A login that is refused just when another thread renews the token asks once more."""
    source = tokens(session, wall)
    assert source.read(CURRENT, NOBODY).cached
    reading = source.read_fresh(CURRENT, NOBODY)
    assert (reading.cached, reading.whole) == (False, True)


def test_a_renewal_with_old_keys_in_the_middle_of_a_refusal_fails_nobody(session: Session, wall: Wall) -> None:
    bed = Bed(session, wall)
    bed.connect()
    session.keys, bed.refuse = Keys("AKIDEXAMPLETWO", "xyzzy-other"), [KEYS.id]
    reader = bed.rotating._reader
    ask = reader.ask

    def renewed_first(*arguments: Any) -> Any:
        reader.ask = ask  # type: ignore[method-assign]
        reader.behind("ttl")
        return ask(*arguments)

    reader.ask = renewed_first  # type: ignore[method-assign]
    bed.connect()
    assert [KEYS.id in token for token in bed.sent] == [True, True, False]


def test_keys_are_looked_for_in_vain_once_a_second(session: Session, wall: Wall) -> None:
    source = tokens(session, wall)
    held = frozenset(source.read(CURRENT, NOBODY).payloads)
    for _ in range(10):
        assert token_of(source, fresh=True, held=held) is None
    assert session.asked == 2
    wall.now += 1
    assert token_of(source, fresh=True, held=held) is None
    assert session.asked == 3


class Bed:
    """Tokens, a clock, and a server that accepts or refuses."""

    def __init__(self, session: Session, wall: Wall, **settings: Any) -> None:
        self.time, self.wall, self.sent, self.refuse = Time(), wall, list[str](), list[str]()
        self.threads = 0
        runtime = self.time.runtime(random=0.999)
        self.rotating = RotatingCredentials(
            "orders",
            source=settings.pop("source", None) or tokens(session, wall),
            runtime=Runtime(clock=runtime.clock, sleep=runtime.sleep, random=runtime.random, spawn=self.spawn),
            **settings,
        )
        self.events: list[Any] = []
        self.rotating.subscribe(self.events.append)

    def spawn(self, work: Any) -> None:
        self.threads += 1
        work()

    def pass_time(self, seconds: float) -> None:
        self.time.now += seconds
        self.wall.now += seconds

    def connect(self) -> None:
        def server(*, user: str, password: str, **rest: Any) -> None:
            self.sent.append(password)
            if any(word in password for word in self.refuse):
                raise Refused

        secretconn.wrap(server, self.rotating, driver=replace(DRIVER, tls=lambda *_: {}))()  # type: ignore[arg-type]


def test_no_connection_gets_a_token_that_is_older_than_ten_minutes(session: Session, wall: Wall) -> None:
    """And signing takes no thread once the keys are known, and is no rotation."""
    bed = Bed(session, wall)
    for _ in range(60):
        bed.connect()
        (signed,) = {part for part in bed.sent[-1].split("&") if part.startswith("X-Amz-Date")}
        assert bed.wall.now - _seconds(signed.partition("=")[2]) <= 600
        bed.pass_time(97)
    bed.pass_time(86400)
    bed.connect()
    assert bed.wall.now - _seconds(bed.sent[-1].partition("X-Amz-Date=")[2][:16]) <= 1
    assert bed.threads == 1
    stats = bed.rotating.stats()
    assert (stats.api_calls, stats.rotations, stats.connects) == (0, 0, 61)
    assert len(set(bed.sent)) <= 13
    assert {type(event).__name__ for event in bed.events} == {"Fetched", "Refreshed"}


async def test_an_event_loop_signs_for_itself(session: Session, wall: Wall) -> None:
    bed = Bed(session, wall)
    first = await bed.rotating.acurrent()
    bed.pass_time(601)
    assert (await bed.rotating.acurrent()).version_id != first.version_id
    assert bed.threads == 1


def test_a_crowd_signs_one_token_and_nobody_waits_for_a_thread(session: Session, wall: Wall) -> None:
    gate = Gate()

    class Slow(IamTokens):
        def _signed(self) -> Any:
            if self._version:
                gate.pass_through()
            return super()._signed()

    source = Slow("rds-iam", "orders", HOST, engine="postgresql", session=session, wall=wall)  # type: ignore[arg-type]
    bed = Bed(session, wall, source=source)
    first = bed.rotating.current().version_id
    bed.pass_time(601)
    versions: list[str] = []
    gate.crowd(*[lambda: versions.append(bed.rotating.current().version_id)] * 5)
    assert len(versions) == 5
    assert set(versions) == {bed.rotating.current().version_id}
    assert first not in versions
    assert bed.threads == 1


def test_another_token_is_no_rotation_for_a_pool_that_drains(session: Session, wall: Wall) -> None:
    bed = Bed(session, wall)
    first = bed.rotating.current().version_id
    bed.pass_time(601)
    assert bed.rotating.current().version_id != first
    assert not is_outlived(bed.rotating, first)
    other = RotatingCredentials("s", source=MemorySource({"username": "u", "password": "p"}))
    assert is_outlived(other, first)


def test_keys_that_must_be_renewed_are_renewed_in_a_thread(wall: Wall) -> None:
    """It may take a request: of the instance's metadata, or of STS."""

    class Renewing(Session):
        def get_credentials(self) -> Any:
            keys = super().get_credentials()
            keys.refresh_needed = lambda: True
            return keys

    bed = Bed(Renewing(), wall)
    bed.connect()
    bed.pass_time(601)
    bed.connect()
    assert bed.threads == 2
    assert len(set(bed.sent)) == 2


def test_without_aws_keys_nothing_is_sent(session: Session, wall: Wall) -> None:
    """A token that is too old is not used for want of another."""
    bed = Bed(session, wall, read_patience=0.0)
    bed.connect()
    session.keys = None
    bed.rotating._reader.source._keys = None  # type: ignore[attr-defined]  # as in a forked child
    bed.pass_time(601)
    with pytest.raises(SecretUnavailable, match="AWS credentials of this process"):
        bed.connect()
    assert len(bed.sent) == 1


def test_a_refused_login_is_told_with_what_to_look_at(session: Session, wall: Wall) -> None:
    bed = Bed(session, wall)
    bed.refuse = ["Amz"]
    with pytest.raises(Refused) as raised:
        bed.connect()
    assert len(bed.sent) == 1
    (note,) = raised.value.__notes__
    assert "rds_iam" in note
    assert "no other login" in note
    assert "X-Amz" not in note


def test_other_keys_cost_one_refused_login_and_no_token_is_sent_twice(session: Session, wall: Wall) -> None:
    bed = Bed(session, wall)
    bed.connect()
    bed.refuse = [KEYS.id]
    session.keys = Keys("AKIDEXAMPLETWO", "xyzzy-other")
    bed.connect()
    bed.connect()
    assert len(bed.sent) == 4
    assert bed.sent[0] == bed.sent[1]
    assert bed.sent[2] == bed.sent[3]


def test_a_refused_token_is_in_nothing_that_is_raised_or_kept(
    session: Session, wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    """The session token is a part of it, and stands for all of it; the key must not show either."""
    bed = Bed(session, wall)
    bed.refuse = ["Amz"]
    with caplog.at_level(logging.DEBUG), pytest.raises(Refused) as raised:
        bed.connect()
    assert "xyzzy" in bed.sent[0]
    assert_silent(raised.value)
    shown = walk([vars(bed.rotating._reader.source), bed.events, bed.rotating, bed.rotating.current(), caplog.messages])
    assert "xyzzy" not in shown
    assert "X-Amz" not in shown


def test_nothing_of_a_token_is_logged(session: Session, wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        found = token_of(tokens(session, wall))
    assert found is not None
    assert "X-Amz" not in caplog.text
    assert found["password"].rpartition("=")[2] not in caplog.text
    assert "xyzzy" not in repr(tokens(session, wall)) + caplog.text


@pytest.mark.parametrize(
    ("secret_id", "text"),
    [
        ("rds-iam://orders:xyzzy@h:1/d", "has a password"),
        ("rds-iam://h:1/d", "names no user"),
        ("rds-iam://u@/d", "names no host"),
        ("rds-iam://u@h:0/d", "is no port"),  # a port of one's own is signed too
        ("rds-iam://u@h:x/d", "is no port"),
        ("rds-iam://u@h/d", "needs engine= or a port"),
        ("rds-iam://u@h/d?engine=oracle", "no tokens for engine"),
        ("rds-iam://u@h:1/d?xyzzy=1&engien=2", "unknown parameter"),
        ("rds-iam://u@h:1/d?engien=mysql", "unknown parameter 'engien'"),
        (f"rds-iam://u@{HOST}/d?engine=mysql&region=us-east-1", "contradicts the host name"),
        ("elasticache-iam://u@h", "add \\?cache="),
        ("elasticache-iam://u@h?cache=c&serverless=yes", "true or false"),
    ],
)
def test_a_wrong_url_is_told_and_its_password_is_not(secret_id: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as raised:
        RotatingCredentials(secret_id)
    assert "xyzzy@" not in str(raised.value)


@pytest.mark.parametrize(
    ("reach", "text"),
    [
        (Reach(endpoint_url="http://localhost:1"), "leave out endpoint_url="),
        (Reach(client=object()), "leave out client="),  # type: ignore[arg-type]
        (Reach(replica_regions=("a", "b")), "leave out replica_regions="),
        (Reach(region="us-east-1"), "contradicts the host name"),
    ],
)
def test_what_reaches_secrets_manager_reaches_no_signer(reach: Reach, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        choose(URL, reach, environment({}), Runtime(environ={}))


def test_the_region_is_the_hosts_then_as_for_secrets(session: Session) -> None:
    def region(host: str, environ: dict[str, str], **reach: Any) -> str | None:
        url = f"rds-iam://u@{host}/d?engine=mysql"
        source: Any = choose(url, Reach(**reach), environment(environ), Runtime(environ=environ))
        source.read(CURRENT, NOBODY)
        return source.place  # type: ignore[no-any-return]

    named = Session(region="eu-west-1")
    assert region(HOST, {"SECRETCONN_REGION": "us-east-1"}, session=named) == "eu-central-1"
    assert region("h.proxy-x.us-gov-west-1.rds.amazonaws.com", {}, session=named) == "us-gov-west-1"
    assert region("h.x.rds.cn-north-1.amazonaws.com.cn", {}, session=named) == "cn-north-1"
    assert region("127.0.0.1", {}, session=named) == "eu-west-1"
    assert region("127.0.0.1", {}, session=named, region="us-east-2") == "us-east-2"
    assert region("127.0.0.1", {"SECRETCONN_REGION": "us-east-1"}, session=session) == "us-east-1"
    assert region("127.0.0.1", {"AWS_REGION": "us-west-2"}, session=Session()) == "us-west-2"
    with pytest.raises(ConfigurationError, match="no region"):
        region("127.0.0.1", {}, session=Session())


def test_a_url_is_read_with_its_quoting() -> None:
    url = token_url("rds-iam://or%20ders%40x@h:3306/my%2Fshop?engine=mysql&region=us-east-1")
    assert (url.user, url.host, url.port, url.database) == ("or ders@x", "h", 3306, "my/shop")


def _seconds(stamp: str) -> int:
    return timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
