"""Odd passwords: each driver logs in with them on each server; where it cannot, no exception shows the password."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secretconn import RotatingCredentials, SecretFormatError
from secretconn.engines.base import walk_causes
from secretconn.testing import Application, LocalSecretsManager, Login
from tests.live.drivers.table import DriverCase, content

MakeCredentials = Callable[..., RotatingCredentials]

ODD = {
    "Latin-1": "p\u00e9p\u00ff",
    "no character at all in Latin-1": "p\u0080\u009fp",
    "no-break space": "p\u00a0p",
    "in Windows' code page, not in Latin-1": "p\u20acp",
    "Cyrillic": "\u043f\u0430\u0440\u043e\u043b\u044c",
    "beyond the basic plane": "p\U0001f600p",
    "composed, and the same decomposed": "p\u00e9e\u0301p",
    "byte order mark": "\ufeffp",
    "line breaks": "p\r\np\u2028p",
    "control characters": "p\x01\x1b\x7fp",
    "quotes and format signs": "p'\"`\\%s%%{}${x}#;--p",
    "spaces at the ends": "  p p  ",
    "200 bytes": "p" * 200,
}


FORBIDDEN = ["no character at all in Latin-1", "beyond the basic plane", "line breaks", "control characters"]
"""pg8000's package scramp holds passwords to SASLprep (RFC 4013); libpq sends those that break it as they are."""


def assert_not_shown(raised: BaseException, *texts: str) -> None:
    for error in walk_causes(raised):
        assert not any(text in str(error) + repr(error) for text in texts)


def give(app: Application, case: DriverCase, password: str) -> None:
    """Make it the application's password, in the database and in the secret."""
    login = Login(app.username, password)
    app.server.admin().set_password(login)
    app.secrets.put(app.secret_id, content(app, password))
    if case.needs_cache:
        assert app.accepts(login)


async def test_odd_passwords_log_in(case: DriverCase, app: Application, credentials_of: MakeCredentials) -> None:
    refused = []
    for name, password in ODD.items():
        give(app, case, password)
        try:
            async with case.opened(credentials_of(app, fallback_stages=())) as connection:
                assert await case.user(connection) == app.username
        except Exception as error:
            assert_not_shown(error, password)
            refused.append(name)
    assert refused == (FORBIDDEN if case.driver == "pg8000" else [])


async def test_a_password_with_a_nul_is_shown_by_no_exception(
    case: DriverCase, app: Application, credentials_of: MakeCredentials
) -> None:
    """To C it ends there; some drivers send it whole."""
    password = "before\0behind"
    app.server.admin().set_password(Login(app.username, "neither"))
    app.secrets.put(app.secret_id, content(app, password))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each driver has its own
        async with case.opened(credentials_of(app)):
            pass
    assert_not_shown(caught.value, "before", "behind")


async def test_half_a_character_is_no_password(
    case: DriverCase, app: Application, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    """JSON can hold half a surrogate pair, which no driver can send; their own errors would quote it."""
    secrets_manager.put(app.secret_id, content(app, "before\udc83behind"))
    with pytest.raises(SecretFormatError, match="is not valid Unicode text") as caught:
        async with case.opened(credentials_of(app)):
            pass
    assert "before" not in repr(caught.value)
