"""What can be set is documented."""

import re
from pathlib import Path

import pytest

from store_app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_documents_the_setting(name: str) -> None:
    assert re.search(rf"`{name}\b", (ROOT / "README.md").read_text(encoding="utf-8")), f"README.md lacks {name}"


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_the_env_file_has_the_setting_with_words_above_it(name: str) -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    places = [number for number, line in enumerate(lines) if line.startswith(f"{name}=")]
    assert len(places) == 1, f"{name} stands {len(places)} times in .env.example"
    block = lines[: places[0]][::-1]
    above = next(line for line in block if not re.match(r"[A-Z_]+=", line))
    assert above.startswith("# "), f"{name} has no words above it"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_setting_describes_itself(name: str) -> None:
    assert re.fullmatch(r"[A-Z].*[.]", Settings.model_fields[name].description or "")
