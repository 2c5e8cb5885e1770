"""The project's own tests, for `manage.py test`."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, connections, transaction
from django.test import TestCase, TransactionTestCase

from .models import Order


class OrderTests(TestCase):
    def test_an_order_is_placed(self) -> None:
        answer = self.client.get("/place").json()
        assert answer["lines"] == 2
        assert self.client.get("/count").json()["orders"] == 1

    def test_the_database_is_the_test_database(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()" if connection.vendor == "postgresql" else "SELECT database()")
            (name,) = cursor.fetchone()
        assert name.startswith("test_"), name
        assert name == connection.settings_dict["NAME"]

    def test_json_is_stored(self) -> None:
        Order.objects.create(customer="Bo", details={"gift": [1, None]})
        assert Order.objects.get(details__gift=[1, None]).customer == "Bo"

    def test_the_admin_lists_orders(self) -> None:
        self.client.force_login(User.objects.create_superuser("root"))
        Order.objects.create(customer="Cleo")
        self.assertContains(self.client.get("/admin/shop/order/"), "Cleo")

    async def test_the_async_client(self) -> None:
        await Order.objects.acreate(customer="Dee")
        answer = await self.async_client.get("/acount")
        assert answer.json()["orders"] == 1


class CommittingTests(TransactionTestCase):
    def test_integrity_errors_are_djangos(self) -> None:
        Order.objects.create(pk=7, customer="Eve")
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            Order.objects.create(pk=7, customer="Fay")
        assert isinstance(caught.value.__cause__, connection.Database.IntegrityError)

    def test_a_server_side_cursor(self) -> None:
        Order.objects.bulk_create(Order(customer=str(number)) for number in range(250))
        assert sum(1 for _ in Order.objects.iterator(chunk_size=100)) == 250
        connections.close_all()
        assert Order.objects.count() == 250
