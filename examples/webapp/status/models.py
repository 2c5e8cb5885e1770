"""What the workers tell, one row each, and what happened to their credentials. No password is ever in a row."""

from __future__ import annotations

from django.db import models

__all__ = ["Happening", "Worker"]


class Worker(models.Model):
    """A gunicorn worker's own account of itself, overwritten at each report."""

    key = models.CharField(max_length=32, primary_key=True)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    started = models.DateTimeField()
    seen = models.DateTimeField(db_index=True)
    user = models.CharField(max_length=128)
    version_id = models.CharField(max_length=64)
    stage = models.CharField(max_length=64)
    since = models.DateTimeField(help_text="when this worker first had this version")
    reads = models.BigIntegerField(default=0)
    hits = models.BigIntegerField(default=0)
    api_calls = models.BigIntegerField(default=0)
    connects = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    recovered = models.BigIntegerField(default=0)
    requests = models.BigIntegerField(default=0)
    failures = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Happening(models.Model):
    """One event of secretconn, in one worker."""

    at = models.DateTimeField(db_index=True)
    worker = models.CharField(max_length=32)
    pid = models.IntegerField()
    kind = models.CharField(max_length=16)
    version_id = models.CharField(max_length=64, blank=True)
    previous_version_id = models.CharField(max_length=64, blank=True)
    stages = models.CharField(max_length=128, blank=True)
    seconds = models.FloatField(default=0.0)
    detail = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.version_id}"
