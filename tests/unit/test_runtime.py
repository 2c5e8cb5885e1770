"""Runtime: threads, and their absence; the interpreter's start and end."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading

import pytest

from secretconn import Runtime

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_work_is_done_in_a_daemon_thread_in_the_caller_s_context() -> None:
    seen: list[object] = []
    done = threading.Event()

    def work() -> None:
        seen.extend([threading.current_thread().daemon, VARIABLE.get()])
        done.set()

    VARIABLE.set("the caller's")
    Runtime().spawn(work)
    assert done.wait(10)
    assert seen == [True, "the caller's"]


LIMITED = """
import threading
import secretconn
from secretconn.testing import MemorySource

def full(*args, **kwargs):
    raise RuntimeError("can't start new thread")
threading.Thread.start = full  # as at a limit of the process
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [("credentials.current().version_id", "v1"), ("credentials.refresh().version_id", "v1")],
)
def test_where_no_thread_can_be_started_a_caller_reads_itself(call: str, expected: str) -> None:
    done = run(
        LIMITED
        + 'source = MemorySource({"username": "app", "password": "p1", "host": "db"})\n'
        + 'credentials = secretconn.RotatingCredentials("s", source=source)\n'
        + f"print({call})"
    )
    assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr


def test_and_a_task_is_told_so_before_anything_is_read() -> None:
    """A read of its own would hold the event loop."""
    done = run(
        LIMITED
        + "import asyncio\n"
        + 'source = MemorySource({"username": "app", "password": "p1", "host": "db"})\n'
        + 'credentials = secretconn.RotatingCredentials("s", source=source)\n'
        + "async def main():\n"
        + "    try:\n"
        + "        await credentials.acurrent()\n"
        + "    except secretconn.SecretUnavailable as error:\n"
        + "        print(error.__cause__, source.reads)\n"
        + "asyncio.run(main())"
    )
    assert done.stdout.strip() == "no thread can be started to read the secret 0", done.stderr


TEARDOWN = """
import secretconn
from secretconn.testing import MemorySource

class Late:
    def __init__(self, call):
        self.call = call
        self.credentials = secretconn.RotatingCredentials("s", ttl=1e-6, source=MemorySource(
            {"username": "app", "password": "p1", "host": "db"}))
        self.credentials.subscribe(lambda event: None)
        self.credentials.current()

    def __del__(self):
        getattr(self.credentials, self.call)()
        print("done", flush=True)

"""


@pytest.mark.parametrize("call", ["current", "stats", "invalidate"])
def test_at_the_end_of_the_interpreter_a_finaliser_neither_hangs_nor_fails(call: str) -> None:
    """Fault 20: the exit hung for ever on 3.11, and was an ImportError on 3.12 and 3.13."""
    done = run(f"{TEARDOWN}import builtins\nbuiltins.late = Late({call!r})")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "done\n"
