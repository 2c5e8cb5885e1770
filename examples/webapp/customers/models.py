"""One table."""

from __future__ import annotations

from django.db import models

__all__ = ["Customer"]


class Customer(models.Model):
    """A customer, and the database user who wrote the row: alternating-users rotation makes it alternate."""

    name = models.CharField(max_length=80)
    email = models.EmailField("e-mail", max_length=120)
    city = models.CharField(max_length=80, blank=True)
    written_as = models.CharField(max_length=128, editable=False)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return self.name
