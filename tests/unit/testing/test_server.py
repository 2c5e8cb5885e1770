"""What a server that did not start is quoted with."""

from __future__ import annotations

from secretconn.testing._server import LOG_LINES, essence

MARIADB = (
    """\
2026-11-27  7:00:01 0 [Note] Starting MariaDB 10.11
2026-11-27  7:00:01 0 [ERROR] InnoDB: Operating system error number 11
2026-11-27  7:00:01 0 [ERROR] Aborting
"""
    + "Try 'mariadbd --help' if you have problems with paths.\n" * 30
)


def test_error_lines_are_shown_and_not_the_closing_advice() -> None:
    assert essence(MARIADB).splitlines() == MARIADB.splitlines()[1:3]


def test_last_lines_where_no_line_tells_of_an_error() -> None:
    assert essence("word\n" * 40).splitlines() == ["word"] * LOG_LINES


def test_postgresql_s_words() -> None:
    assert essence('LOG:  x\nFATAL:  invalid value for parameter "shared_buffers"\nHINT: y\n').startswith("FATAL")
