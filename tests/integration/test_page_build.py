"""Building the pages in a fresh copy of the tree, as after a clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import pages
from tests.support.processes import ROOT
from tests.support.project import copy_project


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy of the tree in which nothing was built."""
    return copy_project(tmp_path)


def _build(clone: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.pages"],
        cwd=clone,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


def _lock_files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "reflex.lock").iterdir()}


@pytest.mark.slow
def test_a_build_leaves_the_lock_files_as_committed_whatever_npm_is_set_to(clone: Path, tmp_path: Path) -> None:
    npmrc = tmp_path / "npmrc"
    npmrc.write_text("omit-lockfile-registry-resolved=false\n")
    done = _build(clone, npm_config_userconfig=str(npmrc))
    assert done.returncode == 0, done.stderr
    assert pages.are_built(clone)
    assert _lock_files(clone) == _lock_files(ROOT)


@pytest.mark.slow
def test_without_the_registry_npm_s_own_errors_are_shown_and_the_lock_files_stay(
    clone: Path, tmp_path: Path
) -> None:
    done = _build(clone, npm_config_registry="http://127.0.0.1:9", npm_config_cache=str(tmp_path / "empty"))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("No network: npm cannot reach its registry")
    assert "npm error code ECONNREFUSED" in lines
    assert lines[-1] == f"(All that the build said: {pages.LOG})"
    assert len(lines) <= pages.MAX_ERROR_LINES + 2
    assert _lock_files(clone) == _lock_files(ROOT)
