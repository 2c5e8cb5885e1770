"""Launcher: becomes a server that runs as an unprivileged user and dies with the process that asked for it (Linux).

Run as ``python -I -S _launch.py PARENT UID GID SIGNAL COMMAND...``; UID -1 keeps the user. A file of its own, on the
standard library alone, because work between fork and exec in a threaded process is not safe.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main(parent: int, uid: int, gid: int, death_signal: int, command: list[str]) -> None:
    """Drop to the user, then ask for the death signal (a change of user clears it), and become the command."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    asked = [int(text) for text in sys.argv[1:5]]
    main(asked[0], asked[1], asked[2], asked[3], sys.argv[5:])
