"""The list of pages: it contains every page, each with its own address and title."""

from collections import Counter

import pytest

from store_app.brand import get_brand
from store_app.web.pages import MODULES, PAGES
from store_app.web.ui.layout import page
from store_app.web.ui.page import Page
from tests.support.processes import ROOT

WEB = ROOT / "store_app/web"


def test_every_module_that_declares_pages_is_listed() -> None:
    declaring = [path for path in WEB.rglob("*.py") if "\nPAGES = (" in path.read_text(encoding="utf-8")]
    names = {".".join(path.relative_to(WEB).with_suffix("").parts) for path in declaring}
    assert names == set(MODULES)


def test_routes_and_titles_are_unique() -> None:
    for values in ([listed.route for listed in PAGES], [listed.full_title for listed in PAGES]):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_each_title_contains_the_name_of_the_site_once() -> None:
    name = get_brand().name
    assert [listed.full_title for listed in PAGES if str(listed.full_title).count(name) not in (1, 2)] == []


@pytest.mark.parametrize(
    ("route", "is_file"),
    [("/", False), ("/cart", True), ("/help/payments", True), ("/item/[sku]", False), ("404", False)],
)
def test_pages_without_parameters_are_files(route: str, is_file: bool) -> None:
    assert Page(page, route, "Title").is_file is is_file
