"""Django's own pool for PostgreSQL (``OPTIONS["pool"]``): each connection logs in with the login valid then."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, get_origin

from django.core.exceptions import ImproperlyConfigured

from secretconn._core.api import wrap
from secretconn.django.options import Secret
from secretconn.django.wrapper import RotatingWrapper
from secretconn.events import Event, Rotated

__all__ = ["RotatingPool"]


class RotatingPool(RotatingWrapper):
    """Comes before a backend's DatabaseWrapper whose vendor is "postgresql"."""

    _secretconn_making_pool = False

    @property
    def pool(self) -> Any:
        """As Django's. The pool is handed a connection class that logs in by the secret, and no login."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options or self.alias in self._connection_pools or self._secretconn_known_driver().name != "psycopg":
            return super().pool
        kept = {} if options is True else options
        secret = self.settings_dict.secret
        rotating = {**self.settings_dict["OPTIONS"], "pool": {**kept, "connection_class": self._secretconn_class(kept)}}
        self._secretconn_making_pool = True
        try:
            with self.settings_dict.pinned(OPTIONS=rotating):
                pool = super().pool
        finally:
            self._secretconn_making_pool = False
        if pool is not None and secret.drain:
            _drain_on_rotation(pool, secret)
        return pool

    def get_connection_params(self) -> dict[str, Any]:
        """As RotatingWrapper's; what a pool would keep for its whole life is without what comes from the secret."""
        params = super().get_connection_params()
        if self._secretconn_making_pool:
            return self._secretconn_arguments(params, self._secretconn_known_driver(), takes_login=True)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As RotatingWrapper's; with a pool, from the pool."""
        if self.pool is not None:
            conn_params.clear()  # unused, and Django's frame above holds it
            return super(RotatingWrapper, self).get_new_connection(conn_params)
        return super().get_new_connection(conn_params)

    def close_if_unusable_or_obsolete(self) -> None:
        """As RotatingWrapper's; a pooled connection goes back after each request anyway."""
        if self.settings_dict["OPTIONS"].get("pool"):
            super(RotatingWrapper, self).close_if_unusable_or_obsolete()
        else:
            super().close_if_unusable_or_obsolete()

    def close_pool(self) -> None:
        """As Django's, which would make a pool to close it."""
        pool = self._connection_pools.get(self.alias)
        if pool is None:
            return
        super().close_pool()
        end = _draining.pop(pool, None)
        if end is not None:
            end()

    def _secretconn_class(self, options: dict[str, Any]) -> type:
        base = options.get("connection_class") or self.Database.Connection
        base = get_origin(base) or base  # psycopg.Connection[DictRow]
        connect = wrap(base.connect, self.settings_dict.secret.credentials, driver="psycopg")
        return type(base.__name__, (base,), {"__doc__": base.__doc__, "connect": staticmethod(connect)})


_draining: weakref.WeakKeyDictionary[Any, Callable[[], None]] = weakref.WeakKeyDictionary()


def _drain_on_rotation(pool: Any, secret: Secret) -> None:
    """Have a pool replace its idle connections at each rotation; those in use are replaced when they come back.

    Raises:
        ImproperlyConfigured: this psycopg_pool cannot do that.
    """
    if not hasattr(pool, "drain"):
        raise ImproperlyConfigured('"on_rotation": "drain" with OPTIONS["pool"] needs psycopg-pool 3.3 or later')
    if pool in _draining:
        return
    known = weakref.ref(pool)

    def on_event(event: Event) -> None:
        found = known() if isinstance(event, Rotated) else None
        if found is not None and not found.closed:
            found.drain()

    _draining[pool] = secret.credentials.subscribe(on_event)
