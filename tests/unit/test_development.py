"""The parts of `make dev`: what answers in the store's place, workers that answer lines, what is watched."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from watchfiles import Change

from scripts import dev, pages
from scripts.placeholder import Placeholder
from scripts.processes import ChildFailed, LineServer
from tests.support.ports import free_port

TRACEBACK = 'Traceback ...\nNameError: name "<b>" is not defined'


ECHO = """
import sys
for line in sys.stdin:
    if line == "end\\n":
        sys.exit("no more")
    print("got", line, end="", flush=True)
"""


def _ask(url: str, body: bytes | None = None) -> tuple[int, str]:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(url) if body is None else client.post(url, content=body)
        return answer.status_code, answer.text


class TestPlaceholder:
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    def test_shows_the_traceback_at_every_address(self, port: int) -> None:
        with closing(Placeholder("127.0.0.1", port, "The store does not run", TRACEBACK)):
            for path in ("/", "/orders/1?x=1", "/_event/?token=1"):
                status, page = _ask(f"http://127.0.0.1:{port}{path}")
                assert status == 503
                assert "NameError: name &quot;&lt;b&gt;&quot; is not defined" in page

    def test_has_a_build_of_its_own_for_each_traceback(self, port: int) -> None:
        builds = []
        for text in (TRACEBACK, TRACEBACK, "another"):
            with closing(Placeholder("127.0.0.1", port, "The store does not run", text)):
                status, answer = _ask(f"http://127.0.0.1:{port}/build.json")
                assert status == 200
                builds.append(json.loads(answer)["build"])
                assert f'"{builds[-1]}"' in _ask(f"http://127.0.0.1:{port}/")[1]
        assert builds[0] == builds[1] != builds[2]

    def test_names_no_build_while_the_pages_are_built_so_that_open_tabs_wait(self, port: int) -> None:
        with closing(Placeholder("127.0.0.1", port, "Building the pages")):
            assert _ask(f"http://127.0.0.1:{port}/build.json")[0] == 503
            assert "Building the pages" in _ask(f"http://127.0.0.1:{port}/")[1]

    def test_answers_webhooks_with_503_so_that_they_are_retried(self, port: int) -> None:
        with closing(Placeholder("127.0.0.1", port, "The store does not run", TRACEBACK)):
            assert _ask(f"http://127.0.0.1:{port}/api/webhooks/payment", b"x" * 300_000)[0] == 503


class TestLineServer:
    @pytest.fixture
    def echo(self, tmp_path: Path) -> Iterator[LineServer]:
        command = [sys.executable, "-c", ECHO]
        server = LineServer("echo", command, env=os.environ, log=tmp_path / "log", cwd=tmp_path)
        yield server.start()
        server.kill()

    def test_answers_each_line(self, echo: LineServer) -> None:
        assert [echo.ask("one"), echo.ask("two")] == ["got one\n", "got two\n"]

    def test_a_process_that_ends_without_an_answer_says_why(self, echo: LineServer) -> None:
        with pytest.raises(ChildFailed, match=r"(?s)ended with code 1.*no more"):
            echo.ask("end")
        assert echo.output() == "no more\n"


class TestChanges:
    @pytest.mark.parametrize(
        ("path", "wanted"),
        [
            ("store_app/web/catalogue/page.py", True),
            ("assets/theme.css", True),
            ("store_app/__pycache__/serve.cpython-311.pyc", False),
            ("store_app/.page.py.swp", False),
            ("assets/external/reflex/x.js", False),
        ],
    )
    def test_only_sources_count(self, path: str, wanted: bool) -> None:
        assert dev.SourceFilter()(Change.modified, path) is wanted

    def test_changes_are_seen_in_folders_and_in_replaced_files(self, tmp_path: Path) -> None:
        for name in dev.FOLDERS:
            (tmp_path / name).mkdir()
        (tmp_path / "rxconfig.py").write_text("old")
        with dev.Changes(tmp_path) as changes:
            seen: set[Path] = set()
            expected = {Path("store_app/money.py"), Path("rxconfig.py")}
            for attempt in range(100):
                (tmp_path / "store_app" / "money.py").write_text(str(attempt))
                (tmp_path / "new").write_text(str(attempt))
                (tmp_path / "new").replace(tmp_path / "rxconfig.py")
                seen |= changes.wait(0.2)
                if seen >= expected:
                    break
            assert seen == expected


class TestPreparedPages:
    def test_what_is_compiled_is_known_by_its_content(self, tmp_path: Path) -> None:
        web = tmp_path / ".web"
        for name in ("app/routes/_index.jsx", "env.json", "node_modules/vite/index.js", "build/client/index.html"):
            (web / name).parent.mkdir(parents=True, exist_ok=True)
            (web / name).write_text("one")
        before = pages.compiled(tmp_path)
        for name in ("reflex.json", "node_modules/vite/index.js", "build/client/index.html"):
            (web / name).write_text("two")
        assert pages.compiled(tmp_path) == before
        (web / "app/routes/_index.jsx").write_text("two")
        assert pages.compiled(tmp_path) != before
