"""`orders`: the transitions of orders."""

import click

from store_app.orders.transitions import as_markdown


@click.group()
def command() -> None:
    """Print what can change the status of an order."""


@command.command()
def transitions() -> None:
    """Print every transition of an order, as in docs/order-transitions.md."""
    click.echo(as_markdown(), nl=False)
