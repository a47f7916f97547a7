"""`items`: the catalogue."""

from pathlib import Path

import click

from store_app.catalogue.exporting import export
from store_app.catalogue.importing import Plan, apply, preview
from store_app.catalogue.sample_items import load, sample_items

_folder = click.argument("folder", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Change the catalogue."""


@command.command()
def samples() -> None:
    """Put the sample items on sale; a repeat changes nothing."""
    click.echo(f"{load()} sample items added, {len(sample_items())} in all")


@command.command("import")
@_folder
@click.option("--apply", "is_applied", is_flag=True, help="Write the changes; without it they are only printed.")
@click.option("--withdraw-missing", is_flag=True, help="Withdraw the items that the folder does not have.")
def import_(folder: Path, *, is_applied: bool, withdraw_missing: bool) -> None:
    """Take over the items of FOLDER: items.csv and pictures (docs/catalogue.md). Items are never deleted."""
    plan = (apply if is_applied else preview)(folder, withdraw_missing=withdraw_missing)
    _print_changes(plan)
    click.echo(_count(plan, is_applied=is_applied))


@command.command("export")
@_folder
def export_(folder: Path) -> None:
    """Write the items on sale into FOLDER, which may not have an items.csv yet."""
    exported = export(folder)
    click.echo(f"{exported.items} items written to {folder}")
    for sentence in exported.left_out:
        click.echo(f"Left out: {sentence}", err=True)


def _print_changes(plan: Plan) -> None:
    for change in plan.changes:
        click.echo(f"{change.sku}  {change.column}  {change.old} -> {change.new}")
    for sku in plan.new:
        click.echo(f"+ {sku}")
    for sku in plan.withdrawn:
        click.echo(f"- {sku} (withdrawn)")


def _count(plan: Plan, *, is_applied: bool) -> str:
    if plan.is_empty:
        return f"Nothing to change: {plan.unchanged} items are as in the folder."
    parts = [
        f"{len(plan.new)} new",
        f"{plan.changed} changed",
        f"{len(plan.withdrawn)} withdrawn",
        f"{plan.unchanged} unchanged",
    ]
    return f"{', '.join(parts)}. {'Written.' if is_applied else 'Nothing is written yet: repeat with --apply.'}"
