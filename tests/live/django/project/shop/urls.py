"""The admin, and three views: sync, in a transaction, async."""

from __future__ import annotations

from django.contrib import admin
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from .models import Line, Order


def count(request: HttpRequest) -> JsonResponse:
    """How many orders there are, and who asks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user" if connection.vendor == "postgresql" else "SELECT current_user()")
        (user,) = cursor.fetchone()
    return JsonResponse({"orders": Order.objects.count(), "user": user})


@transaction.atomic
def place(request: HttpRequest) -> JsonResponse:
    """Place an order with two lines."""
    order = Order.objects.create(customer="Ada", details={"gift": True})
    Line.objects.create(order=order, item="pen", price="1.50")
    Line.objects.create(order=order, item="ink", price="2.25")
    return JsonResponse({"order": order.pk, "lines": order.lines.count()})


async def acount(request: HttpRequest) -> JsonResponse:
    """The same by the async ORM."""
    return JsonResponse({"orders": await Order.objects.acount()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("count", count),
    path("place", place),
    path("acount", acount),
]
