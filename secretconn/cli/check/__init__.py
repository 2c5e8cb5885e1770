"""``secretconn check SECRET``: everything between this machine and an open connection, step by step, before going live.

Each step's effects are in a module of its own; what a failure means is decided in ``of_source``, ``of_secret`` and
``of_login`` from the error alone. Nothing but the core's dependencies and the application's own driver is needed.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from typing import Any

from secretconn._core.environment import environment
from secretconn.cli.check.context import Context
from secretconn.cli.check.database import log_in, prepare
from secretconn.cli.check.journal import Journal, Screen
from secretconn.cli.check.options import add_arguments, options
from secretconn.cli.check.place import choose_source, primary
from secretconn.cli.check.read_aws import read_aws
from secretconn.cli.check.read_others import read_others
from secretconn.cli.check.report import Report
from secretconn.errors import SecretConnError
from secretconn.runtime import Runtime

__all__ = ["add_parser", "run"]


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
    """Check; returns the exit code.

    Raises:
        ConfigurationError: What was asked for makes no sense.
    """
    asked, runtime = options(arguments), Runtime()
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # what it would log is in the findings
    screen = Screen(sys.stderr if arguments.json else sys.stdout)
    context = Context(asked, environment(runtime.environ), runtime, Journal(asked.secret, runtime.clock, screen))
    try:
        report = check(context)
    except (SecretConnError, KeyboardInterrupt):
        screen.broken_off()
        raise
    screen.closes(report)
    if arguments.json:
        print(json.dumps(report.as_json(strict=arguments.strict), indent=2))
    return report.exit_code(strict=arguments.strict)


def check(context: Context) -> Report:
    """All steps, up to the first one after which the next makes no sense."""
    report = context.journal.report
    source = choose_source(context)
    if source is None:
        return report
    versions = (read_others if primary(source) is None else read_aws)(context, source)
    if versions is None or report.failed:
        return report
    attempts = prepare(context, versions)
    if attempts is not None and context.options.login:
        log_in(context, source, versions, attempts)
    return report
