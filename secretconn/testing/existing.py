"""ExistingServer: a PostgreSQL, MySQL or MariaDB that runs already (a CI service), and its superuser."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from secretconn.errors import ConfigurationError
from secretconn.testing.admins import ADMINS, MariaDBAdmin, PostgresAdmin, admin_for
from secretconn.testing.logins import Login

__all__ = ["ExistingServer"]

ENGINES = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mariadb"}


class ExistingServer:
    """A server that is not ours to start or stop.

    Args:
        url: ``postgres://USER:PASSWORD@HOST:PORT`` (also ``mysql://``, ``mariadb://``), for a user that may make users
            and databases. Awkward characters are written as in any URL (``%40`` for ``@``). No repr shows it.

    Attributes:
        engine: "postgres", "mysql" or "mariadb".
        host, port: Where it listens.
        login: The superuser.

    Raises:
        ConfigurationError: It is not such a URL.
    """

    def __init__(self, url: str) -> None:
        found = _parse(url)
        url = ""  # not in a traceback's locals
        self.engine, self.host, self.port, self.login = found or ("", "", 0, Login("", ""))
        if found is None:
            raise ConfigurationError(
                "a server for tests is given as postgres://USER:PASSWORD@HOST:PORT (or mysql://, mariadb://), "
                "with no path and no query"
            )

    def admin(self, database: str | None = None) -> PostgresAdmin | MariaDBAdmin:
        """The superuser's hand on users and passwords (needs psycopg or PyMySQL)."""
        return admin_for(self.engine, self.login, host=self.host, port=self.port, database=database)

    def sql(self, statements: str, *, database: str | None = None) -> list[list[str]]:
        """Run SQL as the superuser, statements ending in ``;\\n``; rows of the last answer, as text.

        Raises:
            The driver's own error: the server refused a statement.
        """
        return self.admin(database).run(statements)

    def __repr__(self) -> str:
        return f"<ExistingServer {self.engine} {self.login.username}:***@{self.host}:{self.port}>"


def _parse(url: str) -> tuple[str, str, int, Login] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a bracket in the password, say; its traceback would show the URL
        return None
    engine = ENGINES.get(parts.scheme)
    if engine is None or parts.path.strip("/") or parts.query:
        return None
    if not (parts.hostname and parts.username and parts.password):
        return None
    login = Login(unquote(parts.username), unquote(parts.password))
    return engine, parts.hostname, port or ADMINS[engine][1], login
