"""Addresses. /healthz and /readyz are answered by project.middleware.Health."""

from __future__ import annotations

from django.urls import path

import customers.views
import status.views

urlpatterns = [
    path("", customers.views.customers, name="customers"),
    path("status/", status.views.page, name="status"),
    path("status/data.json", status.views.data, name="status-data"),
    path("status/rotate", status.views.rotate, name="rotate"),
]
