"""`items`: the catalogue."""

import click

from store_app.catalogue.sample_items import load, sample_items


@click.group()
def command() -> None:
    """Change the catalogue."""


@command.command()
def samples() -> None:
    """Put the sample items on sale; a repeat changes nothing."""
    click.echo(f"{load()} sample items added, {len(sample_items())} in all")
