"""RedisServer and RedisAdmin: a private Redis (or Valkey) for tests, from PATH or from Debian packages."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from secretconn.errors import DriverNotInstalled
from secretconn.testing import debian
from secretconn.testing._process import open_to
from secretconn.testing._server import ManagedServer
from secretconn.testing.errors import ServerUnavailable
from secretconn.testing.logins import Login

__all__ = ["RedisAdmin", "RedisServer"]

LADDER = ("path", "debian")
PROGRAMS = ("redis-server", "valkey-server")
PACKAGE = "redis-server"


class RedisServer(ManagedServer):
    """A private Redis on 127.0.0.1: random port, in memory alone, no login without a password.

    Runs as ``nobody`` when we are root. Dies with this process. The first use of the "debian" rung downloads about
    6 MB of packages into the cache folder.

    Args:
        user: The superuser's name.
        options: Server settings (``{"maxclients": "20"}``).
        ladder: Where to look for a server, in this order: "path", "debian".
        cache: The folder for the "debian" rung; default is that of `secretconn.testing.debian.cache_folder`.
        wait: Seconds to wait for the start.

    Raises (from ``start``):
        ServerUnavailable: No rung of the ladder held; the text says why for each.
    """

    kind = "redis"
    engine: ClassVar[str] = "redis"

    def __init__(
        self,
        *,
        user: str = "root",
        options: Mapping[str, str] | None = None,
        ladder: Sequence[str] = LADDER,
        cache: str | Path | None = None,
        wait: float = 30.0,
    ) -> None:
        super().__init__(user=user, files=None, environment=None, wait=wait)
        if not ladder or not set(ladder) <= set(LADDER):
            raise ValueError(f"ladder must name some of {', '.join(LADDER)}, not {ladder!r}")
        self._options = dict(options or {})
        self._ladder = tuple(ladder)
        self._cache = cache
        self._program: Path | None = None

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
        reasons = []
        for rung in self._ladder:
            try:
                self._program = self._from_path() if rung == "path" else self._from_debian()
                return
            except ServerUnavailable as error:
                reasons.append(f"{rung}: {error}")
        raise ServerUnavailable("Redis for tests cannot be had. " + "; ".join(reasons))

    def _from_path(self) -> Path:
        places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/bin", "/usr/bin"])
        found = next(filter(None, (shutil.which(program, path=places) for program in PROGRAMS)), None)
        if found is None:
            raise ServerUnavailable(f"no {' or '.join(PROGRAMS)} on PATH")
        return Path(found)

    def _from_debian(self) -> Path:
        unpacked = debian.unpack(PACKAGE, cache=self._cache)
        unpacked = unpacked.at(open_to(self._account, unpacked.root, self.folder / "program"))
        self._environment.update(unpacked.environment())
        return unpacked.root / "usr/bin/redis-server"

    def _command(self) -> list[str]:
        if self._program is None:
            raise ServerUnavailable("Redis has not been set up")
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
        configuration = self._write(self.folder / "redis.conf", lines + users)
        return [str(self._program), str(configuration)]

    def _ready(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=1.0) as probe:
                probe.sendall(b"PING\r\n")
                answered = probe.recv(8).startswith(b"-NOAUTH")
        except OSError:
            return False
        if answered:
            (self.folder / "redis.conf").unlink(missing_ok=True)
        return answered


class RedisAdmin:
    """A Redis or Valkey server, through redis-py. A clone gets the rules of the first user, without its passwords.

    Args:
        login: Who may change users.
        host, port: The server.
        keep_old: A new password leaves the one before it valid, as ElastiCache's rotation does: a user has two.
    """

    def __init__(self, login: Login, *, host: str, port: int, keep_old: bool = False) -> None:
        self.login = login
        self.host = host
        self.port = port
        self.keep_old = keep_old
        self._last: dict[str, Login] = {}

    def __repr__(self) -> str:
        return f"RedisAdmin({self.login.username}:***@{self.host}:{self.port})"

    def user_exists(self, username: str) -> bool:
        with self.connected(self.login) as client:
            return client.acl_getuser(username) is not None

    def create_user(self, login: Login, like: str) -> None:
        with self.connected(self.login) as client:
            for line in client.acl_list():
                name, *rules = line.removeprefix("user ").split(" ")
                if name == like:
                    kept = [rule for rule in rules if rule[0] not in "#>" and rule != "nopass"]
                    client.execute_command("ACL", "SETUSER", login.username, *kept)
        self.set_password(login)

    def set_password(self, login: Login) -> None:
        rules = ["on", "resetpass", f">{login.password}"]
        last = self._last.get(login.username)
        if self.keep_old and last is not None:
            rules.append(f">{last.password}")
        with self.connected(self.login) as client:
            client.execute_command("ACL", "SETUSER", login.username, *rules)
        self._last[login.username] = login

    def allow(self, username: str, *rules: str) -> None:
        """Give the user these ACL rules ("~*", "+@all")."""
        with self.connected(self.login) as client:
            client.execute_command("ACL", "SETUSER", username, "on", *rules)

    def verify(self, login: Login) -> bool:
        try:
            with self.connected(login) as client:
                client.execute_command("PING")
        except _module("redis.exceptions").AuthenticationError:
            return False
        return True

    @contextlib.contextmanager
    def connected(self, login: Login) -> Iterator[Any]:
        """A client with this login, which does not repeat what fails; closed at the end."""
        redis = _module("redis")
        client = redis.Redis(
            host=self.host,
            port=self.port,
            username=login.username,
            password=login.password,
            decode_responses=True,
            retry=_module("redis.retry").Retry(_module("redis.backoff").NoBackoff(), 0),
        )
        try:
            yield client
        finally:
            client.close()


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DriverNotInstalled(f"{error}; pip install 'secretconn[redis]'") from None
