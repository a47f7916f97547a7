"""The recipes of docs/extending.md, carried out on a copy of the project exactly as they are written."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ROOT

DOCUMENT = ROOT / "docs/extending.md"
_RECIPE = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n)*)", re.MULTILINE)
_BLOCK = r"[^\n]*:\n\n```\w+\n(?P<code>.*?)^```$"
_STEP = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<file>[^`]+)`, (?P<where>below|above|in place of) `(?P<anchor>[^\n]+)`)"
    rf"{_BLOCK}",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one file; without an anchor the file is new."""

    file: str
    where: str
    anchor: str
    code: str

    def apply(self, project: Path) -> None:
        """Change the file as the step says; its anchor must stand in one line."""
        path = project / self.file
        if not self.anchor:
            assert not path.exists(), f"{self.file} is there already"
            path.write_text(self.code, encoding="utf-8")
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if self.anchor in line]
        assert len(places) == 1, f"{self.anchor!r} is in {len(places)} lines of {self.file}, not in one"
        (place,) = places
        kept_until = place + 1 if self.where == "below" else place
        goes_on = place if self.where == "above" else place + 1
        path.write_text("".join([*lines[:kept_until], self.code, *lines[goes_on:]]), encoding="utf-8")


def recipes() -> dict[str, list[Step]]:
    """Return the steps of each recipe by its title."""
    document = DOCUMENT.read_text(encoding="utf-8")
    return {found["title"]: _steps(found["text"]) for found in _RECIPE.finditer(document)}


def _steps(text: str) -> list[Step]:
    found = [match.groupdict("") for match in _STEP.finditer(text)]
    assert len(found) == text.count("\n```") // 2, f"a step is not written as the others: {text}"
    return [Step(match["new"] or match["file"], match["where"], match["anchor"], match["code"]) for match in found]


def carry_out(title: str, project: Path) -> None:
    """Carry out one recipe on a copy of the project."""
    for step in recipes()[title]:
        step.apply(project)
