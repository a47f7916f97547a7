"""`make lighthouse`: Google's Lighthouse, as a phone on a slow line, on the pages that shoppers come to first.

Prints the median of three runs of each page, and writes the reports to `test-results/lighthouse/`.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts import chromium
from tests.support.store import StoreProcess

VERSION = "13.5.0"
RUNS = 3
PAGES = {"home": "/", "item": "/item/dragon-sword"}
REPORTS = Path("test-results/lighthouse")
# Beside the packages of the pages, whose own list belongs to Reflex.
TOOLS = Path(".web/lighthouse")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TIMES = {
    "FCP": "first-contentful-paint",
    "LCP": "largest-contentful-paint",
    "TBT": "total-blocking-time",
    "TTI": "interactive",
}
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run"


def _install() -> Path:
    program = TOOLS / "node_modules/lighthouse/cli/index.js"
    if not program.exists():
        npm = Path(sys.executable).with_name("npm")
        package = f"lighthouse@{VERSION}"
        command = [str(npm), "install", "--no-fund", "--no-audit", "--silent", "--prefix", str(TOOLS), package]
        subprocess.run(command, check=True)
    return program


def _report(program: Path, url: str, path: Path) -> Mapping[str, Any]:
    node = Path(sys.executable).with_name("node")
    command = [
        str(node),
        str(program),
        url,
        "--quiet",
        f"--chrome-flags={FLAGS}",
        "--output=json",
        "--output=html",
    ]
    environ = {**os.environ, "CHROME_PATH": str(chromium.provide())}
    subprocess.run([*command, f"--output-path={path}"], check=True, env=environ)
    report: Mapping[str, Any] = json.loads(path.with_suffix(".report.json").read_text(encoding="utf-8"))
    return report


def _row(name: str, reports: Sequence[Mapping[str, Any]]) -> str:
    scores = [
        round(100 * statistics.median(report["categories"][category]["score"] for report in reports))
        for category in CATEGORIES
    ]
    times = {
        label: statistics.median(report["audits"][audit]["numericValue"] for report in reports) / 1000
        for label, audit in TIMES.items()
    }
    shift = statistics.median(report["audits"]["cumulative-layout-shift"]["numericValue"] for report in reports)
    in_words = ", ".join(f"{label} {seconds:.2f} s" for label, seconds in times.items())
    return f"{name}: {'/'.join(map(str, scores))}, {in_words}, CLS {shift:.3f}"


def _failures(reports: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return what cost points outside performance."""
    return {
        f"{category}: {reports[0]['audits'][audit['id']]['title']}"
        for category in CATEGORIES[1:]
        for audit in reports[0]["categories"][category]["auditRefs"]
        if audit["weight"] and reports[0]["audits"][audit["id"]]["score"] not in {1, None}
    }


def main() -> None:
    """Run it and print a line for each page."""
    program = _install()
    REPORTS.mkdir(parents=True, exist_ok=True)
    with StoreProcess() as store:
        for name, path in PAGES.items():
            reports = [_report(program, store.url + path, REPORTS / f"{name}-{run}") for run in range(RUNS)]
            print(_row(name, reports), flush=True)
            for failure in sorted(_failures(reports)):
                print(f"  {failure}", flush=True)


if __name__ == "__main__":
    main()
