"""MySQLServer: a private MySQL for tests, from PATH, from Docker, or from Debian packages in a cache folder.

Facts: "Initializing the Data Directory", "Caching SHA-2 Pluggable Authentication" and "Creating SSL and RSA
Certificates and Keys" in the MySQL reference manual.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from secretconn.testing import debian
from secretconn.testing._ladder import Installation
from secretconn.testing._mysql_family import FamilyServer, words

__all__ = ["MySQLServer"]

PACKAGE, SUITE = "mysql-server-core", "sid"
"""Debian's stable releases have no MySQL."""

UNUSED = ("usr/bin", "usr/lib/*/gconv", "usr/lib/mysql/plugin/*telemetry*", "usr/lib/mysql/plugin/group_replication.so")
"""Of the packages: clients, character sets of the C library, and plugins that nobody loads here."""

SMALL = {
    "loose_mysqlx": "OFF",
    "disable_log_bin": "1",
    "loose_innodb_redo_log_capacity": "8M",
    "secure_file_priv": "NULL",
    "log_error_verbosity": "3",
}
"""No second port, no binary log, a small redo log; notes in the log, because a rejected login is one."""

FIXED_AT_FIRST = ("innodb_data_file_path", "innodb_page_size", "lower_case_table_names")
"""Settings that the data folder is made with; a folder made without them is of no use."""

OWN = ("*.pem", "auto.cnf")
"""What each data folder has of its own, and the server makes anew: certificates, keys, the server's id."""


class MySQLServer(FamilyServer):
    """A private MySQL on 127.0.0.1: random port, own data folder and certificate, no blank passwords, data not synced.

    Users log in by ``caching_sha2_password``. TLS is offered to those who ask for it, with a certificate that the
    server makes at its first start; ``options={"tls_version": ""}`` turns it off. The first use of the "debian" rung
    downloads about 45 MB of packages (MySQL 9.7 of Debian's unreleased suite) into the cache folder; later uses start
    from there, with a data folder made once. Arguments and errors: see `LadderServer`.
    """

    kind = engine = "mysql"
    title = "MySQL"
    programs = ("mysqld",)
    image = "mysql:9.7"
    password_variable = "MYSQL_ROOT_PASSWORD"

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the server's, for a client that verifies it. Not in Docker."""
        return self.data / "ca.pem"

    def _usual(self, options: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002
        return SMALL

    def _from_debian(self) -> Installation:
        unpacked = debian.unpack(PACKAGE, suite=SUITE, drop=UNUSED, cache=self._cache)
        return Installation(unpacked.root, "usr/sbin/mysqld", "usr", unpacked)

    def _make_data(self, found: Installation) -> None:
        """Copy the data folder of an earlier server of this version; making one takes some seconds."""
        if not set(FIXED_AT_FIRST).isdisjoint(self._options):
            self._initialise_data(found)
            return
        told = subprocess.run([*found.run(found.server), "--version"], capture_output=True, check=False).stdout
        template = debian.cache_folder() / f"mysql-data-{hashlib.sha256(told).hexdigest()[:8]}.tar.gz"
        try:
            self._copy(template, self.data)
        except (OSError, tarfile.TarError):  # there is none, or it is another user's
            shutil.rmtree(self.data, ignore_errors=True)
            self._initialise_data(found)
            self._keep(template)

    def _initialise_data(self, found: Installation) -> None:
        settings = {**self._places(found), **self._options}
        self._run([*found.run(found.server), "--no-defaults", "--initialize-insecure", *words(settings)])

    def _keep(self, template: Path) -> None:
        """Keep the new data folder, packed: 80 MB, most of them zeros. It knows no login: root has no password yet."""
        beside = template.with_name(f"{template.name}.{os.getpid()}")
        with contextlib.suppress(OSError):  # no room, no right; or another process was quicker
            template.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(beside, "w:gz", compresslevel=6) as packed:
                packed.add(self.data, ".", filter=lambda file: None if any(map(Path(file.name).match, OWN)) else file)
            beside.rename(template)
        beside.unlink(missing_ok=True)

    def _copy(self, template: Path, data: Path) -> None:
        with tarfile.open(template) as packed:
            packed.extraction_filter = lambda file, _: file  # written above: nothing to be careful about
            packed.extractall(data)
        for folder, _, files in os.walk(data):
            for name in (".", *files):
                self._account.own(Path(folder, name))

    def _no_blank_passwords(self) -> str:
        return "DROP USER IF EXISTS 'root'@'localhost';\n"
