"""A real fork while another thread is in the middle of a read, or this one in a subscriber: the child goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

SCRIPT = """
import os, signal, sys, threading, time
import secretconn
from secretconn._core.rotating import core_of, each
from secretconn.testing import MemorySource

class Source(MemorySource):
    in_use = None
    def after_fork(self, in_use):
        self.in_use = in_use

source = Source({"username": "app", "password": "p1", "host": "db"})
credentials = secretconn.RotatingCredentials("s", source=source, timeout=3.0)
told = []
credentials.subscribe(told.append)

def slow_read():
    entered = threading.Event()
    source.on_read = lambda: (entered.set(), time.sleep(60))
    threading.Thread(target=lambda: credentials.refresh(), daemon=True).start()
    assert entered.wait(10)
    source.on_read = None

def fork(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "the child hangs"

def works():
    assert credentials.current().version_id == "v1"
    source.rotate("v2", {"username": "app", "password": "p2", "host": "db"})
    assert credentials.refresh().version_id == "v2"
    end = credentials.subscribe(told.append)
    end()
    secretconn.shared("other", region="eu-west-1")
    each(lambda _: None)()
    secretconn.RotatingCredentials("third", source=source).current()
    assert told and type(told[-1]).__name__ == "Rotated", told

"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_read_of_the_parent_is_not_waited_for_and_its_client_is_not_touched() -> None:
    done = run(
        "credentials.current()\nslow_read()\n"
        "def child():\n    assert source.in_use is True, source.in_use\n    works()\n"
        "sys.exit(fork(child))"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nor_is_that_of_a_read_that_was_abandoned() -> None:
    done = run(
        "credentials.current()\nslow_read()\n"
        "time.sleep(3.2)\n"  # its deadline passes; its thread is still in there
        "try:\n    credentials.refresh()\nexcept secretconn.SecretUnavailable:\n    pass\n"
        "def child():\n    assert source.in_use is True, source.in_use\n"
        "sys.exit(fork(child))"
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_an_idle_client_is_let_go() -> None:
    done = run(
        "credentials.current()\ndef child():\n    assert source.in_use is False, source.in_use\nsys.exit(fork(child))"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_first_read_of_the_parent_is_done_anew() -> None:
    done = run("slow_read()\nsys.exit(fork(works))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_child_begins_to_count_and_keeps_what_is_held() -> None:
    done = run(
        "held = credentials.current()\n"
        "def child():\n"
        "    assert credentials.stats() == secretconn.Stats(), credentials.stats()\n"
        "    assert credentials.current() is held\n"
        "    assert source.reads == 1\n"
        "sys.exit(fork(child))"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_fork_within_a_subscriber() -> None:
    """The role of the teller is this very thread's, and the child tells as well."""
    done = run(
        "ended = []\n"
        "def forks(event):\n"
        "    if type(event).__name__ == 'Refreshed' and not ended:\n"
        "        ended.append(None)\n"
        "        ended[0] = fork(works)\n"
        "credentials.current()\n"
        "credentials.subscribe(forks)\n"
        "core_of(credentials).observers.tell(secretconn.Refreshed(secret_id='s', version_id='v1', reason='asked', "
        "seconds=0.0, api_calls=1))\n"
        "sys.exit(ended[0])"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
