"""The status page, the JSON it polls, and in development the button that rotates."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from status.overview import overview
from status.reporter import reporter

__all__ = ["data", "page", "rotate"]

STRATEGIES = ("single-user", "alternating-users")
ANSWER_SECONDS = 2.0


@require_GET
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The page, complete without JavaScript."""
    return render(request, "status/status.html", {**_data(), "strategies": STRATEGIES})


@require_GET
@never_cache
def data(request: HttpRequest) -> JsonResponse:
    """What changes on the page."""
    return JsonResponse(_data())


@require_POST
def rotate(request: HttpRequest) -> HttpResponse:
    """Ask the development rotator for a rotation. In production there is none, and no such page."""
    if not settings.DEV_ROTATOR_URL:
        raise Http404
    strategy = request.POST.get("strategy", "")
    if strategy not in STRATEGIES:
        return HttpResponse("no such strategy", status=400, content_type="text/plain")
    try:
        _rotator({"strategy": strategy})
        messages.success(request, f"Rotating, {strategy}. Watch the timeline.")
    except urllib.error.HTTPError as error:
        messages.error(request, "A rotation is under way already." if error.code == 409 else "The rotator refused.")
    except OSError:
        messages.error(request, "The rotator does not answer.")
    return redirect("status")


def _data() -> dict[str, Any]:
    return {**overview(reporter()), "rotator": _rotator_state()}


def _rotator_state() -> dict[str, Any] | None:
    """What the development rotator is doing; None where there is none."""
    if not settings.DEV_ROTATOR_URL:
        return None
    try:
        return _rotator()
    except OSError:
        return {"busy": False, "step": "the rotator does not answer", "windows": []}


def _rotator(wish: dict[str, str] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        settings.DEV_ROTATOR_URL,
        data=None if wish is None else json.dumps(wish).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
