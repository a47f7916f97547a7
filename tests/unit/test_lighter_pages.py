"""What the build changes in Reflex's generated files, and that it fails when it does not know them."""

from pathlib import Path

import pytest

from scripts.lighter_pages import PagesChanged, after_first_paint, lighter_bundle, refuse_styles, without_window

PAGE = (
    '<head><link rel="modulepreload" href="/assets/m.js"/><link rel="modulepreload" href="/assets/e.js"/></head>'
    '<script type="module" async="">import "/assets/m.js";\nimport * as route0 from "/assets/r0.js";\n'
    'import * as route1 from "/assets/r1.js";\n  \n  window.modules = {"root":route0,"index":route1};\n\n'
    'import("/assets/e.js");</script>'
)


def test_scripts_start_after_the_first_paint_in_the_same_order() -> None:
    page = after_first_paint(PAGE)
    assert 'modulepreload" href' not in page
    assert "const [route0, route1] = await Promise.all" in page
    assert page.rindex("window.modules =") > page.index("Promise.all")
    assert page.rindex('import("/assets/e.js")') > page.index("window.modules =")
    assert "requestAnimationFrame" in page


@pytest.mark.parametrize(
    "page", ["", PAGE.replace(' async=""', ""), PAGE.replace('rel="modulepreload"', ""), PAGE.replace("* as", "")]
)
def test_a_page_that_is_not_known_fails_the_build(page: str) -> None:
    with pytest.raises(PagesChanged, match="lighter_pages"):
        after_first_paint(page)


def test_files_that_are_not_known_fail_the_build() -> None:
    with pytest.raises(PagesChanged, match=r"root\.jsx"):
        without_window("export default 1;\n")
    with pytest.raises(PagesChanged, match=r"vite\.config\.js"):
        lighter_bundle("export default {};\n")


def test_a_component_with_a_style_of_its_own_fails_the_build(tmp_path: Path) -> None:
    folder = tmp_path / "app/routes"
    folder.mkdir(parents=True)
    (folder / "cart.jsx").write_text('jsx("div", {className: "p-2"})')
    refuse_styles(tmp_path)
    (folder / "item.jsx").write_text('jsx("div", {css: ({ ["color"] : "red" })})')
    with pytest.raises(RuntimeError, match=r"item\.jsx has a style"):
        refuse_styles(tmp_path)
