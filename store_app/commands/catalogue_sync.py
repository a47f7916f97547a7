"""`catalogue-sync`: our items in the payment provider's catalogue."""

import asyncio

import click

from store_app.checkout.catalogue_sync import sync
from store_app.commands.command_line import Failure
from store_app.errors import ProviderRefused, ProviderUnavailable
from store_app.logs import configure_logging
from store_app.payments.registry import default_provider


@click.command()
@click.option("--apply", is_flag=True, help="Write the changes; without it they are only printed.")
def command(apply: bool) -> None:
    """Mirror our items into the payment provider's catalogue; a repeat changes nothing."""
    configure_logging()
    try:
        asyncio.run(_sync(apply=apply))
    except ProviderUnavailable:
        raise Failure("The payment provider does not answer: try again later.") from None
    except ProviderRefused:
        raise Failure("The payment provider refused the request: the log line above has its answer.") from None


async def _sync(*, apply: bool) -> None:
    changes = await sync(default_provider(), apply=apply)
    for item in changes.new:
        click.echo(f"new      {item.sku}")
    for item in changes.changed:
        click.echo(f"changed  {item.sku}")
    click.echo(f"{len(changes.new)} new, {len(changes.changed)} changed, {changes.same} the same")
    if apply:
        click.echo("written")
    elif changes.new or changes.changed:
        click.echo("(dry run: add --apply to write)")
