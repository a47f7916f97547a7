"""Every setting is documented in README.md, in .env.example and in its own description."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from store_app.brand import Brand
from store_app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_documents_the_setting(name: str) -> None:
    assert re.search(rf"`{name}\b", (ROOT / "README.md").read_text(encoding="utf-8")), (
        f"README.md does not document {name}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_env_example_has_the_setting_once_with_a_comment_above_it(name: str) -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    positions = [number for number, line in enumerate(lines) if line.startswith(f"{name}=")]
    assert len(positions) == 1, f"{name} is {len(positions)} times in .env.example"
    lines_above = lines[: positions[0]][::-1]
    above = next(line for line in lines_above if not re.match(r"[A-Z_]+=", line))
    assert above.startswith("# "), f"{name} has no comment above it"


@pytest.mark.parametrize("settings", [Settings, Brand])
def test_the_settings_have_descriptions(settings: type[BaseSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert re.fullmatch(r"[A-Z].*[.]", field.description or ""), name
