"""`check-production`: everything that keeps these settings from running in production."""

import os

import click

from store_app.payments.registry import PROVIDERS, get_provider
from store_app.serve import Bind
from store_app.settings import BadSettings, Settings, production_hints, read_for_production


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Print what must be changed before these settings can run in production; exit code 1 if anything must.

    Reads the environment and .env as the store does, whatever ENVIRONMENT says.
    """
    settings, findings = read_for_production()
    findings += _bind_findings(settings) + _provider_findings(settings.payment_provider, findings)
    for finding in findings:
        click.echo(f"- {finding}")
    for hint in production_hints(settings):
        click.echo(f"(hint) {hint}")
    click.echo(f"To change: {len(findings)}." if findings else "Ready for production.")
    ctx.exit(1 if findings else 0)


def _bind_findings(settings: Settings) -> list[str]:
    try:
        Bind.read(os.environ, several_workers=bool(settings.redis_url))
    except BadSettings as problem:
        return [str(problem)]
    return []


def _provider_findings(name: str, others: list[str]) -> list[str]:
    if others and name in PROVIDERS:
        return []  # a provider reads the store's settings too, and would only repeat what is wrong with them
    try:
        get_provider(name)
    except BadSettings as problem:
        return [str(problem)]
    return []
