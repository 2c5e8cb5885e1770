"""Before and after every view: the health probes, and what a browser may load."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

__all__ = ["ContentSecurityPolicy", "Health"]

log = logging.getLogger("webapp")
Answer = Callable[[HttpRequest], HttpResponse]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Health:
    """``/healthz``: the process answers. ``/readyz``: the database does too.

    A middleware, because probes name any host: the address of the container, not one of ALLOWED_HOSTS.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return JsonResponse({"status": "ok"})
        if request.path == "/readyz":
            return _readiness()
        return self._answer(request)


def _readiness() -> HttpResponse:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:  # SecretOperationalError is one of them; its text is for the log, not for the network
        log.warning("not ready: %s", error)
        return JsonResponse({"status": "no database"}, status=503)
    return JsonResponse({"status": "ready"})


class ContentSecurityPolicy:
    """A browser loads from here only: no inline script or style, nothing from elsewhere, no frame around it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
