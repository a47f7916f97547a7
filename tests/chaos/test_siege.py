"""`make siege`, shortened: all attacks, with times that hold on a busy machine too."""

import pytest

from tests.chaos.siege import run, table

pytestmark = pytest.mark.slow


def test_the_store_holds_against_every_attack() -> None:
    findings = run([], share=0.05, slack=5)
    assert len({finding.attack for finding in findings}) == 14
    assert all(finding.holds for finding in findings), "\n" + table(findings)
