"""Test databases: ``manage.py test --parallel`` clones MySQL's with mysqldump, which logs in by itself."""

from __future__ import annotations

from secretconn.django.stock import Stock

__all__ = ["RotatingCreation"]


class RotatingCreation(Stock):  # type: ignore[misc]
    """Comes before a backend's DatabaseCreation."""

    def _clone_db(self, *names: str) -> None:
        """As Django's, with the login that the server took a moment ago, for making the empty database."""
        settings = self.connection.settings_dict
        with settings.pinned(settings.secret.last_accepted):
            super()._clone_db(*names)
