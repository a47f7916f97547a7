"""What both the pages and the webhook need to know of a connection: its address, and how long a body may take."""

from store_app.settings import get_settings

# From the first read of a body until it is whole: a slow client would hold its connection as long as it likes.
BODY_TIMEOUT_SECONDS = 10.0


def address_behind_proxies(address: str, forwarded_for: str) -> str:
    """Return the client's network address; X-Forwarded-For is used only if TRUSTED_PROXIES sent it."""
    trusted = {proxy.strip() for proxy in get_settings().trusted_proxies.split(",")} - {""}
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while address in trusted and hops:
        address = hops.pop()
    return address
