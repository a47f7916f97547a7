"""The contrasts of the store's colors (WCAG 2.2, 1.4.3 and 1.4.11), in both themes."""

import re
from pathlib import Path

import pytest

from store_app.brand import BACKGROUNDS, contrast, tokens

ROOT = Path(__file__).resolve().parents[2]
COLORS = {name: {"light": light, "dark": dark} for name, (light, dark) in tokens().items()}
TEXTS = ("text", "muted", "accent", "good", "bad", "wait")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_and_edges_can_be_seen_on_every_background(theme: str) -> None:
    for background in BACKGROUNDS:
        for name, least in [*((text, 4.5) for text in TEXTS), ("edge", 3)]:
            assert contrast(COLORS[name][theme], COLORS[background][theme]) >= least, (name, background)
    for fill in ("fill", "fill-2"):
        assert contrast(COLORS["on-fill"][theme], COLORS[fill][theme]) >= 4.5


def test_no_other_file_holds_a_color() -> None:
    held = re.compile(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(")
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "store_app/web").rglob("*.py")
        if path.name not in {"cover.py", "plain_page.py"} and held.search(path.read_text(encoding="utf-8"))
    ]
    assert not found
