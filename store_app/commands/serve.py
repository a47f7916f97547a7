"""`serve`: the store as it runs for users; HOST, PORT and WORKERS say where."""

import click

from store_app import serve


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Serve pages, API and websockets on one port until SIGINT or SIGTERM.

    HOST, PORT and WORKERS in the environment say where, and with how many processes.
    """
    ctx.exit(serve.main())
