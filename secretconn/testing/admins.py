"""DatabaseAdmin: what a rotation does in the database, and how PostgreSQL and MariaDB (MySQL too) do it."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from secretconn.errors import ConfigurationError, DriverNotInstalled
from secretconn.testing._mysql_grants import default_roles, regrant, requirement
from secretconn.testing.logins import Login

__all__ = ["DatabaseAdmin", "MariaDBAdmin", "PostgresAdmin", "admin_for"]

ACCESS_DENIED = (1045, 1698)
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


class _Endpoint:
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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.login.username}:***@{self.host}:{self.port}/{self.database or ''})"


class PostgresAdmin(_Endpoint):
    """A PostgreSQL server, through psycopg. A clone is a member of the first user's role, as at AWS.

    Passwords are sent as the SCRAM verifier libpq makes, so they are in no server log.
    """

    def user_exists(self, username: str) -> bool:
        with self._connected(self.login) as connection:
            return bool(connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [username]).fetchone())

    def create_user(self, login: Login, like: str) -> None:
        sql = _driver("psycopg.sql")
        name = sql.Identifier(login.username)
        with self._connected(self.login) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(_verifier(connection, login)))
            )
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(like), name))

    def set_password(self, login: Login) -> None:
        sql = _driver("psycopg.sql")
        with self._connected(self.login) as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(login.username), sql.Literal(_verifier(connection, login))
                )
            )

    def run(self, statements: str) -> list[list[str]]:
        """Run statements that end in ``;\\n``, one after the other; rows of the last answer, as text."""
        with self._connected(self.login) as connection, connection.cursor() as cursor:
            for statement in statements.strip().rstrip(";").split(";\n"):
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description is not None else []
            return [["" if value is None else str(value) for value in row] for row in rows]

    def verify(self, login: Login) -> bool:
        try:
            with self._connected(login) as connection:
                connection.execute("SELECT 1")
        except _driver("psycopg").OperationalError as error:
            if re.search("authentication failed", str(error)):  # libpq tells no SQLSTATE here
                return False
            raise
        return True

    @contextlib.contextmanager
    def _connected(self, login: Login) -> Iterator[Any]:
        with _driver("psycopg").connect(
            host=self.host,
            port=self.port,
            dbname=self.database or "postgres",
            user=login.username,
            password=login.password,
            autocommit=True,
            **self.options,
        ) as connection:
            yield connection


class MariaDBAdmin(_Endpoint):
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

    def run(self, statements: str) -> list[list[str]]:
        """Run statements that end in ``;\\n``, one after the other; rows of the last answer, as text."""
        with self._cursor(self.login) as cursor:
            for statement in statements.strip().rstrip(";").split(";\n"):
                cursor.execute(statement)
            return [["" if value is None else str(value) for value in row] for row in cursor.fetchall()]

    def verify(self, login: Login) -> bool:
        try:
            with self._cursor(login) as cursor:
                cursor.execute("SELECT 1")
        except _driver("pymysql").OperationalError as error:
            if error.args and error.args[0] in ACCESS_DENIED:
                return False
            raise
        return True

    @contextlib.contextmanager
    def _cursor(self, login: Login) -> Iterator[Any]:
        connection = _driver("pymysql").connect(
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


def admin_for(engine: str, login: Login, *, host: str, port: int | None, database: str | None) -> DatabaseAdmin:
    """The admin for a secret's ``engine`` value.

    Raises:
        ConfigurationError: An engine this test bed cannot rotate.
    """
    family = engine.removeprefix("aurora-")
    if family in ("postgres", "postgresql"):
        return PostgresAdmin(login, host=host, port=port or 5432, database=database)
    if family in ("mysql", "mariadb"):
        return MariaDBAdmin(login, host=host, port=port or 3306, database=database)
    raise ConfigurationError(f"the rotator knows PostgreSQL, MySQL and MariaDB, not engine {engine!r}; pass admin=")


def _verifier(connection: Any, login: Login) -> str:
    """What the server keeps of the password, in the form the server's own settings ask for."""
    encoded = connection.pgconn.encrypt_password(login.password.encode(), login.username.encode())
    return str(encoded.decode())


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


def _driver(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DriverNotInstalled(f"{error}; pip install 'secretconn[testing]'") from None
