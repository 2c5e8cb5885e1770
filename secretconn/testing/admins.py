"""DatabaseAdmin: what a rotation does in the database, and how PostgreSQL and MariaDB (MySQL too) do it."""

from __future__ import annotations

import contextlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from secretconn.errors import ConfigurationError, DriverNotInstalled
from secretconn.testing._mysql_grants import default_roles, regrant, requirement
from secretconn.testing.logins import Login

__all__ = ["Admin", "DatabaseAdmin", "MariaDBAdmin", "PostgresAdmin", "admin_for", "optional"]

ACCESS_DENIED = ((1045,), (1698,))
"""ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR (MariaDB error codes)."""


@runtime_checkable
class DatabaseAdmin(Protocol):
    """The four things a rotation needs of a database. The driver's own errors escape."""

    def user_exists(self, username: str) -> bool:
        """Whether there is such a user."""

    def create_user(self, login: Login, like: str) -> None:
        """Make the user with the privileges of the user ``like``."""

    def set_password(self, login: Login) -> None:
        """Give the user this password."""

    def verify(self, login: Login) -> bool:
        """Log in: True where the server takes it, False where it rejects it; any other error escapes."""


class Admin(ABC):
    """One server and the login used there; ``options`` go to the driver's connect (TLS settings, for example)."""

    def __init__(
        self,
        login: Login,
        *,
        host: str,
        port: int,
        database: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.login = login
        self.host = host
        self.port = port
        self.database = database
        self.options = dict(options or {})

    def verify(self, login: Login) -> bool:
        """Log in: True where the server takes it, False where it rejects it; any other error escapes."""
        try:
            self._try(login)
        except Exception as error:
            if self._refused(error):
                return False
            raise
        return True

    @abstractmethod
    def _try(self, login: Login) -> None:
        """Log in and ask something."""

    @abstractmethod
    def _refused(self, error: Exception) -> bool:
        """True if this is the driver's error for a login that the server rejected."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.login.username}:***@{self.host}:{self.port}/{self.database or ''})"


class _SqlAdmin(Admin):
    @abstractmethod
    def _cursor(self, login: Login) -> AbstractContextManager[Any]:
        """Return a cursor of a new connection, which is closed at the end."""

    def run(self, statements: str) -> list[list[str]]:
        """Run statements that end in ``;\\n``, one after the other; rows of the last answer, as text."""
        with self._cursor(self.login) as cursor:
            for statement in statements.strip().rstrip(";").split(";\n"):
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description is not None else []
            return [["" if value is None else str(value) for value in row] for row in rows]

    def _try(self, login: Login) -> None:
        with self._cursor(login) as cursor:
            cursor.execute("SELECT 1")


class PostgresAdmin(_SqlAdmin):
    """A PostgreSQL server, through psycopg. A clone is a member of the first user's role, as at AWS.

    Passwords are sent as the SCRAM verifier libpq makes, so they are in no server log.
    """

    def user_exists(self, username: str) -> bool:
        with self._cursor(self.login) as cursor:
            return bool(cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [username]).fetchone())

    def create_user(self, login: Login, like: str) -> None:
        with self._cursor(self.login) as cursor:
            cursor.execute(_with_verifier("CREATE ROLE {} LOGIN PASSWORD {}", cursor, login))
            sql = optional("psycopg.sql")
            names = (sql.Identifier(name) for name in (like, login.username))
            cursor.execute(sql.SQL("GRANT {} TO {}").format(*names))

    def set_password(self, login: Login) -> None:
        with self._cursor(self.login) as cursor:
            cursor.execute(_with_verifier("ALTER ROLE {} PASSWORD {}", cursor, login))

    def _refused(self, error: Exception) -> bool:
        """Libpq tells no SQLSTATE here."""
        return isinstance(error, optional("psycopg").OperationalError) and "authentication failed" in str(error)

    @contextlib.contextmanager
    def _cursor(self, login: Login) -> Iterator[Any]:
        with (
            optional("psycopg").connect(
                host=self.host,
                port=self.port,
                dbname=self.database or "postgres",
                user=login.username,
                password=login.password,
                autocommit=True,
                **self.options,
            ) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor


class MariaDBAdmin(_SqlAdmin):
    """A MariaDB or MySQL server, through PyMySQL.

    A clone gets the first user's grants and TLS requirement, as at AWS, and its partial revokes and default roles.
    """

    def user_exists(self, username: str) -> bool:
        with self._cursor(self.login) as cursor:
            return bool(_hosts(cursor, username))

    def create_user(self, login: Login, like: str) -> None:
        with self._cursor(self.login) as cursor:
            for host in _hosts(cursor, like):
                try:
                    _clone(cursor, login, like, host)
                except BaseException:  # half a clone would pass for a whole one at the next rotation
                    cursor.execute("DROP USER IF EXISTS %s@%s", (login.username, host))
                    raise

    def set_password(self, login: Login) -> None:
        with self._cursor(self.login) as cursor:
            if login.username == self.login.username:  # needs no privilege, and no look at mysql.user
                cursor.execute(_own_password(mysql=_is_mysql(cursor)), (login.password,))
                return
            for host in _hosts(cursor, login.username):
                cursor.execute("ALTER USER %s@%s IDENTIFIED BY %s", (login.username, host, login.password))

    def _refused(self, error: Exception) -> bool:
        return isinstance(error, optional("pymysql").OperationalError) and error.args[:1] in ACCESS_DENIED

    @contextlib.contextmanager
    def _cursor(self, login: Login) -> Iterator[Any]:
        connection = optional("pymysql").connect(
            host=self.host,
            port=self.port,
            database=self.database,
            user=login.username,
            password=login.password.encode(),  # PyMySQL would send a text as Latin-1
            autocommit=True,
            **self.options,
        )
        with connection, connection.cursor() as cursor:
            yield cursor


def admin_for(
    engine: str, login: Login, *, host: str, port: int | None, database: str | None
) -> PostgresAdmin | MariaDBAdmin:
    """Return the admin for a secret's ``engine`` value.

    Raises:
        ConfigurationError: An engine this test bed cannot rotate.
    """
    name = engine.removeprefix("aurora-")
    if name not in ADMINS:
        raise ConfigurationError(f"the rotator knows PostgreSQL, MySQL and MariaDB, not engine {engine!r}; pass admin=")
    kind, usual_port = ADMINS[name]
    return kind(login, host=host, port=port or usual_port, database=database)


def _with_verifier(statement: str, cursor: Any, login: Login) -> Any:
    """Fill in the user, and what the server keeps of the password in the form the server's own settings ask for."""
    sql = optional("psycopg.sql")
    encoded = cursor.connection.pgconn.encrypt_password(login.password.encode(), login.username.encode())
    return sql.SQL(statement).format(sql.Identifier(login.username), sql.Literal(encoded.decode()))


def _own_password(*, mysql: bool) -> str:
    """How a user changes its own password: MariaDB asks for CREATE USER in any ALTER USER, MySQL has no PASSWORD()."""
    return "ALTER USER CURRENT_USER() IDENTIFIED BY %s" if mysql else "SET PASSWORD = PASSWORD(%s)"


def _hosts(cursor: Any, username: str) -> list[str]:
    cursor.execute("SELECT host FROM mysql.user WHERE user = %s", (username,))
    return [host for (host,) in cursor.fetchall()]


def _clone(cursor: Any, login: Login, like: str, host: str) -> None:
    """Make one user with the rights of another one."""
    where = (like, host)
    cursor.execute(
        "SELECT ssl_type, CONVERT(ssl_cipher USING utf8mb4), CONVERT(x509_issuer USING utf8mb4), "
        "CONVERT(x509_subject USING utf8mb4) FROM mysql.user WHERE user = %s AND host = %s",
        where,
    )
    clause, arguments = requirement(*cursor.fetchone())
    cursor.execute("CREATE USER %s@%s IDENTIFIED BY %s" + clause, (login.username, host, login.password, *arguments))
    cursor.execute("SHOW GRANTS FOR %s@%s", where)
    for (line,) in cursor.fetchall():
        cursor.execute(*regrant(line, login.username, host))
    if _is_mysql(cursor):  # MariaDB's is among the grants
        cursor.execute(
            "SELECT default_role_user, default_role_host FROM mysql.default_roles WHERE user = %s AND host = %s", where
        )
        roles = default_roles(cursor.fetchall(), login.username, host)
        if roles is not None:
            cursor.execute(*roles)


def _is_mysql(cursor: Any) -> bool:
    return "MariaDB" not in cursor.connection.get_server_info()


def optional(module: str, extra: str = "testing") -> Any:
    """Import a module of an extra.

    Raises:
        DriverNotInstalled: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DriverNotInstalled(f"{error}; pip install 'secretconn[{extra}]'") from None


ADMINS: dict[str, tuple[type[PostgresAdmin | MariaDBAdmin], int]] = {
    **dict.fromkeys(("postgres", "postgresql"), (PostgresAdmin, 5432)),
    **dict.fromkeys(("mysql", "mariadb"), (MariaDBAdmin, 3306)),
}
"""A secret's engine to its admin and usual port."""
