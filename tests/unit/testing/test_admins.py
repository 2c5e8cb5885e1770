"""The pure parts of the admins: which engine gets which, and grants rewritten for a clone."""

from __future__ import annotations

import pytest

from secretconn.testing import DatabaseAdmin, Login, MariaDBAdmin, PostgresAdmin
from secretconn.testing._mysql_grants import default_roles, regrant, requirement
from secretconn.testing.admins import _own_password, admin_for
from secretconn.testing.errors import RotationError

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
        ("GRANT SELECT ON x.* TO `o'b``rien`@`%`", "GRANT SELECT ON x.* TO %s@%s"),
        ("GRANT PROXY ON ``@`` TO `u`@`%` WITH GRANT OPTION", "GRANT PROXY ON ``@`` TO %s@%s WITH GRANT OPTION"),
        ("REVOKE INSERT ON `a%`.* FROM `u`@`%`", "REVOKE INSERT ON `a%%`.* FROM %s@%s"),
        ("SET DEFAULT ROLE `role` FOR `u`@`%`", "SET DEFAULT ROLE `role` FOR %s@%s"),
    ],
)
def test_line_of_grants_is_rewritten_for_the_clone(grant: str, expected: str) -> None:
    assert regrant(grant, "clone", "%") == (expected, ("clone", "%"))


def test_line_that_cannot_be_rewritten_is_an_error() -> None:
    """Leaving it out could widen the clone's rights."""
    with pytest.raises(RotationError, match=r"cannot copy: DENY SELECT ON \.\.\."):
        regrant("DENY SELECT ON `hidden`.* TO `u`@`%`", "clone", "%")


@pytest.mark.parametrize(
    ("row", "clause", "arguments"),
    [
        (("", "", "", ""), "", ()),
        (("ANY", "", "", ""), " REQUIRE SSL", ()),
        (("X509", "", "", ""), " REQUIRE X509", ()),
        (("SPECIFIED", "AES", "", "/CN=a"), " REQUIRE SUBJECT %s AND CIPHER %s", ("/CN=a", "AES")),
        (("SPECIFIED", "", "/CN=ca", ""), " REQUIRE ISSUER %s", ("/CN=ca",)),
    ],
)
def test_tls_requirement_is_kept(row: tuple[str, str, str, str], clause: str, arguments: tuple[str, ...]) -> None:
    assert requirement(*row) == (clause, arguments)


def test_default_roles_of_mysql() -> None:
    assert default_roles([], "clone", "%") is None
    assert default_roles([("r", "%"), ("s", "localhost")], "clone", "%") == (
        "ALTER USER %s@%s DEFAULT ROLE %s@%s, %s@%s",
        ("clone", "%", "r", "%", "s", "localhost"),
    )


def test_own_password_by_server() -> None:
    assert "PASSWORD(%s)" in _own_password(mysql=False)
    assert _own_password(mysql=True).startswith("ALTER USER CURRENT_USER()")
