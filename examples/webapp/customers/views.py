"""The customers' page: the form, and who is there already."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from customers.forms import CustomerForm
from customers.models import Customer
from project.database import database_user

__all__ = ["customers"]

SHOWN = 8


@require_http_methods(["GET", "HEAD", "POST"])
def customers(request: HttpRequest) -> HttpResponse:
    """Show the form with the latest customers, or take a new one in."""
    form = CustomerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        customer = form.save(commit=False)
        customer.written_as = database_user()
        customer.save()
        messages.success(request, f"{customer.name} is in the database, written by {customer.written_as}.")
        return redirect("customers")
    latest, count = Customer.objects.order_by("-id")[:SHOWN], Customer.objects.count()
    status = 422 if form.errors else 200
    return render(request, "customers/customers.html", {"form": form, "latest": latest, "count": count}, status=status)
