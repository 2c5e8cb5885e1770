"""``secretconn check SECRET``: everything between this machine and an open connection, step by step, before going live.

Each step's effects are in a module of its own; what a failure means is decided in ``source_errors``, ``description``
and ``login_errors`` from the error alone, by the table in ``findings``, which has the sentences too.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from contextlib import suppress
from typing import Any

from secretconn import Runtime
from secretconn._core.environment import environment
from secretconn.cli.check.context import Context
from secretconn.cli.check.drivers import prepare
from secretconn.cli.check.login import log_in
from secretconn.cli.check.options import add_arguments, options
from secretconn.cli.check.reading import read
from secretconn.cli.check.report import Report, Stop
from secretconn.cli.check.source import choose_source


def add_parser(subparsers: Any) -> None:
    """Add ``check`` to the commands."""
    parser = subparsers.add_parser(
        "check",
        help="try everything that a connection needs, and say what to do about what fails",
        description="Reads the secret from its source, shows what it says (never the password), and logs in once. "
        "Exit code 0: connections work, maybe with warnings; 1: they do not; 2: it could not be run.",
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check; return the exit code.

    Raises:
        ConfigurationError: Options that contradict each other or are unknown.
    """
    asked, runtime = options(arguments), Runtime()
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # what it would log is in the findings
    report = Report(asked.secret, runtime.clock, sys.stderr if arguments.json else sys.stdout)
    take_steps(Context(asked, environment(runtime.environ), runtime, report))
    report.close()
    if arguments.json:
        print(json.dumps(report.as_json(strict=arguments.strict), indent=2))
    return report.exit_code(strict=arguments.strict)


def take_steps(context: Context) -> None:
    """Take all steps, up to the first one after which the next makes no sense."""
    with suppress(Stop):  # its step says why
        source = choose_source(context)
        logins = read(context, source)
        attempts = prepare(context, logins[0])
        if context.options.login:
            log_in(context, source, logins, attempts)
