"""The command line: ``secretconn COMMAND``. Each command is a package with ``add_parser``, which sets ``run``.

Exit codes: 0 all is well, 1 the command found a failure, 2 it could not be run, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from secretconn.cli import bench, check, demo
from secretconn.errors import SecretConnError
from secretconn.runtime import version_of

COMMANDS = (demo, check, bench)

NOT_RUN = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: The words after the program's name. Default: those of this process.

    Raises:
        SystemExit: ``--help``, ``--version``, or words that make no sense; from argparse.
    """
    arguments = _parsed(argv)
    try:
        return int(arguments.run(arguments))
    except SecretConnError as error:
        print(f"secretconn {arguments.command}: {error}", file=sys.stderr)
        return NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone; nothing may flush it at the end
        sys.stdout = None
        return NOT_RUN


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="secretconn", description="Database connections that survive credential rotation in AWS Secrets Manager."
    )
    parser.add_argument("--version", action="version", version=f"secretconn {version_of() or '(not installed)'}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:  # parse_args() would show the usage of all commands, not of this one
        subparsers.choices[arguments.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments
