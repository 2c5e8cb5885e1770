"""What the database itself says."""

from __future__ import annotations

from django.db import connection

__all__ = ["database_user"]


def database_user() -> str:
    """Whom the database takes us for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER")
        return str(cursor.fetchone()[0]).partition("@")[0]  # MySQL: user@host
