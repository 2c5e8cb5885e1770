"""Connection strings are read as libpq reads them, and no text makes the reader fail."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn.engines.conninfo import HIDDEN, UNSHOWABLE, parse

KEPT = ("user", "password", "host", "hostaddr", "port", "dbname", "service", "sslmode")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("   ", {}),
        ("host=a port=1", {"host": "a", "port": "1"}),
        ("host=a\0 port=1", {"host": "a"}),
        ("host = 'a b'port=1", {"host": "a b", "port": "1"}),
        (r"host='it\'s' dbname=a\ b", {"host": "it's", "dbname": "a b"}),
        (r"dbname='a\\b' user=u\x", {"dbname": "a\\b", "user": "ux"}),
        ("host= port=5", {"host": "port=5"}),
        ("host='' port=''", {}),
        ("host='a", {}),
        ("host= 'a", {}),
        ("host= 'a dbname=d", {}),
        ("host", {}),
        ("=a", {}),
        ("connect_timeout=5 password='s p'", {"password": HIDDEN}),
        ("service=orders servicefile=/s", {"service": "orders", "servicefile": "/s"}),
        ("host=a host=b", {"host": "b"}),
        ("postgresql://", {}),
        ("postgres://h", {"host": "h"}),
        (
            "postgresql://u:p@h:1?sslmode=require",
            {"user": "u", "password": HIDDEN, "host": "h", "port": "1", "sslmode": "require"},
        ),
        ("postgresql://u@/d", {"user": "u", "dbname": "d"}),
        ("postgresql://h1:1,h2,[::1]:3/d", {"host": "h1,h2,::1", "port": "1,,3", "dbname": "d"}),
        ("postgresql:///d?host=/run/pg&port=5433", {"host": "/run/pg", "port": "5433", "dbname": "d"}),
        ("postgresql://%2Frun%2Fpg/d", {"host": "/run/pg", "dbname": "d"}),
        ("postgresql://h?user=u&password=p&dbname=d", {"host": "h", "user": "u", "password": HIDDEN, "dbname": "d"}),
        ("postgresql://a%40b:p%2Fq@h", {"user": "a@b", "password": HIDDEN, "host": "h"}),
        ("postgresql://h?passfile=/x", {"host": "h"}),
        ("postgresql://h?dbname", {}),
        ("postgresql://h?dbname=d&", {"host": "h", "dbname": "d"}),
        ("postgresql://h?&dbname=d", {}),
        ("postgresql://%20Xh%20/X%09", {"host": "Xh", "dbname": "X\t"}),
        ("postgresql://h?a=b=c", {}),
        ("postgresql://h%zz", {}),
        ("postgresql://h%00", {}),
        ("postgresql://[::1", {}),
        ("postgresql://[]", {}),
        ("postgresql://[::1]x", {}),
        ("mysql://u:p@h/d", {}),
    ],
)
def test_examples(text: str, expected: dict[str, str]) -> None:
    assert parse(text) == expected


def test_asyncpg_takes_odd_percent_signs_and_its_own_name_for_the_database() -> None:
    assert parse("postgres://u:p%zz@h?database=d", lenient=True) == {
        "user": "u",
        "password": HIDDEN,
        "host": "h",
        "dbname": "d",
    }
    assert parse("postgres://h?a%zz=1&b&dbname=d=e", lenient=True) == {"host": "h", "dbname": "d=e"}
    assert parse("postgres://h?database=d&application_name=x", lenient=True) == {"host": "h", "dbname": "d"}
    assert parse("postgres://h?a%zz=1&dbname=d") == {}


@pytest.mark.parametrize(
    "text", ["postgresql://u:s3cr/et@h/d", "postgresql://u:s3cr@et@h/d", "postgresql://u:1/et@h/d"]
)
def test_a_badly_escaped_password_is_not_shown_as_an_address(text: str) -> None:
    found = parse(text)
    assert {found.get(key, UNSHOWABLE) for key in ("host", "port", "dbname")} <= {UNSHOWABLE, "d"}
    assert "et" not in "".join(found.values())
    assert "s3cr" not in "".join(found.values())


@given(st.text(), st.booleans())
def test_no_text_makes_it_fail(text: str, lenient: bool) -> None:
    parse(text, lenient=lenient)
    parse(f"postgresql://{text}", lenient=lenient)


values = st.text(st.sampled_from("ab1/ '\\=\t\n,.é@:?&"), max_size=8)
pieces = st.tuples(
    st.sampled_from([*KEPT, "application_name"]), st.sampled_from(["=", " = ", "= ", ""]), values, st.booleans()
)


@given(st.lists(pieces, max_size=4))
def test_a_conninfo_reads_as_libpq_reads_it(parts: list[tuple[str, str, str, bool]]) -> None:
    compare(" ".join(key + equals + (f"'{value}'" if quoted else value) for key, equals, value, quoted in parts))


plain = st.text(st.sampled_from("ab1.-_é"), max_size=4)
encoded = st.one_of(plain, plain.map(lambda text: text + "%2F"), st.sampled_from(["%", "%4", "%00", "%20", "[::1]"]))
hosts = st.lists(st.tuples(encoded, st.sampled_from(["", ":", ":1", ":54"])), min_size=1, max_size=3)
queries = st.lists(
    st.tuples(st.sampled_from([*KEPT, "application_name"]), st.sampled_from(["=", "=", ""]), encoded), max_size=2
)


@given(
    st.sampled_from(["", "@", ":@", "u@", "u:p@", ":p@", "u%40:p%3A@", "u:p:q@"]),
    hosts,
    st.sampled_from(["", "/", "/d", "/d/e", "/d%20"]),
    queries,
)
def test_a_uri_reads_as_libpq_reads_it(
    credentials: str, addresses: list[tuple[str, str]], path: str, query: list[tuple[str, str, str]]
) -> None:
    text = "postgresql://" + credentials + ",".join(host + port for host, port in addresses) + path
    compare(text + ("?" + "&".join(map("".join, query)) if query else ""))


def compare(text: str) -> None:
    conninfo = pytest.importorskip("psycopg.conninfo")
    psycopg = pytest.importorskip("psycopg")
    try:
        expected = conninfo.conninfo_to_dict(text)
    except psycopg.Error:
        return
    found = parse(text)
    if UNSHOWABLE in found.values():
        # libpq takes it as it is; it is only not repeated
        assert {key for key in KEPT if expected.get(key)} == found.keys()
        return
    uri = text.startswith(("postgresql://", "postgres://"))  # older libpq keep the blanks at both ends of its values
    wanted = {key: value.strip(" ") if uri else value for key, value in expected.items() if key in KEPT}
    if "password" in wanted:
        wanted["password"] = wanted["password"] and HIDDEN
    assert found == {key: value for key, value in wanted.items() if value}


def test_time_stays_linear_in_the_length() -> None:
    # 400 kB of each; a quadratic reader would take minutes, which nobody would miss in the test run
    for text in ("=" * 400_000, "a" * 400_000, "host='" + "\\'" * 200_000, "postgresql://" + "a," * 200_000):
        assert not re.search("[^a,]", "".join(parse(text).values()))
