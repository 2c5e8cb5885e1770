"""Rule 9 for tokens: however a login ends, nothing of the token or of the AWS keys is in what is ours, or in a log."""

from __future__ import annotations

import functools
import socket
from dataclasses import replace

import pytest

from secretconn import RotatingCredentials
from tests.live.drivers.table import DriverCase
from tests.live.secrecy import test_every_way
from tests.live.secrecy.test_every_way import Watched
from tests.live.secrecy.ways import Way, named
from tests.live.tokens.conftest import REGION, Database
from tests.support.iam import Keys
from tests.unit.test_secrecy import WORD

KEYS = Keys("AKIDEXAMPLEOLD", f"{WORD}secret", f"{WORD}session")
"""The session token is a part of the token, as it is."""

interrupts = test_every_way.interrupts
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("interrupts")]


@pytest.fixture
def way(case: DriverCase, options: dict[str, object], monkeypatch: pytest.MonkeyPatch, own_keys: None) -> Way:
    """The driver's row, which asks for TLS by itself, with keys that no server knows."""
    for name, value in KEYS.environment.items():
        monkeypatch.setenv(name, value)
    return Way(case.id, case.server, functools.partial(named, replace(case, options=options)), case.is_async)


def test_a_refused_token(way: Way, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    database.iam.keys = []
    seen = Watched(RotatingCredentials(database.url()), caplog)
    seen.assert_nothing_shows(seen.failure(way))
    assert any(type(event).__name__ == "Rejected" for event in seen.events)
    assert database.iam.refused == ["unknown keys"]
    assert WORD in database.iam.tokens[0]


def test_a_closed_port(way: Way, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        url = f"rds-iam://nobody@{where}/orders?engine={database.engine}&region={REGION}"
        seen = Watched(RotatingCredentials(url), caplog)
        seen.assert_nothing_shows(seen.failure(way))
