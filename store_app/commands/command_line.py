"""The command line as a whole: finds a command, runs it, and turns expected failures into one sentence."""

from importlib import import_module
from typing import IO, Any

import click
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from store_app.commands import COMMANDS
from store_app.errors import Refusal
from store_app.settings import BadSettings

_DATABASE_FAILURES = (InterfaceError, OperationalError, PoolTimeoutError, ProgrammingError)
# What SQLite and PostgreSQL say of a table or a column that a migration has yet to make.
_NOT_MIGRATED = ("no such table", "no such column", "does not exist")


class Failure(click.ClickException):
    """An expected failure: one sentence on stderr, exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence alone: it needs no "Error:" before it."""
        click.echo(self.message, file=file, err=True)


def explain(error: Exception) -> str | None:
    """Return the sentence for an expected error; None for a bug, whose traceback is wanted."""
    if isinstance(error, BadSettings):
        return f"The settings cannot be used: {error}"
    if isinstance(error, Refusal):
        return str(error)
    if isinstance(error, _DATABASE_FAILURES):
        return _explain_database(str(getattr(error, "orig", None) or error).partition("\n")[0])
    return None


def _explain_database(reason: str) -> str:
    remedy = " Run `alembic upgrade head`." if any(sign in reason for sign in _NOT_MIGRATED) else ""
    return f"The database cannot be used: {reason.rstrip('.')}.{remedy}"


class CommandLine(click.Group):
    """Reads the list of commands from `COMMANDS`, and imports one only when it is run."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names in the order of the list."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"store_app.commands.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing what it lists."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what may be expected to fail ends in a sentence, a bug in its traceback."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if sentence := explain(error):
                raise Failure(sentence) from error
            raise


@click.group(cls=CommandLine)
def main() -> None:
    """Digital Game Store. Every command explains itself with --help."""
