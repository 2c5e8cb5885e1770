"""The admin, and three views: sync, in a transaction, async. ``?db=`` names the alias."""

from __future__ import annotations

from django.contrib import admin
from django.db import connections, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from .models import Line, Order


def count(request: HttpRequest) -> JsonResponse:
    """How many orders there are, and as whom the database knows us."""
    alias = request.GET.get("db", "default")
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user" if connections[alias].vendor == "postgresql" else "SELECT current_user()")
        (user,) = cursor.fetchone()
    return JsonResponse({"orders": Order.objects.using(alias).count(), "user": user})


def place(request: HttpRequest) -> JsonResponse:
    """Place an order with two lines, in one transaction."""
    alias = request.GET.get("db", "default")
    with transaction.atomic(using=alias):
        order = Order.objects.using(alias).create(customer="Ada", details={"gift": True})
        Line.objects.using(alias).create(order=order, item="pen", price="1.50")
        Line.objects.using(alias).create(order=order, item="ink", price="2.25")
        return JsonResponse({"order": order.pk, "lines": order.lines.count()})


async def acount(request: HttpRequest) -> JsonResponse:
    """How many orders there are, by the async ORM."""
    return JsonResponse({"orders": await Order.objects.using(request.GET.get("db", "default")).acount()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("count", count),
    path("place", place),
    path("acount", acount),
]
