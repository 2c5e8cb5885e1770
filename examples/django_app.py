"""Django in one file: a table, a page, a secret.

    python examples/django_app.py prod/orders          # or SECRET_ID=prod/orders
    curl localhost:8000/

ENGINE may be set in the environment (default: secretconn.django.postgresql), PORT too (default: 8000; 0 takes any).
Needs: pip install 'secretconn[django,psycopg]'
"""

from __future__ import annotations

import os
import sys
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": os.environ.get("ENGINE", "secretconn.django.postgresql"),
            "OPTIONS": {"secret": sys.argv[1] if len(sys.argv) > 1 else os.environ["SECRET_ID"]},
        }
    },
    ROOT_URLCONF=__name__,
)
django.setup()


class Visit(models.Model):
    """One row for each visit."""

    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Outside of a package a model says to which application it belongs."""

        app_label = "example"


def index(request: HttpRequest) -> JsonResponse:
    """Count this visit."""
    Visit.objects.create()
    return JsonResponse({"visits": Visit.objects.count()})


urlpatterns = [path("", index)]


def main() -> None:
    """Make the table and serve, one request after the other."""
    if Visit._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Visit)
    connection.close()
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), get_wsgi_application()) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
