"""The store's command line, run in the process of the test."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from click.testing import CliRunner, Result

from store_app.commands.command_line import main


def run_command(*arguments: str) -> Result:
    """Run `python -m store_app` with these arguments; return what it printed and its exit code.

    Unlike a process, it lets a bug reach the test.
    """
    with _loggers_restored():
        result = CliRunner().invoke(main, list(arguments), prog_name="python -m store_app")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@contextmanager
def _loggers_restored() -> Iterator[None]:
    """Undo what a command does to logging: its handlers write to a stream that is closed afterwards."""
    loggers = [logging.getLogger(name) for name in ("store_app", "webhook", "reflex")]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
