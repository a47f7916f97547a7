"""What both the pages and the webhook need to know of a connection: its address, and how long a body may take."""

from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

from store_app.settings import get_settings

# From the first read of a body until it is whole: a slow client would hold its connection as long as it likes.
BODY_TIMEOUT_SECONDS = 10.0


def client_address(connection: HTTPConnection) -> str:
    """Return the client's network address."""
    address = connection.client.host if connection.client else ""
    return address_behind_proxies(address, connection.headers.get("x-forwarded-for", ""))


def may_deliver(address: str) -> bool:
    """Whether WEBHOOK_ALLOWED_NETWORKS has a client's address; every address may deliver if it is empty."""
    networks = get_settings().webhook_networks
    if not networks:
        return True
    try:
        client = ip_address(address)
    except ValueError:
        return False
    # A socket for both families has IPv4 clients as ::ffff:192.0.2.1.
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    return any(client in network for network in networks)


def address_behind_proxies(address: str, forwarded_for: str) -> str:
    """Return the client's network address; X-Forwarded-For is used only if TRUSTED_PROXIES sent it."""
    trusted = {proxy.strip() for proxy in get_settings().trusted_proxies.split(",")} - {""}
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while address in trusted and hops:
        address = hops.pop()
    return address
