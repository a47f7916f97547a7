"""Web addresses: checking them, and adding what the provider adds on the way back."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def is_web_address(value: str) -> bool:
    """Tell whether a text is an absolute http or https address."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def with_query(address: str, extra: list[tuple[str, str]]) -> str:
    """Add query parameters to an address, keeping those it has."""
    parts = urlsplit(address)
    query = parse_qsl(parts.query, keep_blank_values=True) + extra
    return urlunsplit(parts._replace(query=urlencode(query)))


def at_base(base: str, address: str) -> str:
    """Give the path and query of an address at another base.

    Addresses that the store or the simulator print are for browsers; this process may have to reach
    them by another name.
    """
    parts = urlsplit(address)
    return base + urlunsplit(("", "", parts.path, parts.query, ""))
