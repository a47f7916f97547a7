"""What a form takes from the address of the page that it was on."""

import pytest
from starlette.requests import Request

from store_app.web.accounts.without_scripts import handed_on


def _request(referer: str) -> Request:
    return Request({"type": "http", "headers": [(b"referer", referer.encode())]})


@pytest.mark.parametrize(
    ("referer", "found"),
    [
        ("https://shop.example/login?next=%2Fcart", {"next": "/cart"}),
        ("https://shop.example/de/register?next=%2Fde%2F&buy=sword&x=1", {"next": "/de/", "buy": "sword"}),
        ("https://shop.example/login?next=%2Fa&next=%2Fb", {"next": "/a"}),
        ("https://shop.example/login?problem=password", {}),
        ("https://shop.example/cart?next=%2Flibrary", {}),
        ("https://shop.example/", {}),
        ("https://[/login?next=%2Fcart", {}),
        ("", {}),
    ],
)
def test_what_comes_afterwards_is_that_of_the_forms_page(referer: str, found: dict[str, str]) -> None:
    assert handed_on(_request(referer)) == found
