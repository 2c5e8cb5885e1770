"""RedisServer and RedisAdmin: a private Redis (or Valkey) for tests, from PATH or from Debian packages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secretconn.testing import debian
from secretconn.testing._ladder import Installation, LadderServer
from secretconn.testing.admins import Admin, optional
from secretconn.testing.logins import Login

__all__ = ["RedisAdmin", "RedisServer"]


class RedisServer(LadderServer):
    """A private Redis on 127.0.0.1: random port, in memory alone, no login without a password.

    The first use of the "debian" rung downloads about 6 MB of packages into the cache folder. Arguments and errors: see
    `LadderServer`.
    """

    kind = engine = "redis"
    title = "Redis"
    programs = ("redis-server", "valkey-server")
    rungs = ("path", "debian")
    hello = (b"PING\r\n", b"-NOAUTH")
    login_file = "redis.conf"

    def admin(self, *, keep_old: bool = False) -> RedisAdmin:
        """The superuser's hand on ACL users, for `Rotator` (needs redis).

        Args:
            keep_old: As in `RedisAdmin`.
        """
        return RedisAdmin(self.login, host=self.host, port=self.port, keep_old=keep_old)

    def rejected_logins(self) -> int:
        """How many logins the server has refused since it started (INFO commandstats, failed AUTH and HELLO)."""
        with self.admin().connected(self.login) as client:
            stats = client.info("commandstats")
        return sum(stats.get(f"cmdstat_{command}", {}).get("failed_calls", 0) for command in ("auth", "hello"))

    def _initialise(self) -> None:
        self.data.mkdir()
        self._account.own(self.data)
        self._install()

    def _at(self, server: Path) -> Installation:
        return Installation(server.parent, server.name)

    def _from_debian(self) -> Installation:
        unpacked = debian.unpack("redis-server", cache=self._cache)
        return Installation(unpacked.root, "usr/bin/redis-server", packages=unpacked)

    def _command(self) -> list[str]:
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self.data),
            "save": '""',
            "appendonly": "no",
            **self._options,
        }
        users = (
            f"user {self.user} on >{self.password} ~* &* +@all\n"
            "user default off\n"  # no login without a password
        )
        lines = "".join(f"{name} {value}\n" for name, value in settings.items())
        configuration = self._write(self.folder / self.login_file, lines + users)
        return [*self._installed.run(self._installed.server), str(configuration)]


class RedisAdmin(Admin):
    """A Redis or Valkey server, through redis-py. A clone gets the rules of the first user, without its passwords.

    Args:
        login: Who may change users.
        host, port: The server.
        keep_old: A new password leaves the one before it valid, as ElastiCache's rotation does: a user has two.
    """

    def __init__(self, login: Login, *, host: str, port: int, keep_old: bool = False) -> None:
        super().__init__(login, host=host, port=port)
        self.keep_old = keep_old
        self._last: dict[str, Login] = {}

    def user_exists(self, username: str) -> bool:
        with self.connected(self.login) as client:
            return client.acl_getuser(username) is not None

    def create_user(self, login: Login, like: str) -> None:
        with self.connected(self.login) as client:
            users = (line.removeprefix("user ").split(" ") for line in client.acl_list())
            rules = [rule for name, *rules in users if name == like for rule in rules]
        self._set_user(login.username, *(rule for rule in rules if rule[0] not in "#>" and rule != "nopass"))
        self.set_password(login)

    def set_password(self, login: Login) -> None:
        last = self._last.get(login.username)
        older = [f">{last.password}"] if self.keep_old and last is not None else []
        self._set_user(login.username, "on", "resetpass", f">{login.password}", *older)
        self._last[login.username] = login

    def allow(self, username: str, *rules: str) -> None:
        """Give the user these ACL rules ("~*", "+@all")."""
        self._set_user(username, "on", *rules)

    def _set_user(self, username: str, *rules: str) -> None:
        with self.connected(self.login) as client:
            client.execute_command("ACL", "SETUSER", username, *rules)

    def _try(self, login: Login) -> None:
        with self.connected(login) as client:
            client.execute_command("PING")

    def _refused(self, error: Exception) -> bool:
        return isinstance(error, optional("redis.exceptions", "redis").AuthenticationError)

    @contextlib.contextmanager
    def connected(self, login: Login) -> Iterator[Any]:
        """A client with this login, which does not repeat what fails; closed at the end."""
        never = optional("redis.retry", "redis").Retry(optional("redis.backoff", "redis").NoBackoff(), 0)
        client = optional("redis", "redis").Redis(
            host=self.host,
            port=self.port,
            username=login.username,
            password=login.password,
            decode_responses=True,
            retry=never,
        )
        try:
            yield client
        finally:
            client.close()
