"""Counts what this worker answered, so that the page can say how many requests failed."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from status.reporter import reporter

__all__ = ["Count"]


class Count:
    """Responses, and those with a 5xx; an exception in a view has become a 500 before it comes here."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        reporter().journal.served(response.status_code)
        return response
