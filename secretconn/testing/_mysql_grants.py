"""A MySQL or MariaDB user's rights, written anew for another user. Pure functions; the admin runs what they return.

Sources: "SHOW GRANTS Statement", "Privilege Restriction Using Partial Revokes", "CREATE USER Statement" and
"SET DEFAULT ROLE Statement" in the manuals of MySQL and MariaDB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from secretconn.testing.errors import RotationError

__all__ = ["Statement", "default_roles", "regrant", "requirement"]

Statement = tuple[str, tuple[str, ...]]
"""SQL with %s in it, and what goes there."""

_NAME = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*')"
_LINE = re.compile(rf"(?s)((?:GRANT .+ TO)|(?:REVOKE .+ FROM)|(?:SET DEFAULT ROLE .+ FOR)) {_NAME}@{_NAME}(.*)$")


def regrant(line: str, username: str, host: str) -> Statement:
    """One line of SHOW GRANTS as a statement for another user; percent signs in it are text, not placeholders.

    A REVOKE among them takes something from a wider GRANT: without it the other user would have more rights.

    >>> regrant("GRANT SELECT ON `a%`.* TO `u`@`%` IDENTIFIED BY PASSWORD '*1' WITH GRANT OPTION", "v", "%")
    ('GRANT SELECT ON `a%%`.* TO %s@%s WITH GRANT OPTION', ('v', '%'))

    Raises:
        RotationError: A line of another kind: leaving it out could give more rights, or fewer.
    """
    found = _LINE.match(line)
    if found is None:
        raise RotationError(f"SHOW GRANTS says what this rotator cannot copy: {' '.join(line.split()[:3])} ...")
    option = re.search(r" WITH (?:GRANT|ADMIN) OPTION", found[2])
    return found[1].replace("%", "%%") + " %s@%s" + (option[0] if option else ""), (username, host)


def requirement(kind: str, cipher: str, issuer: str, subject: str) -> Statement:
    """The REQUIRE clause of CREATE USER, from ssl_type, ssl_cipher, x509_issuer and x509_subject of mysql.user.

    >>> requirement("ANY", "", "", "")
    (' REQUIRE SSL', ())
    """
    if kind != "SPECIFIED":
        return {"ANY": " REQUIRE SSL", "X509": " REQUIRE X509"}.get(kind, ""), ()
    parts = {"SUBJECT": subject, "ISSUER": issuer, "CIPHER": cipher}
    named = {name: value for name, value in parts.items() if value}
    return " REQUIRE " + " AND ".join(f"{name} %s" for name in named), tuple(named.values())


def default_roles(roles: Sequence[tuple[str, str]], username: str, host: str) -> Statement | None:
    """The statement that makes roles another user's default ones at MySQL, from name and host of each; or None."""
    if not roles:
        return None
    named = [part for role in roles for part in role]
    return f"ALTER USER %s@%s DEFAULT ROLE {', '.join(['%s@%s'] * len(roles))}", (username, host, *named)
