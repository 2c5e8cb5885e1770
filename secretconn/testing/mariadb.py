"""MariaDBServer: a private MariaDB for tests, from PATH, from Docker, or from Debian packages in a cache folder."""

from __future__ import annotations

from pathlib import Path

from secretconn.testing import debian
from secretconn.testing._mysql_family import QUICK, FamilyServer, Installation
from secretconn.testing.errors import ServerUnavailable

__all__ = ["MariaDBServer"]

PACKAGES = ("mariadb-server-core", "mariadb-client-core")

SCRIPTS = ("bin/mariadb-install-db", "scripts/mariadb-install-db", "bin/mysql_install_db")
"""Where a MariaDB on PATH may keep the script that makes its data folder, below its basedir."""


class MariaDBServer(FamilyServer):
    """A private MariaDB on 127.0.0.1: random port, own data folder, no blank passwords, no TLS, data not synced.

    Runs as ``nobody`` when we are root. Dies with this process. The first use of the "debian" rung downloads about
    15 MB of packages into the cache folder; later uses start from there.

    Args:
        user: The superuser's name.
        options: Server settings (``{"max_password_errors": "3", "max_connections": "20"}``); naming an ``ssl_``
            setting turns TLS on.
        files: More files for the data folder, name to content.
        ladder: Where to look for a server, in this order: "path", "docker", "debian".
        image: The image for the "docker" rung.
        cache: The folder for the "debian" rung; default is that of `secretconn.testing.debian.cache_folder`.
        wait: Seconds to wait for each step of the start.

    Raises (from ``start``):
        ServerUnavailable: No rung of the ladder held; the text says why for each.
    """

    kind = "mariadb"
    engine = "mariadb"
    title = "MariaDB"
    programs = ("mariadbd", "mysqld")
    image = "mariadb:11.4"
    password_variable = "MARIADB_ROOT_PASSWORD"

    def _settings(self, options: dict[str, str]) -> dict[str, str]:
        plain = {} if any(name.startswith("ssl_") for name in options) else {"skip_ssl": "1"}
        return {**QUICK, **plain, **options}

    def _at(self, base: Path, server: str) -> Installation:
        if _script(base) is None:
            raise ServerUnavailable(f"{base / server} has no mariadb-install-db beside it")
        return Installation(base, server, ".")

    def _from_debian(self) -> Installation:
        return Installation.unpacked(debian.unpack(*PACKAGES, cache=self._cache), "usr/sbin/mariadbd")

    def _make_data(self, found: Installation) -> None:
        self._run(
            [
                *found.run(f"{found.base}/{_script(found.basedir)}"),
                "--no-defaults",
                f"--basedir={found.basedir}",
                f"--datadir={self.data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--force",  # looks up no host name: not every machine has one in /etc/hosts
                "--innodb-use-native-aio=0",  # io_uring locks memory, and two at once can exceed the limit of a user
            ]
        )

    def _first_statements(self) -> str:
        """The install leaves blank-password root rows; they go before the first connection is taken."""
        return (
            "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE OR REPLACE USER '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )


def _script(base: Path) -> str | None:
    return next((script for script in SCRIPTS if (base / script).exists()), None)
