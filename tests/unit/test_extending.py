"""docs/extending.md: the recipes are short, and name the files and lines that there are."""

import pytest

from tests.support.processes import ROOT
from tests.support.recipes import Step, recipes

MAX_LINES = 20


def _lines_of_code(steps: list[Step]) -> int:
    return sum(1 for step in steps for line in step.code.splitlines() if line.strip())


def test_there_is_a_recipe_for_everything_that_is_extended_often() -> None:
    assert list(recipes()) == [
        "A page",
        "Live data on a page",
        "A notification type",
        "A setting",
        "A payment provider",
        "A command",
    ]


@pytest.mark.parametrize("title", recipes())
def test_a_recipe_is_short(title: str) -> None:
    steps = recipes()[title]
    assert steps
    assert _lines_of_code(steps) <= MAX_LINES


@pytest.mark.parametrize("title", [title for title in recipes() if title != "Live data on a page"])
def test_a_recipe_touches_files_that_are_there(title: str) -> None:
    for step in recipes()[title]:
        assert (ROOT / step.file).exists() == bool(step.anchor)
