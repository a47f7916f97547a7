"""Addresses, networks and hosts in every notation, and whose address a client behind proxies has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from store_app import network
from store_app.addresses import (
    address_group,
    is_public_host,
    is_this_machine,
    normalized,
    origin_of,
    parse_networks,
)
from store_app.settings import Settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:443 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0\x00anything", "fe80::1"),
        ("", ""),
        ("unknown", ""),
        ("127.1", ""),
        ("192.0.2.1\x00", ""),
        ("[", ""),
    ],
    ids=ascii,
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert normalized(text) == address


def test_ipv6_counts_by_64_and_mapped_addresses_as_ipv4() -> None:
    assert address_group("2001:db8:1:2:3::1") == address_group("2001:db8:1:2::9")
    assert address_group("2001:db8:1:2::1") != address_group("2001:db8:1:3::1")
    assert address_group("::ffff:192.0.2.1") == "192.0.2.1"
    assert address_group("any text") == ""


def test_mapped_networks_are_ipv4_networks() -> None:
    assert parse_networks("::ffff:10.0.0.0/104, ::ffff:192.0.2.1") == parse_networks("10.0.0.0/8,192.0.2.1")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example/", "https://shop.example"),
        ("https://SHOP.Example:443", "https://shop.example"),
        ("HTTP://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("https://shop.example.", "https://shop.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://b\u00fccher\u3002example", "https://xn--bcher-kva.example"),
        ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://127.1:8000", "http://127.0.0.1:8000"),
        ("https://0xcb007107", "https://203.0.113.7"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_a_public_address_is_written_as_browsers_send_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://user@shop.example",
        "https://user:password@shop.example",
        "https://shop.example/shop",
        "https://shop.example?x=1",
        "https://shop.example/?",
        "https://shop.example#x",
        "https://shop.example:port",
        "https://shop.example:0",
        "https://shop..example",
        "https://shop example",
        " https://shop.example",
        "https://*.example",
        "https://[bad",
        "https://[fe80::1%25eth0]",
        "https://08.8.8.8",
        "https://1.2.3.4.5",
        "https://shop.example..",
        "https://shop.example\\x",
    ],
)
def test_what_is_not_the_address_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|port|Invalid|invalid"):
        origin_of(url)


LOOPBACK = (
    *("localhost", "LOCALHOST.", "shop.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"),
    *("127\u30020.0.1", "\uff11\uff12\uff17.0.0.1", "shop.localhost\u3002"),
    *("0x7f000001", "::1", "::ffff:127.0.0.1", "0.0.0.0", "0", "::"),  # noqa: S104 - nothing is bound
)
PRIVATE = (
    *("192.168.1.5", "10.0.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "fc00::1", "fe80::1"),
    *("224.0.0.1",),
    *(
        "0xc0a80105",
        "3232235781",
        "simulator",
        "ip6-localhost",
        "shop.local",
        "api.internal",
        "x.test",
        "x.home.arpa",
        "localhost.localdomain",
    ),
    # An IPv4 address within (compatible, 6to4, NAT64), site-local, reserved; no name that can be looked up.
    *("::7f00:1", "2002:7f00:1::", "64:ff9b::7f00:1", "fec0::1", "240.0.0.1"),
    *("1.2.3.4.5", "08.8.8.8", "a..example.com", "a b.example.com", "127.0.0.1 .example.com", "", ".."),
)


@pytest.mark.parametrize("host", [*LOOPBACK, *PRIVATE], ids=ascii)
def test_hosts_that_are_not_another_companys(host: str) -> None:
    assert not is_public_host(host)
    assert is_this_machine(host) is (host in LOOPBACK)


@pytest.mark.parametrize(
    "host", ["store.xsolla.com", "api.xsolla.com.", "b\u00fccher.de", "8.8.8.8", "2606:4700::1111"]
)
def test_hosts_that_can_be_another_companys(host: str) -> None:
    assert is_public_host(host)


PROXIES = "10.0.0.0/8, 2001:db8:ffff::/48"
ADDRESSES = st.sampled_from(
    ["10.0.0.1", "10.9.9.9", "203.0.113.7", "198.51.100.2", "2001:db8:ffff::3", "2001:db8::5"]
)
TRUSTED = {"10.0.0.1", "10.9.9.9", "2001:db8:ffff::3"}
WRITTEN_BY_CLIENT = st.lists(st.one_of(ADDRESSES, st.text("0123456789abcdef.:,[] x\x00", max_size=20)), max_size=4)


def _client_address(peer: str, lines: list[str]) -> str:
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
    scope = {"type": "http", "client": (peer, 1), "headers": headers.raw}
    settings = Settings(_env_file=None, trusted_proxies=PROXIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "get_settings", lambda: settings)
        return network.client_address(HTTPConnection(scope))


@given(
    written=WRITTEN_BY_CLIENT,
    client=ADDRESSES,
    proxies=st.lists(st.sampled_from(sorted(TRUSTED)), max_size=3),
    in_lines=st.booleans(),
)
def test_a_client_cannot_choose_its_address(
    written: list[str], client: str, proxies: list[str], *, in_lines: bool
) -> None:
    """Each proxy appends whom it was connected from: to the line, or as a line of its own."""
    path = [client, *proxies]
    added, peer = path[:-1], path[-1]
    lines = [*([",".join(written)] if written else []), *added]
    found = _client_address(peer, lines if in_lines else [",".join([*written, *added])])
    if client not in TRUSTED:
        assert found == client
    else:
        # One proxy more: what came before it is what it was connected from, as far as that can be known.
        assert found == normalized(found) != ""


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("203.0.113.7", ["6.6.6.6"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7, 10.2.2.2"], "203.0.113.7"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7:5000"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, unknown"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("", ["6.6.6.6"], ""),
    ],
)
def test_the_address_of_a_client_behind_proxies(peer: str, lines: list[str], address: str) -> None:
    assert _client_address(peer, lines) == address
