"""`python -m store_app.checkout sync-catalogue [--apply]`: mirror our items into the payment provider's catalogue.

Without `--apply` it only prints what would change. A repeat changes nothing.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from store_app.checkout.catalogue_sync import sync
from store_app.errors import NoCatalogue, ProviderRefused, ProviderUnavailable
from store_app.payments.registry import default_provider


async def _sync(*, apply: bool) -> None:
    changes = await sync(default_provider(), apply=apply)
    for item in changes.new:
        print(f"new      {item.sku}")
    for item in changes.changed:
        print(f"changed  {item.sku}")
    print(f"{len(changes.new)} new, {len(changes.changed)} changed, {changes.same} the same")
    if apply:
        print("written")
    elif changes.new or changes.changed:
        print("(dry run: add --apply to write)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m store_app.checkout", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync-catalogue", help="mirror our items into the payment provider's catalogue")
    sync.add_argument("--apply", action="store_true", help="write; without it only print")
    chosen = parser.parse_args(argv)
    try:
        asyncio.run(_sync(apply=chosen.apply))
    except NoCatalogue as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except (ProviderUnavailable, ProviderRefused):
        print("The provider did not accept it: see the log line above for its answer.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
