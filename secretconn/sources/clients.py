"""Clients: one client of Secrets Manager for each way of reaching it, shared by all secrets of the process.

Making one takes longer than reading a secret does, and each holds some hundreds of KiB.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet, WeakValueDictionary

from secretconn.errors import ConfigurationError, SecretConnError
from secretconn.runtime import at_fork, version_of
from secretconn.sources.calls import is_of_own_credentials
from secretconn.sources.role import Role, role_session
from secretconn.sources.sessions import new_session

if TYPE_CHECKING:
    from botocore.config import Config

    from secretconn.sources.sessions import AnySession

__all__ = ["SharedClient", "Way", "clients", "without_user"]

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 3.0
TOTAL_ATTEMPTS = 2
"""Seconds and tries of the default client. Secrets Manager answers in tens of milliseconds; a caller who waits for the
SDK's own 60 s and five tries has lost its request long before."""

POOL = 100
"""Connections that are kept: where many secrets are read at once, each read has one of its own."""

PATIENCE = 2.0
"""Seconds for which a read waits while another one makes the client. That may hang, in a credential process or the
instance's metadata, and no read may hold up the next one; nor a finaliser that connects in the middle of it."""


class Way(NamedTuple):
    """A way of reaching Secrets Manager; see SecretsManagerSource."""

    region: str | None
    profile: str | None
    endpoint_url: str | None
    session: AnySession | None
    role: Role | None
    total_attempts: int
    otherwise_region: str | None


class SharedClient:
    """The client for one way, made at its first use, in the thread of the read that needs it.

    Attributes:
        users: The sources that ask with it.
    """

    def __init__(self) -> None:
        self.users: WeakSet[object] = WeakSet()
        self._client: Any = None
        self._making = threading.Lock()
        self._leave_open = False

    def client(self, make: Callable[[], Any]) -> Any:
        """Return the client. Raises what ``make`` raises, and the next caller tries again."""
        if self._client is None:
            with _held(self._making):
                if self._client is None:
                    self._client = make()
        return self._client

    def leave(self, user: object, in_use: bool) -> None:
        """Have one user less, and close the client after the last one, unless one was inside it when it left.

        This takes no lock, which the parent of a forked child may hold. A client that is joined just now opens its
        connections anew.
        """
        self._leave_open |= in_use
        self.users.discard(user)
        if not self.users and not self._leave_open and self._client is not None:
            self._client.close()


class _Clients:
    """The shared clients of this process. One that nobody uses any more is forgotten."""

    def __init__(self) -> None:
        self.renew()
        at_fork(self.renew)

    def renew(self) -> None:
        """Begin anew: a forked child shares no socket and no lock with its parent."""
        self._lock = threading.Lock()
        self._shared: WeakValueDictionary[tuple[Way, int], SharedClient] = WeakValueDictionary()

    def join(self, way: Way, user: object) -> SharedClient:
        """Return the client that all who go this way share, under the AWS variables as they are now."""
        key = (way, hash(frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))))
        with _held(self._lock):
            shared = self._shared.get(key)
            if shared is None:
                shared = self._shared[key] = SharedClient()
            shared.users.add(user)
            return shared

    def retire(self, shared: SharedClient) -> None:
        """Give this one to nobody any more: its keys were refused. Its other users keep it until theirs are."""
        with _held(self._lock):
            for key, kept in list(self._shared.items()):
                if kept is shared:
                    del self._shared[key]


clients = _Clients()


@contextmanager
def _held(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock; or go on without it after a while, at the cost of a client that is not shared."""
    mine = lock.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        if mine:
            lock.release()


def make_client(way: Way, secret_id: str) -> Any:
    """Make a client.

    Args:
        way: How Secrets Manager is reached.
        secret_id: Who asks, for errors.

    Raises:
        ConfigurationError: no region is known, an unknown profile, an address or region that cannot be.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, NoRegionError, ProfileNotFound

    options = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"total_max_attempts": way.total_attempts, "mode": "standard"},
        max_pool_connections=POOL,
        user_agent_extra=f"secretconn/{version_of() or '0'}",
    )
    try:
        make = _maker(way, options)
        return make("secretsmanager", region_name=way.region, endpoint_url=way.endpoint_url, config=options)
    except NoRegionError as error:
        if way.region is None and way.otherwise_region is not None:
            return make_client(way._replace(region=way.otherwise_region), secret_id)
        raise ConfigurationError(
            f"no region for secret {secret_id!r}: pass region=, use the secret's ARN, or set AWS_REGION"
        ) from error
    except ProfileNotFound as error:
        raise ConfigurationError(
            f"profile {error.kwargs.get('profile')!r} is not in the shared AWS configuration; correct profile= or "
            f"AWS_PROFILE, or unset it"
        ) from error
    except (BotoCoreError, ValueError) as error:
        if isinstance(error, SecretConnError) or is_of_own_credentials(error):
            raise
        why = without_user(str(error))
        raise ConfigurationError(
            f"secret {secret_id!r}: no client of Secrets Manager can be made of region, endpoint and AWS "
            f"configuration ({why})"
        ) from error


def without_user(address: str) -> str:
    """The address as it may be shown."""
    return re.sub(r"//[^/\s@]*@", "//", address)


def _maker(way: Way, options: Config) -> Callable[..., Any]:
    session: Any = way.session
    if session is None:
        session = new_session(way.profile)
    if way.role is not None:
        region = way.region or _region_of(session) or way.otherwise_region
        session = role_session(way.role, session, way.profile, region, options)
    make: Callable[..., Any] = session.client if hasattr(session, "client") else session.create_client
    return make


def _region_of(session: Any) -> str | None:
    """What the session's own chain says; boto3's and botocore's sessions tell it in different ways."""
    ask = getattr(session, "get_config_variable", None)
    return ask("region") if ask is not None else getattr(session, "region_name", None)
