"""The pure parts of the admins: which engine gets which, and grants rewritten for a clone."""

from __future__ import annotations

import pytest

from secretconn.testing import DatabaseAdmin, Login, MariaDBAdmin, PostgresAdmin
from secretconn.testing.admins import _own_password, _regrant, admin_for

LOGIN = Login("chief", "hunter2")


@pytest.mark.parametrize(
    ("engine", "kind", "port"),
    [
        ("postgres", PostgresAdmin, 5432),
        ("postgresql", PostgresAdmin, 5432),
        ("aurora-postgresql", PostgresAdmin, 5432),
        ("mysql", MariaDBAdmin, 3306),
        ("aurora-mysql", MariaDBAdmin, 3306),
        ("mariadb", MariaDBAdmin, 3306),
    ],
)
def test_engine_decides_the_admin_and_its_port(engine: str, kind: type, port: int) -> None:
    admin = admin_for(engine, LOGIN, host="h", port=None, database=None)
    assert isinstance(admin, kind)
    assert isinstance(admin, DatabaseAdmin)
    assert repr(admin) == f"{kind.__name__}(chief:***@h:{port}/)"


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*1'", "GRANT USAGE ON *.* TO %s@%s"),
        ("GRANT ALL PRIVILEGES ON `a%`.* TO 'u'@'%'", "GRANT ALL PRIVILEGES ON `a%%`.* TO %s@%s"),
        ("GRANT `role` TO `u`@`%` WITH ADMIN OPTION", "GRANT `role` TO %s@%s WITH ADMIN OPTION"),
        ("GRANT SELECT ON `a TO b`.* TO `u`@`%`", "GRANT SELECT ON `a TO b`.* TO %s@%s"),
        (
            "GRANT SELECT ON x.* TO `u`@`%` REQUIRE SSL WITH GRANT OPTION",
            "GRANT SELECT ON x.* TO %s@%s WITH GRANT OPTION",
        ),
    ],
)
def test_grant_is_rewritten_for_the_clone(grant: str, expected: str) -> None:
    assert _regrant(grant, "clone", "%") == [(expected, ("clone", "%"))]


def test_default_role_is_no_grant() -> None:
    assert _regrant("SET DEFAULT ROLE `role` FOR `u`@`%`", "clone", "%") == []


def test_own_password_by_server() -> None:
    assert "PASSWORD(%s)" in _own_password("5.5.5-10.11.19-MariaDB")
    assert _own_password("8.4.3").startswith("ALTER USER CURRENT_USER()")
