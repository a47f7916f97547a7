"""Network addresses as text: their one form, the networks they are in, and the hosts of URLs."""

import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import idna

MAX_ADDRESS_LENGTH = 100
Network = IPv4Network | IPv6Network
_DEFAULT_PORTS = {"http": 80, "https": 443}
# A last label that begins with a digit would be part of a number, and then not a valid one.
_HOST_NAME = re.compile(r"([a-z0-9_-]+\.)*[a-z][a-z0-9_-]*")
# IPv4 addresses as a socket for both families has them.
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
# All that is given to servers on the internet (RFC 4291, 2.4).
_IPV6_UNICAST = IPv6Network("2000::/3")
# Names that never lead to another company's server (RFC 6761, 6762, 8375; `internal` is reserved by ICANN).
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "lan", "home.arpa", "test", "example", "invalid")


def normalized(text: str) -> str:
    """Return an address in its one form, IPv4-mapped ones as IPv4; empty if it is none.

    Some proxies add the port: `192.0.2.1:443`, `[2001:db8::1]:443`.
    """
    # A client may have written it: no long text is kept in the cache.
    return "" if len(text) > MAX_ADDRESS_LENGTH else _normalized(text.strip())


@lru_cache(maxsize=10_000)
def _normalized(text: str) -> str:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # Without the zone of a link-local address, which is any text.
        return str(_unmapped(ip_address(text.partition("%")[0])))
    except ValueError:
        return ""


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@lru_cache
def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list; an address is a network of its own.

    Raises:
        ValueError: one of them is none; the message says which.
    """
    return tuple(_network(part.strip()) for part in text.split(",") if part.strip())


def _network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text[:64]!r} is neither an address nor a network such as 10.0.0.0/8") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_IPV4_MAPPED):
        address = network.network_address.ipv4_mapped
        return IPv4Network((int(address or 0), network.prefixlen - 96))
    return network


@lru_cache(maxsize=10_000)
def is_in(networks: tuple[Network, ...], address: str) -> bool:
    """Whether one of the networks has a normalized address."""
    return bool(address) and any(ip_address(address) in network for network in networks)


def address_group(address: str) -> str:
    """Return what counts as one address: of IPv6 a provider gives each customer a whole /64."""
    plain = normalized(address)
    return IPv6Address(plain).exploded[:19] if ":" in plain else plain


def origin_of(url: str) -> str:
    """Return a web address in the form in which browsers send it as Origin (RFC 6454, 6.1).

    Raises:
        ValueError: it is not the address of a whole site; the message says why.
    """
    parts = urlsplit(url)
    # Reading the port raises ValueError when it is not a valid number.
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0 or url != url.strip():
        raise ValueError("must be an address such as https://shop.example")
    if parts.username is not None or parts.path not in {"", "/"} or any(sign in url for sign in "?#%"):
        raise ValueError("must have no user, path, query or fragment: only https:// and the host")
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{_host(parts.hostname)}{port}"


def _host(name: str) -> str:
    if ":" in name:
        return f"[{IPv6Address(name)}]"
    host = _in_ascii(name)
    if address := _address_of(host):
        return str(address)
    if not _HOST_NAME.fullmatch(host):
        raise ValueError("must have a host name of letters, digits, dots and hyphens")
    return host


def _in_ascii(name: str) -> str:
    """Return a host name as browsers and HTTP clients look it up; empty if they could not.

    Other alphabets have dots and digits of their own: full-width ones make an address of this machine too.
    """
    try:
        host = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return ""
    return host.lower().removesuffix(".")


def is_this_machine(host: str) -> bool:
    """Whether the host of a URL is this machine (loopback or unspecified), in any notation."""
    name = _in_ascii(host)
    address = _address_of(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def is_public_host(host: str) -> bool:
    """Whether the host of a URL can be another company's server, as far as its name or number tells."""
    name = _in_ascii(host)
    address = _address_of(name)
    if isinstance(address, IPv6Address):
        # A 6to4 address leads to the IPv4 address that it has within.
        return address.is_global and address in _IPV6_UNICAST and not address.sixtofour
    if address is not None:
        return address.is_global and not address.is_multicast
    return (
        "." in name
        and _HOST_NAME.fullmatch(name) is not None
        and not any(name.endswith(f".{local}") for local in _LOCAL_NAMES)
    )


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, as `connect` reads it: 127.1, 0x7f.1 and 2130706433 are one too."""
    try:
        return _unmapped(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        # It would ignore what follows a space.
        return None if " " in host else IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
