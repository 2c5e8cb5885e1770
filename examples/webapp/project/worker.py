"""gunicorn's worker with threads, which leaves nobody waiting at its socket when it ends."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker

__all__ = ["Worker"]


class Worker(ThreadWorker):
    """On SIGTERM, take the connections that the kernel has accepted already, then refuse new ones.

    gunicorn takes none from then on and closes its socket when the last request is answered. Whoever connects in
    between is accepted by the kernel, and cut off then.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                self._take_all(listener)
                listener.close()

    def _take_all(self, listener: object) -> None:
        before = -1
        while before != self.nr_conns:
            before = self.nr_conns
            self.accept(listener)
