"""ExistingServer: which URLs it takes, and that the password in one shows nowhere."""

from __future__ import annotations

import traceback

import pytest

from secretconn.errors import ConfigurationError
from secretconn.testing import ExistingServer, MariaDBAdmin, PostgresAdmin
from tests.unit.test_secrecy import WORD, assert_silent


@pytest.mark.parametrize(
    ("url", "engine", "port", "admin"),
    [
        ("postgres://root:a%40%2Fb@db.test:5433", "postgres", 5433, PostgresAdmin),
        ("postgresql://root:a%40%2Fb@db.test/", "postgres", 5432, PostgresAdmin),
        ("mysql://root:a%40%2Fb@db.test", "mysql", 3306, MariaDBAdmin),
        ("mariadb://root:a%40%2Fb@db.test:3307", "mariadb", 3307, MariaDBAdmin),
    ],
)
def test_a_url_says_all(url: str, engine: str, port: int, admin: type) -> None:
    server = ExistingServer(url)
    assert (server.engine, server.host, server.port) == (engine, "db.test", port)
    assert (server.login.username, server.login.password) == ("root", "a@/b")
    assert type(server.admin("orders")) is admin
    assert "a@/b" not in repr(server)
    assert "a%40" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "oracle://root:hunter2@db.test",
        "postgres://root@db.test",
        "postgres://:hunter2@db.test",
        "postgres://root:hunter2@",
        "postgres://root:hunter2@db.test:port",
        "postgres://root:hunter2@db.test:99999",
        "postgres://root:hunter2@db.test/orders",
        "postgres://root:hunter2@db.test?sslmode=require",
        "root:hunter2@db.test",
    ],
)
def test_other_urls_are_refused_without_telling_them(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgres://USER:PASSWORD@HOST:PORT") as caught:
        ExistingServer(url)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if frame.filename.endswith("/existing.py")]
    assert ours
    assert "hunter2" not in f"{caught.value}{[frame.locals for frame in ours]}"


@pytest.mark.parametrize("url", [f"postgres://a:{WORD}[@h:1", f"postgres://a:{WORD}@h:x", f"postgres://a:{WORD}@h/d"])
def test_a_url_that_cannot_be_is_in_no_frame_of_ours(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ExistingServer(url)
    assert_silent(caught.value)
