"""The SQLAlchemy plugin's parameters, and what rotating() refuses; no server is asked."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

import sqlalchemy as sa

from secretconn import ConfigurationError, RotatingCredentials, shared
from secretconn._core.rotating import core_of
from secretconn.sqlalchemy import SecretConnPlugin, rotating
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import subscribers
from tests.unit.test_secrecy import WORD, assert_silent

URL = "postgresql+psycopg:///?secret_id=prod/orders"


def plugin(url: str, **kwargs: Any) -> SecretConnPlugin:
    return SecretConnPlugin(sa.make_url(url), kwargs)


def credentials() -> RotatingCredentials:
    return RotatingCredentials("s", source=MemorySource({"username": "app", "password": "p1", "host": "db"}))


def engine(url: str = "postgresql+psycopg://", **kwargs: Any) -> sa.Engine:
    return sa.create_engine(url, **kwargs)


def test_our_parameters_leave_the_url_and_the_drivers_stay() -> None:
    url = sa.make_url(URL + "&ttl=60&secretconn_region=eu-west-1&sslmode=require&host=a:1&host=b:2")
    assert SecretConnPlugin(url, {}).update_url(url).query == {"sslmode": "require", "host": ("a:1", "b:2")}


@pytest.mark.parametrize(
    "secret_id", ["prod/orders", "rds!cluster-1", "arn:aws:secretsmanager:eu-west-1:1:secret:a-bc"]
)
def test_names_and_arns_need_no_quoting(secret_id: str) -> None:
    assert plugin(f"postgresql+psycopg:///?secret_id={secret_id}")._options["secret_id"] == secret_id


NEEDED = "plugin=secretconn needs secret_id=, the name or the ARN of the secret, or auth=rds-iam for tokens"
KNOWN = "Known: auth, endpoint_url, on_rotation, patience, profile, region, retries, secret_id, ttl"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ttl=60", NEEDED),
        ("secret_id=", NEEDED),
        ("secret_id=a&secret_id=b", "the URL names secret_id more than once"),
        ("secret_id=a&ttl=1&secretconn_ttl=2", "the URL names secretconn_ttl more than once"),
        ("secretid=a", f"unknown parameter secretid beside plugin=secretconn; is secret_id meant? {KNOWN}"),
        ("secret_id=a&regoin=x", f"unknown parameter regoin beside plugin=secretconn; is region meant? {KNOWN}"),
        (
            "secret_id=a&secretconn_regoin=x",
            f"unknown parameter secretconn_regoin beside plugin=secretconn; is region meant? {KNOWN}",
        ),
        (
            "secret_id=a&secretconn_colour=red",
            f"unknown parameter secretconn_colour beside plugin=secretconn. {KNOWN}",
        ),
    ],
)
def test_wrong_parameters_are_named(query: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        plugin(f"postgresql+psycopg:///?{query}")
    assert str(caught.value) == message


@pytest.mark.parametrize("parameter", ["sslmode=require", "options=-c", "connect_timeout=5", "timeout=1", "charset=x"])
def test_parameters_of_drivers_are_nobodys_slip(parameter: str) -> None:
    plugin(f"{URL}&{parameter}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me@db/?secret_id=a",
        "postgresql+psycopg://me:hunter2@db/?secret_id=a",
        "postgresql+psycopg://:hunter2@db/?secret_id=a",
        "postgresql+psycopg:///?secret_id=a&user=me",
        "postgresql+psycopg:///?secret_id=a&password=hunter2",
    ],
)
def test_login_in_the_url_is_a_type_error_that_says_why(url: str) -> None:
    with pytest.raises(TypeError, match="come from the secret and change") as raised:
        plugin(url)
    assert "hunter2" not in str(raised.value)


def test_login_in_connect_args_is_one_as_well() -> None:
    with pytest.raises(TypeError, match="out of connect_args"):
        plugin(URL, connect_args={"password": "hunter2"})


@pytest.mark.parametrize("name", ["creator", "async_creator", "pool"])
def test_own_ways_to_connect_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"leave out {name}="):
        plugin(URL, **{name: object()})


@pytest.mark.parametrize(
    "parameters", ["ttl=soon", "ttl=nan", "ttl=-1", "retries=1.5", "retries=-1", "patience=x", "on_rotation=burn"]
)
def test_values_out_of_range_are_refused_when_the_engine_is_made(parameters: str) -> None:
    name = parameters.partition("=")[0]
    with pytest.raises(ConfigurationError, match=name):
        plugin(f"{URL}&{parameters}&region=us-east-1").engine_created(engine())


def test_engine_with_a_login_is_refused() -> None:
    with pytest.raises(TypeError, match="out of the URL"):
        rotating(engine("postgresql+psycopg://me:secret@db/x"), credentials())


def test_engine_with_its_own_creator_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^the engine connects by its own creator= \(or pool=\), which no secret can reach$"
    ):
        rotating(engine(creator=lambda: None), credentials())


def test_engine_gets_one_secret() -> None:
    with pytest.raises(ConfigurationError, match=r"^this engine has a secret already$"):
        rotating(rotating(engine(), credentials()), credentials())


def test_unknown_driver_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite\+pysqlite: unknown driver"):
        rotating(engine("sqlite://"), credentials())


def test_reach_beside_a_rotating_credentials_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="region="):
        rotating(engine(), credentials(), region="eu-west-1")


def test_drained_engine_is_not_kept_alive() -> None:
    own = credentials()
    made = rotating(engine(), own, on_rotation="drain")
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
    assert subscribers(own) == 0


def test_import_secretconn_loads_no_sqlalchemy() -> None:
    code = "import secretconn, sys; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("written", ["a+b", "a%2Bb"])
def test_a_plus_in_a_name_is_a_plus(written: str) -> None:
    assert plugin(f"postgresql+psycopg:///?secret_id={written}")._options["secret_id"] == "a+b"


SOURCE = "a source (secret_id=SOURCE://...)"
ELSEWHERE = [
    ("secret_id=file:///etc/x%20y", SOURCE),
    ("secret_id=agent://a", SOURCE),
    ("secret_id=a&endpoint_url=http://evil", "endpoint_url"),
    ("secret_id=agent://a&endpoint_url=http://evil", f"{SOURCE} and endpoint_url"),
]


@pytest.mark.parametrize(("query", "named"), ELSEWHERE)
def test_a_url_may_name_another_place_only_where_the_operator_says_so(
    query: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        plugin(f"postgresql+psycopg:///?{query}")
    assert str(caught.value) == (
        f"a URL may not name {named}, because a user who types URLs could read other secrets with it; where all URLs "
        "are your own, set SECRETCONN_URLS=all"
    )
    monkeypatch.setenv("SECRETCONN_URLS", "all")
    made = plugin(f"postgresql+psycopg:///?{query}")
    assert made._options["secret_id"] in ("file:///etc/x y", "agent://a", "a")


def test_an_operator_may_refuse_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("postgresql+psycopg:///?secret_id=secretsmanager://a")
    monkeypatch.setenv("SECRETCONN_URLS", "none")
    with pytest.raises(ConfigurationError, match=r"^plugin=secretconn is refused here: SECRETCONN_URLS=none$"):
        plugin("postgresql+psycopg:///?secret_id=a")


@pytest.mark.parametrize(
    "make",
    [
        lambda: plugin(f"postgresql+psycopg://me:{WORD}@db/?secret_id=a"),
        lambda: plugin(f"postgresql+psycopg:///?secret_id=a&password={WORD}"),
        lambda: plugin(URL, connect_args={"password": WORD}),
        lambda: rotating(engine(f"postgresql+psycopg://me:{WORD}@db/x"), credentials()),
    ],
    ids=["URL", "query", "connect_args", "rotating"],
)
def test_a_login_that_is_refused_is_in_no_frame_of_ours(make: Callable[[], object]) -> None:
    """A URL is a tuple; error trackers look into those."""
    with pytest.raises(TypeError) as caught:
        make()
    assert_silent(caught.value)


# -- what a dialect's connect is called with --------------------------------------------------------------------------


class Opened:
    """As a DBAPI connection, as far as a pool needs one."""

    closed = False

    def close(self) -> None:
        self.closed = True

    def rollback(self) -> None:
        pass


LOGIN = {"user": "app", "password": "p1", "host": "db"}


def taking(made: sa.Engine) -> list[dict[str, Any]]:
    """What is sent to the dialect's own connect from now on."""
    sent: list[dict[str, Any]] = []

    def connect(*args: Any, **keywords: Any) -> Opened:
        sent.append({**keywords, "args": args})
        return Opened()

    made.dialect.connect = connect  # type: ignore[method-assign]
    return sent


def test_each_connect_logs_in_with_the_secret() -> None:
    made = engine()
    sent = taking(made)
    assert rotating(made, credentials()) is made
    made.dialect.connect(connect_timeout=5)
    (told,) = sent
    assert told["connect_timeout"] == 5
    assert told.items() >= LOGIN.items()


async def test_an_async_dialect_waits_in_its_own_greenlet() -> None:
    pytest.importorskip("asyncpg")
    pytest.importorskip("greenlet")
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.util import greenlet_spawn

    made = create_async_engine("postgresql+asyncpg://")
    sent = taking(made.sync_engine)
    rotating(made, credentials())
    opened = await greenlet_spawn(made.sync_engine.dialect.connect, timeout=5)
    assert isinstance(opened, Opened)
    (told,) = sent
    assert told["timeout"] == 5
    assert told.items() >= LOGIN.items()


def test_what_was_opened_before_a_rotation_is_replaced_if_it_is_to_be_drained() -> None:
    for on_rotation, replaced in (("keep", False), ("drain", True)):
        made, source = engine(_initialize=False), MemorySource(LOGIN | {"username": "app"})
        own = RotatingCredentials("s", source=source)
        sent = taking(made)
        rotating(made, own, on_rotation=on_rotation)  # type: ignore[call-overload]
        taken = []
        for version in ("v1", "v1", "v2"):
            if version == "v2":
                source.change(password="p2")
                own.refresh()
            lent = made.raw_connection()
            taken.append(lent.dbapi_connection)
            lent.close()
        assert taken[0] is taken[1]
        assert (taken[2] is not taken[1]) == replaced
        assert len(sent) == 1 + replaced


def test_the_plugin_hands_on_what_the_url_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETCONN_URLS", "all")
    url = f"{URL}/plugin&ttl=60&region=eu-west-1&endpoint_url=http://x&retries=2&patience=3"
    made = engine(_initialize=False)
    plugin(url).engine_created(made)
    same = shared("prod/orders/plugin", ttl=60.0, region="eu-west-1", endpoint_url="http://x")
    assert core_of(same).settings.ttl == 60.0
    assert made.url == sa.make_url(url)


def test_auth_makes_tokens_of_the_urls_own_user() -> None:
    url = "postgresql+psycopg://or%40ders@db.internal:5433/sh%2Fop?auth=rds-iam&region=eu-central-1&sslmode=verify-full"
    made = plugin(url)
    assert made._options["secret_id"] == "rds-iam://or%40ders@db.internal:5433/sh%2Fop?engine=postgresql"
    left = made.update_url(sa.make_url(url))
    assert (left.username, left.host, left.port, dict(left.query)) == (
        None,
        "db.internal",
        5433,
        {"sslmode": "verify-full"},
    )
    assert plugin("postgresql+psycopg://admin@[::1]/d?secretconn_auth=dsql")._options["secret_id"] == (
        "dsql://admin@[::1]/d"
    )


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("postgresql+psycopg://u:xyzzy-1@h/d?auth=rds-iam", TypeError, "leave them out of the URL"),
        ("postgresql+psycopg://u@h/d?auth=rds-iam&password=xyzzy-1", TypeError, "leave them out of the URL"),
        ("postgresql+psycopg://u@h/d?auth=rds-iam&secret_id=a", ConfigurationError, "needs secret_id="),
        ("postgresql+psycopg://u@h/d?auth=iam", ConfigurationError, "known are rds-iam"),
    ],
)
def test_what_auth_refuses(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        plugin(url)
    assert_silent(raised.value)
