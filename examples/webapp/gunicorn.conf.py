"""gunicorn: read from here when it is started in this folder. WEB_CONCURRENCY is the number of workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

wsgi_app = "project.wsgi"
bind = os.environ.get("WEBAPP_BIND", "0.0.0.0:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "project.worker.Worker"  # with threads: a connection that a browser opens ahead of need holds up none
threads = int(os.environ.get("WEBAPP_THREADS", "16"))  # project.middleware.Limit keeps two of them for health
keepalive = 75  # longer than a load balancer keeps an idle connection (an ALB: 60 s), or it sends into a closed one
timeout = 30
graceful_timeout = 20
preload_app = True  # one key for all workers where none is given; secretconn is made to be forked
accesslog = "-" if os.environ.get("WEBAPP_ACCESS_LOG") == "1" else None
errorlog = "-"
control_socket_disable = True  # gunicorn 25 and later would make one in the home folder; it is read-only in a container
if Path("/dev/shm").is_dir():
    worker_tmp_dir = "/dev/shm"  # a heartbeat on a disk may block


def post_worker_init(worker: Any) -> None:
    """Each worker has credentials of its own, and tells of them on its own."""
    from status.reporter import start

    start()


def worker_exit(server: Any, worker: Any) -> None:
    """Say what there is left to say."""
    from status.reporter import stop

    stop()
