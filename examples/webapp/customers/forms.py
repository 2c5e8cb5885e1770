"""The form."""

from __future__ import annotations

from typing import Any

from django import forms

from customers.models import Customer

__all__ = ["CustomerForm"]


class CustomerForm(forms.ModelForm):
    """A new customer."""

    class Meta:
        model = Customer
        fields = ("name", "email", "city")
        widgets = {
            "name": forms.TextInput({"autocomplete": "name", "placeholder": "Ada Lovelace"}),
            "email": forms.EmailInput({"autocomplete": "email", "placeholder": "ada@example.com"}),
            "city": forms.TextInput({"autocomplete": "address-level2", "placeholder": "London"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
