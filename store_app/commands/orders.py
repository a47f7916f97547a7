"""`orders`: how orders move."""

import click

from store_app.orders.transitions import as_markdown


@click.group()
def command() -> None:
    """Say how orders move."""


@command.command()
def transitions() -> None:
    """Print every transition of an order, as in docs/order-transitions.md."""
    click.echo(as_markdown(), nl=False)
