"""Before and after every view: the health probes, and what a browser may load."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from project.readiness import Readiness

__all__ = ["ContentSecurityPolicy", "Health", "Limit"]

log = logging.getLogger("webapp")
Answer = Callable[[HttpRequest], HttpResponse]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Health:
    """``/healthz``: the process answers. ``/readyz``: the database does too, or did a second ago.

    A middleware, because probes name any host: the address of the container, not one of ALLOWED_HOSTS.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._ready = Readiness(_database_answers)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return JsonResponse({"status": "ok"})
        if request.path == "/readyz":
            ready = self._ready()
            return JsonResponse({"status": "ready" if ready else "no database"}, status=200 if ready else 503)
        return self._answer(request)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:  # SecretOperationalError is one of them; its text is for the log, not for the network
        log.warning("not ready: %s", error)
        return False
    return True


class Limit:
    """Let so many requests wait for the database that threads are left for health; refuse the others at once.

    Without it a database that is paused holds every thread, then every request in the queue behind them.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._free = threading.BoundedSemaphore(settings.DATABASE_THREADS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._free.acquire(blocking=False):
            return HttpResponse("busy", status=503, content_type="text/plain", headers={"Retry-After": "1"})
        try:
            return self._answer(request)
        finally:
            self._free.release()


class ContentSecurityPolicy:
    """A browser loads from here only: no inline script or style, nothing from elsewhere, no frame around it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
