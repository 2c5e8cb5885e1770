"""An order and its lines."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """What somebody wants."""

    customer = models.CharField(max_length=40)
    placed = models.DateTimeField(auto_now_add=True)
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.customer


class Line(models.Model):
    """One thing of it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    item = models.CharField(max_length=40)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self) -> str:
        return self.item
