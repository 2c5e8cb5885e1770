"""What is shown of the log of a server that did not start."""

from __future__ import annotations

import pytest

from secretconn.testing._server import LOG_LINES, last_words

ADVICE = [f"closing advice {number}" for number in range(40)]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-27 7:34:03 0 [ERROR] mariadbd: unknown variable 'no-such-setting=1'",
        "2026-11-27T07:34:03.964473Z 0 [ERROR] [MY-000067] [Server] unknown variable 'no-such-setting=1'.",
        "2026-11-27 07:34:03.000 UTC [7] FATAL:  could not create lock file",
        "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***",
        "initdb: error: could not create directory",
    ],
)
def test_error_lines_are_shown_however_much_follows(line: str) -> None:
    assert last_words("\n".join(["starting", line, *ADVICE])) == line


def test_without_error_lines_the_end_is_shown() -> None:
    assert last_words("\n".join(ADVICE)).splitlines() == ADVICE[-LOG_LINES:]
