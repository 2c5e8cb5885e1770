"""SQL Server's three drivers, real ones, against a fake server: what they send, and what their refusals mean."""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import secretconn
from secretconn import Verdict
from secretconn.engines import driver_named
from secretconn.testing import ServerUnavailable, debian
from tests.wire.conftest import PASSWORDS
from tests.wire.fake import FakeTds

PACKAGES = ("tdsodbc", "unixodbc")
LOGIN_FAILED = (18456, "Login failed for user 'app'.")


@pytest.fixture(scope="module")
def odbc() -> Any:
    """pyodbc, with Debian's unixODBC where the system has none."""
    with contextlib.suppress(ImportError):
        import pyodbc

        return pyodbc
    _preload()
    return pytest.importorskip("pyodbc", exc_type=ImportError)


def _preload() -> None:
    with contextlib.suppress(ServerUnavailable):
        unpacked = debian.unpack(*PACKAGES)
        waiting = [path for path in unpacked.root.rglob("*.so.*") if path.is_file()]
        loaded = True
        while loaded:  # each pass loads those whose own libraries are there
            loaded = [path for path in waiting if _loads(path)]
            waiting = [path for path in waiting if path not in loaded]


def _loads(path: Path) -> bool:
    for name in (path.name, str(path)):  # the machine's, if it has one: two copies in one process would not do
        with contextlib.suppress(OSError):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
            return True
    return False


def freetds() -> str:
    try:
        root = debian.unpack(*PACKAGES).root
    except ServerUnavailable as error:
        pytest.skip(str(error))
    return f"Driver={next(root.glob('usr/lib/*/odbc/libtdsodbc.so'))};TDS_Version=7.4"


def microsofts() -> str:
    module = pytest.importorskip("mssql_python_odbc")
    found = sorted(Path(module.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql*"))
    if not found:
        pytest.skip("mssql_python_odbc has no driver for this system")
    return f"Driver={found[0]};Encrypt=no"


@pytest.mark.parametrize("new", PASSWORDS)
def test_pymssql_follows_a_rotation(make_rotated: Callable[..., Any], new: str) -> None:
    pytest.importorskip("pymssql")
    with FakeTds(LOGIN_FAILED) as server:
        server.accepted = {("app", new)}
        credentials = make_rotated("sqlserver", server, "old", new)
        secretconn.connect(credentials, driver="pymssql", login_timeout=5).close()
        assert server.logins == [("app", "old"), ("app", new)]
        assert credentials.stats().suspected == 1


def sent(server: FakeTds, connect: Callable[[], object], error: type[Exception]) -> list[tuple[str, str]]:
    with pytest.raises(error) as caught:
        connect()
    assert caught.value.__notes__
    return server.logins


@pytest.mark.parametrize("new", PASSWORDS)
@pytest.mark.parametrize("odbc_driver", [microsofts, freetds])
def test_pyodbc_sends_the_new_password_whatever_is_in_it(
    make_rotated: Callable[..., Any], odbc: Any, odbc_driver: Callable[[], str], new: str
) -> None:
    if odbc_driver is freetds and new == "{a;b}":
        pytest.skip("FreeTDS has no way to write a password with both ; and }")
    with FakeTds(LOGIN_FAILED) as server:
        credentials = make_rotated("sqlserver", server, "old", new)
        logins = sent(
            server, lambda: secretconn.connect(credentials, odbc_driver(), driver="pyodbc", timeout=5), odbc.Error
        )
        assert logins == [("app", "old"), ("app", new)]
        verdict = credentials.stats()
        assert (verdict.rejected, verdict.suspected) == ((2, 0) if odbc_driver is microsofts else (0, 2))


@pytest.mark.parametrize("new", PASSWORDS)
def test_mssql_python_sends_the_new_password_whatever_is_in_it(make_rotated: Callable[..., Any], new: str) -> None:
    mssql = pytest.importorskip("mssql_python")
    with FakeTds(LOGIN_FAILED) as server:
        credentials = make_rotated("sqlserver", server, "old", new)
        assert sent(
            server, lambda: secretconn.connect(credentials, "Encrypt=no", driver="mssql-python"), mssql.Error
        ) == [("app", "old"), ("app", new)]


NUMBERS = [
    (18456, "Login failed for user 'app'.", Verdict.REJECTED),
    (18487, "Login failed for user 'app'. Reason: The password of the account has expired.", Verdict.REJECTED),
    (18488, "Login failed for user 'app'. Reason: The password must be changed.", Verdict.REJECTED),
    (18470, "Login failed for user 'app'. Reason: The account is disabled.", Verdict.BARRED),
    (18486, "Login failed for user 'app' because the account is currently locked out.", Verdict.BARRED),
    (18452, "Login failed. The login is from an untrusted domain.", Verdict.OTHER),
    (4060, 'Cannot open database "x" requested by the login. The login failed.', Verdict.BARRED),
    (40613, "Database 'x' on server 'y' is not currently available.", Verdict.OTHER),
    (40615, "Cannot open server 'y' requested by the login. Client is not allowed.", Verdict.OTHER),
    (17809, "Could not connect because the maximum number of '100' user connections has been reached.", Verdict.OTHER),
]


@pytest.mark.parametrize(("number", "text", "verdict"), NUMBERS)
def test_pyodbc_s_verdicts(odbc: Any, number: int, text: str, verdict: Verdict) -> None:
    with FakeTds((number, text)) as server, pytest.raises(odbc.Error) as caught:
        odbc.connect(f"{microsofts()};SERVER={server.host},{server.port};UID=app;PWD=x", timeout=5)
    assert driver_named("pyodbc").classify(caught.value) is verdict


@pytest.mark.parametrize(("number", "text", "verdict"), NUMBERS)
def test_pymssql_s_verdicts(number: int, text: str, verdict: Verdict) -> None:
    pymssql = pytest.importorskip("pymssql")
    with FakeTds((number, text)) as server, pytest.raises(pymssql.Error) as caught:
        pymssql.connect(server=server.host, port=server.port, user="app", password="x", login_timeout=5)
    found = driver_named("pymssql").classify(caught.value)
    # FreeTDS repeats the number of an earlier failure of this process: OTHER may look like a refusal, not the reverse.
    assert found is Verdict.SUSPECT or (found is verdict and verdict is not Verdict.REJECTED)


ROOT = Path(__file__).parents[2]
REPEATING = """
import pymssql
from secretconn.engines import driver_named
from tests.wire.fake import FakeTds

for number in (18486, 18456, 18486):
    with FakeTds((number, "what it says")) as server:
        try:
            pymssql.connect(server=server.host, port=server.port, user="app", password="x", login_timeout=5)
        except pymssql.Error as error:
            print(driver_named("pymssql").classify(error).value)
"""


def test_pymssql_s_repeated_number_bars_nobody() -> None:
    """In a process of its own: the first failure's number is told of all later ones, whatever they are."""
    pytest.importorskip("pymssql")
    done = subprocess.run([sys.executable, "-c", REPEATING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["barred", "suspect", "suspect"], "")


def test_a_refused_connection_is_other() -> None:
    pymssql = pytest.importorskip("pymssql")
    with pytest.raises(pymssql.Error) as caught:
        pymssql.connect(server="127.0.0.1", port=1, user="app", password="x", login_timeout=5)
    assert driver_named("pymssql").classify(caught.value) is Verdict.OTHER
