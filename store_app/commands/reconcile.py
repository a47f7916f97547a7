"""`reconcile`: one pass of what the running store does every half minute."""

import asyncio

import click

from store_app.checkout.reconcile import reconcile_due
from store_app.logs import configure_logging


@click.command()
def command() -> None:
    """Ask the payment provider once about orders that no notification settled.

    Asks about the orders whose next check is due. The running store does the same every half minute.
    """
    configure_logging()
    click.echo(f"Payment attempts asked about: {asyncio.run(reconcile_due())}")
