"""`make siege`: attack a real store as one client or a few could, and measure what others notice of it.

It prints a table of what was measured beside what it may be, and exits non-zero when a bound does not hold. What
is "quiet" is measured in the same run.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from benchmarks.deliveries import place_orders
from store_app.settings import Settings
from tests.chaos.sieging.attacks import ATTACKS, Attack, Finding, Siege, open_orders, silent_connections
from tests.chaos.sieging.meters import Others
from tests.chaos.sieging.raw import Attackers
from tests.support.proxy import ProxiedStore
from tests.support.store import StoreProcess

# As a deployment has them; the store under test has none otherwise.
DEPLOYED = {
    name.upper(): str(field.default)
    for name, field in Settings.model_fields.items()
    if name.startswith(("limit_", "max_"))
}
MANY_ORDERS = DEPLOYED | {"LIMIT_ORDERS": ""}
USERS, ORDERS_EACH = 20, 100


async def besiege(
    attacks: Sequence[Attack], env: dict[str, str], *, share: float, slack: float, behind_proxy: bool = False
) -> list[Finding]:
    """Attack a store of its own with these settings."""
    findings = []
    async with AsyncExitStack() as stack:
        proxy = stack.enter_context(ProxiedStore("nginx", env)) if behind_proxy else None
        store = proxy.store if proxy else stack.enter_context(StoreProcess(env=env, simulator=True))
        others = await stack.enter_async_context(Others(store, place_orders(store, USERS, ORDERS_EACH)))
        attackers = stack.enter_context(Attackers())
        siege = Siege(store, others, attackers, share, slack, proxy)
        for attack in attacks:
            print(f"{(attack.__doc__ or '').strip()} ...", file=sys.stderr, flush=True)
            findings += await attack(siege)
    return findings


def run(names: Sequence[str], share: float, slack: float) -> list[Finding]:
    """Make attacks; all of them, if none is named."""
    findings = []
    for attacks, env, behind_proxy in (
        (ATTACKS, DEPLOYED, False),
        ((open_orders,), MANY_ORDERS, False),
        ((silent_connections,), DEPLOYED, True),
    ):
        if chosen := [attack for attack in attacks if not names or attack.__name__ in names]:
            siege = besiege(chosen, env, share=share, slack=slack, behind_proxy=behind_proxy)
            findings += asyncio.run(siege)
    return findings


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as lines of text."""
    lines = [
        f"{'' if one.holds else 'FAILED':<7}{one.attack:<28}{one.figure:<56}{one.measured:>28}  ({one.bound})"
        for one in findings
    ]
    return "\n".join(lines)


def main() -> int:
    """Make all attacks and print what was measured; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="how much of each attack is made")
    parser.add_argument("attacks", nargs="*", help="the names of some attacks; by default all are made")
    parser.add_argument("--slack", type=float, default=1.0, help="times may be so many times the bound")
    options = parser.parse_args()
    findings = run(options.attacks, options.share, options.slack)
    print(table(findings))
    return 0 if all(one.holds for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
