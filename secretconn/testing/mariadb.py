"""MariaDBServer: a private MariaDB for tests, from PATH, from Docker, or from Debian packages in a cache folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from secretconn.testing import debian
from secretconn.testing._ladder import Installation
from secretconn.testing._mysql_family import FamilyServer
from secretconn.testing.errors import ServerUnavailable

__all__ = ["MariaDBServer"]

PACKAGES = ("mariadb-server-core", "mariadb-client-core")

SCRIPTS = ("bin/mariadb-install-db", "scripts/mariadb-install-db", "bin/mysql_install_db")
"""Where a MariaDB on PATH may keep the script that makes its data folder, below its basedir."""


class MariaDBServer(FamilyServer):
    """A private MariaDB on 127.0.0.1: random port, own data folder, no blank passwords, no TLS, data not synced.

    Naming an ``ssl_`` setting among ``options`` turns TLS on. The first use of the "debian" rung downloads about 15 MB
    of packages into the cache folder; later uses start from there. Arguments and errors: see `LadderServer`.
    """

    kind = engine = "mariadb"
    title = "MariaDB"
    programs = ("mariadbd", "mysqld")
    image = "mariadb:11.4"
    password_variable = "MARIADB_ROOT_PASSWORD"

    def _usual(self, options: Mapping[str, str]) -> Mapping[str, str]:
        return {} if any(name.startswith("ssl_") for name in options) else {"skip_ssl": "1"}

    def _at(self, server: Path) -> Installation:
        found = super()._at(server)
        if _script(found.basedir) is None:
            raise ServerUnavailable(f"{server} has no mariadb-install-db beside it")
        return found

    def _from_debian(self) -> Installation:
        unpacked = debian.unpack(*PACKAGES, cache=self._cache)
        return Installation(unpacked.root, "usr/sbin/mariadbd", "usr", unpacked)

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

    def _no_blank_passwords(self) -> str:
        """The install leaves blank-password root rows."""
        return "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\nFLUSH PRIVILEGES;\n"


def _script(base: Path) -> str | None:
    return next((script for script in SCRIPTS if (base / script).exists()), None)
