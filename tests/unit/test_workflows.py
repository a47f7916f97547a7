"""Continuous integration: what the workflows run, and that `make lint` refuses bad ones."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scripts.test import steps

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "checks.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(WORKFLOW)
    return loaded


def _commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def _python_commands() -> set[str]:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    return set(bootstrap.COMMANDS)


def test_every_check_runs_on_each_python_that_make_accepts(workflow: dict[str, Any]) -> None:
    job = workflow["jobs"]["check"]
    assert {f"python{version}" for version in job["strategy"]["matrix"]["python"]} == _python_commands()
    assert ".ci/run" in _commands(job)


def test_the_image_is_built_on_tags_only(workflow: dict[str, Any]) -> None:
    job = workflow["jobs"]["image"]
    assert workflow["on"]["push"]["tags"]
    assert job["if"] == "startsWith(github.ref, 'refs/tags/')"
    assert "make image" in _commands(job)


def _failed_checks(folder: Path) -> list[str]:
    checks = [step for step in steps()["lint"] if step.name.startswith("workflow")]
    tools = Path(sys.executable).parent
    return [
        check.name
        for check in checks
        if subprocess.run(
            [str(tools / check.command[0]), *check.command[1:]], cwd=folder, capture_output=True, check=False
        ).returncode
    ]


def test_lint_accepts_the_workflows(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    assert _failed_checks(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "mistake", "noticed_by"),
    [
        ("timeout-minutes:", "timeout-minuts:", "workflow schema"),
        ("runs-on:", "run-on:", "workflow schema"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "workflow audit"),
        ("persist-credentials: false", "fetch-depth: 1", "workflow audit"),
        ("permissions: {}", "permissions: write-all", "workflow audit"),
        ("run: .ci/run", "run: echo ${{ github.event.pull_request.title }}", "workflow audit"),
    ],
)
def test_lint_refuses_a_bad_workflow(tmp_path: Path, text: str, mistake: str, noticed_by: str) -> None:
    copy = tmp_path / WORKFLOW.relative_to(ROOT)
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    source = WORKFLOW.read_text(encoding="utf-8")
    assert text in source
    copy.write_text(source.replace(text, mistake), encoding="utf-8")
    assert noticed_by in _failed_checks(tmp_path)
