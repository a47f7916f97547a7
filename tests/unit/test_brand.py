"""The brand: what is refused, and what the pages get."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scripts.page_script import put_brand
from store_app import brand
from store_app.brand import Brand, get_brand
from store_app.settings import BadSettings

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle r="5"/></svg>'


def test_the_file_of_the_project_has_every_setting_and_changes_nothing() -> None:
    text = Path(brand.FILE).read_text(encoding="utf-8")
    names = [line.partition("=")[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert names == [f"{brand.PREFIX}{name.upper()}" for name in Brand.model_fields]
    assert Brand() == Brand(_env_file=None)
    assert Brand().css == ""


def test_colors_are_put_over_those_of_the_theme() -> None:
    own = Brand(accent="#004a8a #4db8ff", button="#2244aa", button_text="#ffffff")
    assert own.css == (
        ":root{--accent:light-dark(#004a8a,#4db8ff);--on-fill:light-dark(#ffffff,#ffffff);"
        "--fill:light-dark(#2244aa,#2244aa);--fill-2:light-dark(#2244aa,#2244aa);}"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"accent": "#aaaaaa #ffb84d"}, "STORE_ACCENT: #aaaaaa on #f6f5f2 has a contrast of 2.1"),
        ({"accent": "#8a4a00 #8a4a00"}, "STORE_ACCENT: #8a4a00 on #0b0d12 has a contrast of"),
        ({"button": "#222222"}, "STORE_BUTTON_TEXT: #1c1203 on #222222 has a contrast of 1"),
        ({"accent": "amber"}, "accent"),
        ({"accent": "#8a4a00"}, "accent"),
        ({"button": "#fff;} body{display:none"}, "button"),
        ({"terms": "javascript:alert(1)"}, "must be an address"),
        ({"imprint": "/imprint"}, "must be an address"),
        ({"support": "call us"}, "must be an address"),
        ({"support": "javascript:alert@x"}, "must be an address"),
        ({"name": ""}, "name"),
        ({"name": "N" * 41}, "name"),
        ({"logo": "no/such/file.svg"}, "must be the path of an SVG file"),
        ({"logo": "README.md"}, "must be the path of an SVG file"),
    ],
)
def test_what_would_break_a_page_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Brand(**settings)
    assert sentence in str(refused.value)


def test_a_logo_is_an_svg(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(SVG, encoding="utf-8")
    assert Brand(logo=str(tmp_path / "logo.svg")).logo
    (tmp_path / "page.svg").write_text("<html></html>", encoding="utf-8")
    (tmp_path / "bomb.svg").write_text(f'<!DOCTYPE svg [<!ENTITY a "{"a" * 100}">]>{SVG}', encoding="utf-8")
    (tmp_path / "odd.svg").write_text(f'<?xml version="1.0" encoding="odd"?>{SVG}', encoding="utf-8")
    for name in ("page.svg", "bomb.svg", "odd.svg"):
        with pytest.raises(ValidationError, match="must be the path of an SVG file"):
            Brand(logo=str(tmp_path / name))


def test_support_is_reached_by_mail_or_on_a_page() -> None:
    assert Brand(support="help@studio.example").support_link == "mailto:help@studio.example"
    assert Brand(support="https://studio.example/help").support_link == "https://studio.example/help"
    assert Brand().support_link == ""


def test_a_refused_brand_names_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_TERMS", "nowhere")
    monkeypatch.setenv("STORE_BUTTON", "blue")
    get_brand.cache_clear()
    with pytest.raises(BadSettings, match=r"- STORE_BUTTON: .*\n- STORE_TERMS: must be an address"):
        get_brand()
    get_brand.cache_clear()


def test_each_build_gets_the_brand_as_it_is_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in ("1", "2"):
        logo = tmp_path / f"{number}.svg"
        logo.write_text(SVG.replace('r="5"', f'r="{number}"'), encoding="utf-8")
        monkeypatch.setenv("STORE_LOGO", str(logo))
        (pages / "theme.css").write_text("", encoding="utf-8")
        put_brand(pages)
        assert (pages / "logo.svg").read_bytes() == (pages / "favicon.svg").read_bytes() == logo.read_bytes()
    get_brand.cache_clear()
