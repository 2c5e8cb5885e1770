"""What a failed login means: codes, texts, the network; and that no password is ever shown."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretconn.cli import check
from secretconn.cli.check.drivers import READ_TIMEOUTS, TIMEOUTS, TLS_OPTIONS, UNLIMITED
from secretconn.cli.check.findings import FINDINGS
from secretconn.cli.check.findings.login import LOGIN
from secretconn.cli.check.login_errors import Failure, Place, by_server, explained, failure_of, short, unknown
from secretconn.cli.check.network import is_network_name, look, odd_host, resolve
from secretconn.credentials import Credentials
from secretconn.engines import BUILT_IN, Verdict, driver_named

ROOT = Path(__file__).parents[3]
POSTGRESQL = Place("psycopg", "postgresql", "app", "db", 5432, "orders")
MYSQL = Place("mariadb", "mysql", "app", "db", 3306, "orders")
TLS = Place("pymysql", "mysql", "app", "db", 3306, "orders", tls=True)
HBA = 'for host "10.0.0.7", user "app", database "orders"'


class DriverError(Exception):
    """A driver's."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args)
        vars(self).update(more)


def name(error: Exception, place: Place, verdict: Verdict = Verdict.OTHER) -> str | None:
    return by_server(failure_of(error, place.engine, verdict, []), place)


@pytest.mark.parametrize(
    ("text", "sqlstate", "expected"),
    [
        ('FATAL:  password authentication failed for user "app"', "28P01", "wrong-password"),
        ('FATAL:  database "orders" does not exist', "3D000", "wrong-database"),
        ('FATAL:  permission denied for database "orders"', "42501", "no-privilege"),
        ("FATAL:  sorry, too many clients already", "53300", "too-many-connections"),
        ("FATAL:  the database system is starting up", "57P03", "server-not-ready"),
        ('FATAL:  role "app" is not permitted to log in', "28000", "account-locked"),
        (f"FATAL:  no pg_hba.conf entry {HBA}, no encryption", "28000", "tls-required"),
        (f"FATAL:  pg_hba.conf rejects connection {HBA}, no encryption", "28000", "tls-required"),
        (f"FATAL:  no pg_hba.conf entry {HBA}, SSL off", "28000", "tls-required"),
        (f"FATAL:  no pg_hba.conf entry {HBA}, SSL encryption", "28000", "host-not-allowed"),
        ("server does not support SSL, but SSL was required", None, "tls-not-offered"),
        ("SSL error: certificate verify failed", None, "tls-failed"),
        ("something new", None, None),
        ("something new", "XX000", None),
    ],
)
def test_postgresql_by_text_and_by_code(text: str, sqlstate: str | None, expected: str | None) -> None:
    """psycopg has the text alone, asyncpg and pg8000 both; a server that speaks German leaves the code."""
    assert name(DriverError(text), POSTGRESQL) == expected
    assert name(DriverError(text, sqlstate=sqlstate), POSTGRESQL) == expected
    if sqlstate not in (None, "28000", "XX000"):
        assert name(DriverError("in einer anderen Sprache", sqlstate=sqlstate), POSTGRESQL) == expected


def test_a_wrong_password_over_tls_is_not_taken_for_the_plaintext_attempt_after_it() -> None:
    text = (
        'connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "app"\n'
        f'connection to server at "db", port 5432 failed: FATAL:  no pg_hba.conf entry {HBA}, no encryption'
    )
    assert name(DriverError(text), POSTGRESQL) == "wrong-password"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1049, "wrong-database"),
        (1044, "no-privilege"),
        (3159, "tls-required"),
        (1130, "host-not-allowed"),
        (1129, "host-blocked"),
        (1040, "too-many-connections"),
        (4151, "account-locked"),
        (4150, "account-blocked"),
        (1862, "password-expired"),
        (2059, "auth-plugin"),
        (2061, "password-not-sent"),
        (2003, None),
    ],
)
def test_mysql_by_code(code: int, expected: str | None) -> None:
    for error in (DriverError(code, "text"), DriverError("text", errno=code)):
        for verdict in (Verdict.OTHER, Verdict.REJECTED) if expected else (Verdict.OTHER,):
            assert name(error, MYSQL, verdict) == expected


PLUGIN = "Plugin caching_sha2_password could not be loaded: /x/caching_sha2_password.so: cannot open shared object file"
CRYPTOGRAPHY = "'cryptography' package is required for sha256_password or caching_sha2_password auth methods"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DriverError(1045, PLUGIN), "client-plugin"),
        (DriverError(PLUGIN, errno=1045), "client-plugin"),
        (RuntimeError(CRYPTOGRAPHY), "password-not-sent"),
        (ValueError("Encryption failed"), "password-not-sent"),
        (ValueError("Encryption failed at something else"), None),
    ],
)
def test_mysql_by_the_clients_own_text(error: Exception, expected: str | None) -> None:
    """The server never judged these logins."""
    assert name(error, MYSQL) == expected


def test_mysql_answers_alike_where_tls_is_required() -> None:
    refused = DriverError(1045, "Access denied for user 'app'@'10.0.0.7' (using password: YES)")
    assert name(refused, MYSQL, Verdict.REJECTED) == "tls-or-password"
    assert name(refused, TLS, Verdict.REJECTED) == "wrong-password"


@pytest.mark.parametrize(
    "text",
    [
        "SSL connection error: SSL is required, but the server does not support it",
        "SSL is required but the server doesn't support it",
        'PostgreSQL server at "db:5432" rejected SSL upgrade',
        "Server refuses SSL",
    ],
)
def test_tls_that_the_server_has_not(text: str) -> None:
    assert name(DriverError(text), MYSQL) == "tls-not-offered"


def test_other_engines_go_by_the_drivers_table() -> None:
    place = Place("oracledb", "oracle", "app", "db", 1521, "orders")
    assert name(DriverError("ORA-01017"), place, Verdict.REJECTED) == "wrong-password"
    assert name(DriverError("ORA-12514"), place) is None
    assert name(DriverError(1049, "the number of another engine"), place) is None


def test_a_failure_that_nothing_explains() -> None:
    strange = failure_of(DriverError("strange"), "postgresql", Verdict.SUSPECT, [])
    assert unknown(strange) == "login-refused"
    barred = failure_of(DriverError("strange"), "postgresql", Verdict.BARRED, [])
    assert by_server(barred, POSTGRESQL) is None
    assert unknown(barred) == "user-refused"
    strange = failure_of(DriverError("strange"), "postgresql", Verdict.OTHER, [])
    assert unknown(strange) == "connect-failed"


def test_an_exception_in_one_line() -> None:
    def line(*texts: str) -> str:
        return short(Failure("OperationalError", None, texts, Verdict.OTHER))

    assert line() == "OperationalError"
    assert line('connection failed: x FATAL:  database "o" does not exist\nmore') == (
        'OperationalError: database "o" does not exist'
    )
    assert line("{'S': 'FATAL', 'C': '3D000', 'M': 'database \"o\" does not exist'}") == (
        'OperationalError: database "o" does not exist'
    )
    assert line("(2003, 'Can not connect')", "certificate verify failed") == (
        "OperationalError: (2003, 'Can not connect'): certificate verify failed"
    )
    assert line("a timeout on b", "timeout") == "OperationalError: a timeout on b"
    assert len(line("x" * 5000)) < 400


@settings(deadline=None)
@given(st.text(min_size=1), st.text(), st.text(), st.sampled_from(Verdict))
def test_a_text_with_the_password_in_it_is_never_shown(word: str, before: str, after: str, verdict: Verdict) -> None:
    cause = DriverError(before + word + after)
    error = DriverError("could not connect")
    error.__cause__ = cause
    for one in (error, cause):
        logins = [Credentials("s", "v1", "app", password) for password in ("other-1", word)]
        failure = failure_of(one, "postgresql", verdict, logins)
        assert short(failure) == "DriverError"
        same = failure_of(DriverError(), "postgresql", verdict, [])
        assert by_server(failure, POSTGRESQL) == by_server(same, POSTGRESQL)


@settings(deadline=None)
@given(st.text(), st.one_of(st.none(), st.integers(), st.text()), st.sampled_from(Verdict))
def test_any_failure_is_judged(text: str, code: object, verdict: Verdict) -> None:
    for place in (POSTGRESQL, MYSQL, TLS):
        failure = failure_of(DriverError(text, errno=code, sqlstate=code), place.engine, verdict, [])
        assert explained(by_server(failure, place) or unknown(failure), place).advice


def test_looking_at_an_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert look("127.0.0.1", port, 5.0) is None
    assert look("127.0.0.1", port, 5.0) == "closed-port"
    assert look("255.255.255.255", port, 5.0) == "no-answer"  # no route, as where packets are dropped
    assert look("no-such-host.invalid", port, 5.0) == "wrong-host"
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections into its backlog, and never speaks
        port = mute.getsockname()[1]
        assert look("127.0.0.1", port, 0.05, greets=True) == "no-greeting"
        assert look("127.0.0.1", port, 0.05) is None
    assert resolve("127.0.0.1", port) == ["127.0.0.1"]
    assert resolve("no-such-host.invalid", port) == []
    assert resolve("x" * 70, port) == []  # too long for a label: another exception than for an unknown one


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("db.internal:5432", "wrong-host:port"),
        ("127.0.0.1:5432", "wrong-host:port"),
        ("postgresql://db/orders", "wrong-host:url"),
        ("https://db", "wrong-host:url"),
        ("db.internal", None),
        ("fe80::1", None),
        ("::1", None),
        ("/var/run/postgresql", None),
        ("@abstract", None),
    ],
)
def test_a_host_with_something_else_in_it(host: str, key: str | None) -> None:
    assert odd_host(host) == key


@pytest.mark.parametrize("host", ["/var/run/postgresql", "a,b", "db\\SQLEXPRESS", "(DESCRIPTION=x)", "user@host", ""])
def test_what_is_no_plain_host_is_left_to_the_driver(host: str) -> None:
    assert not is_network_name(host)
    assert is_network_name("db-1.internal")
    assert is_network_name("fe80::1")


def test_the_tables_name_drivers_that_exist() -> None:
    drivers = {driver.name for engine in BUILT_IN for driver in engine.drivers}
    assert set(TLS_OPTIONS) <= drivers
    assert {*TIMEOUTS, *READ_TIMEOUTS, *UNLIMITED} <= drivers
    assert all(driver_named(driver).name == driver for driver in TLS_OPTIONS)


def test_each_finding_of_a_login_has_its_facts() -> None:
    for key in set(LOGIN) - {key for key in LOGIN if key.startswith(("missing-driver", "not-possible"))}:
        found = explained(key, MYSQL)
        assert (found.name, found.warning) == (key.partition(":")[0], False)
        assert not set("{}") & set(found.problem + found.advice)


@pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the source distribution has no docs")
def test_the_page_names_every_finding() -> None:
    listed = re.search(r"## All findings\n(.*?)\n## ", (ROOT / "docs" / "check.md").read_text(), re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`([a-z-]+)`", listed[1])) == {key.partition(":")[0] for key in FINDINGS}


def test_every_finding_can_be_made() -> None:
    """A key that no code uses would be a sentence that is never said."""
    code = "".join(path.read_text() for path in Path(check.__file__).parent.glob("*.py"))
    without_cause = [key for key, known in FINDINGS.items() if not any(known[2:])]
    assert [key for key in without_cause if f'"{key}"' not in code and not key.endswith("-unreadable")] == []
