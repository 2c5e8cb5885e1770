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
    "in Latin-1": "p\u00e9\u00ff\u00a0p",
    "beyond Latin-1": "\ufeffp\u20ac\u043f\u0430\u0440e\u0301p",
    "beyond SASLprep": "p\x01\x1b\x7f\x80\x9f\r\n\u2028\U0001f600p",
    "quotes and format signs": "p'\"`\\%s%%{}${x}#;--p",
    "spaces at the ends": "  p p  ",
    "200 bytes": "p" * 200,
}
FORBIDDEN = ["beyond SASLprep"]
"""pg8000's package scramp holds passwords to RFC 4013; libpq sends those that break it as they are."""


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
        except Exception as error:  # noqa: BLE001  (each driver has its own)
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
