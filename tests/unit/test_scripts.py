"""The scripts behind `make`: `.env`, ports, build stamps, child processes, and their error messages."""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from dotenv import dotenv_values

from scripts import chromium, environment, page_script, pages, processes, run
from scripts.processes import Child, ChildFailed, port_is_busy
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL_SETTINGS = {
    "PUBLIC_URL": "http://localhost:8000",
    "XSOLLA_STORE_API_URL": "http://localhost:8001",
    "XSOLLA_MERCHANT_API_URL": "http://localhost:8001",
    "XSOLLA_PAYSTATION_URL": "http://localhost:8001",
}
REAL_PROVIDER = {
    "XSOLLA_STORE_API_URL": "https://store.xsolla.com",
    "XSOLLA_MERCHANT_API_URL": "https://api.xsolla.com",
}


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


class TestEnvFile:
    def test_the_file_is_written_once_and_readable_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / ".env"
        assert environment.write_env_file(path) is True
        first = path.read_bytes()
        assert environment.write_env_file(path) is False
        assert path.read_bytes() == first
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_secrets_are_long_and_different_in_each_file(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            environment.write_env_file(tmp_path / name)
        one, two = dotenv_values(tmp_path / "one"), dotenv_values(tmp_path / "two")
        for name in ("XSOLLA_WEBHOOK_SECRET", "XSOLLA_API_KEY", "POSTGRES_PASSWORD"):
            assert len(one[name] or "") >= 32
            assert one[name] != two[name]

    def test_every_line_is_explained_in_env_example(self, tmp_path: Path) -> None:
        environment.write_env_file(tmp_path / ".env")
        assert dotenv_values(tmp_path / ".env").keys() <= dotenv_values(ROOT / ".env.example").keys()

    def test_the_environment_overrides_the_file(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORT=8100\nPUBLIC_URL=http://localhost:8100\n")
        assert environment.read_settings(tmp_path, {"PORT": "8200"}) == {
            "PORT": "8200",
            "PUBLIC_URL": "http://localhost:8100",
        }


class TestPlan:
    def test_the_default_ports_are_8000_and_8001(self) -> None:
        plan = environment.make_plan(LOCAL_SETTINGS)
        assert (plan.host, plan.port, plan.simulator_port) == ("127.0.0.1", 8000, 8001)
        assert plan.env["SIMULATOR_STORE_URL"] == "http://localhost:8000"

    def test_other_ports_change_every_address(self) -> None:
        plan = environment.make_plan(LOCAL_SETTINGS | {"PORT": "9000", "SIMULATOR_PORT": "9001"})
        assert plan.public_url == plan.env["PUBLIC_URL"] == "http://localhost:9000"
        assert plan.env["PORT"] == "9000"
        assert {plan.env[name] for name in environment.PROVIDER_ADDRESSES} == {"http://localhost:9001"}
        assert plan.env["SIMULATOR_STORE_URL"] == "http://localhost:9000"

    def test_ports_in_the_addresses_are_used(self) -> None:
        changed = dict.fromkeys(environment.PROVIDER_ADDRESSES, "http://127.0.0.1:7001")
        plan = environment.make_plan(changed | {"PUBLIC_URL": "http://localhost:7000"})
        assert (plan.port, plan.simulator_port) == (7000, 7001)

    def test_public_addresses_are_not_changed(self) -> None:
        plan = environment.make_plan({"PUBLIC_URL": "https://shop.example", "PORT": "9000"} | REAL_PROVIDER)
        assert plan.public_url == "https://shop.example"
        assert plan.port == 9000

    def test_a_real_provider_needs_no_simulator(self) -> None:
        plan = environment.make_plan(REAL_PROVIDER)
        assert plan.simulator_port is None
        assert "SIMULATOR_PORT" not in plan.env

    @pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "80 80"])
    def test_an_invalid_port_is_refused(self, port: str) -> None:
        with pytest.raises(environment.BadEnvironment, match="not a port"):
            environment.make_plan(LOCAL_SETTINGS | {"PORT": port})

    def test_store_and_simulator_cannot_share_a_port(self) -> None:
        with pytest.raises(environment.BadEnvironment, match="both 8001"):
            environment.make_plan(LOCAL_SETTINGS | {"PORT": "8001"})

    def test_store_and_simulator_bypass_a_proxy(self) -> None:
        plan = environment.make_plan(LOCAL_SETTINGS | {"NO_PROXY": "intern.example"})
        assert plan.env["NO_PROXY"] == "intern.example,localhost,127.0.0.1,::1"

    @pytest.mark.parametrize(
        ("url", "changed"),
        [
            ("http://localhost:8000/path?x=1", "http://localhost:9/path?x=1"),
            ("http://127.0.0.1", "http://127.0.0.1:9"),
            ("http://[::1]:8000", "http://[::1]:9"),
            ("http://192.0.2.1:8000", "http://192.0.2.1:8000"),
            ("https://localhost.example:8000", "https://localhost.example:8000"),
        ],
    )
    def test_only_loopback_addresses_change_their_port(self, url: str, changed: str) -> None:
        assert environment.with_port(url, 9) == changed


class TestPages:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        for name in (
            "store_app/web/ui/page.py",
            "assets/cover.svg",
            "scripts/activity.js",
            "rxconfig.py",
            "requirements.txt",
            "README.md",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(name)
        return tmp_path

    def build(self, project: Path) -> None:
        output = project / pages.OUTPUT
        output.mkdir(parents=True)
        (output / "index.html").write_text("<p>")
        (project / pages.STAMP).write_text(pages.fingerprint(project))

    def test_pages_are_built_once(self, project: Path) -> None:
        assert not pages.are_built(project)
        self.build(project)
        assert pages.are_built(project)

    @pytest.mark.parametrize(
        "name",
        ["store_app/web/ui/page.py", "assets/cover.svg", "scripts/activity.js", "rxconfig.py", "requirements.txt"],
    )
    def test_pages_are_built_again_when_a_source_changed(self, project: Path, name: str) -> None:
        self.build(project)
        (project / name).write_text("changed")
        assert not pages.are_built(project)

    def test_pages_are_built_again_when_a_source_is_added(self, project: Path) -> None:
        self.build(project)
        (project / "store_app" / "new.py").touch()
        assert not pages.are_built(project)

    def test_pages_are_built_again_when_the_brand_changed(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project / "studio").mkdir()
        for change in (
            lambda: (project / "brand.env").write_text("STORE_LOGO=studio/logo.svg\n"),
            lambda: (project / "studio/logo.svg").write_text("a logo"),
            lambda: (project / "studio/logo.svg").write_text("another"),
            lambda: monkeypatch.setenv("STORE_NAME", "Another"),
        ):
            shutil.rmtree(project / pages.OUTPUT, ignore_errors=True)
            self.build(project)
            before = pages.compiled(project)
            change()
            assert not pages.are_built(project)
            assert pages.compiled(project) != before

    def test_pages_are_not_built_again_when_a_document_changed(self, project: Path) -> None:
        self.build(project)
        (project / "README.md").write_text("changed")
        os.utime(project / "store_app/web/ui/page.py")
        assert pages.are_built(project)

    def test_pages_are_built_again_when_the_result_is_missing(self, project: Path) -> None:
        self.build(project)
        (project / pages.OUTPUT / "index.html").unlink()
        assert not pages.are_built(project)

    def test_no_secret_gets_into_the_pages(self) -> None:
        names = dotenv_values(ROOT / ".env.example").keys()
        secret = {name for name in names if name.endswith(("_SECRET", "_KEY")) or name == "DATABASE_URL"}
        assert secret <= pages.SETTINGS_WHILE_BUILDING.keys()

    def test_every_page_and_the_file_beside_them_carry_the_same_build(self, tmp_path: Path) -> None:
        for name in ("index.html", "cart/index.html"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("<html><head><title>T</title></head><body></body></html>")
        page_script.mark_build(tmp_path)
        build = json.loads((tmp_path / page_script.BUILD_FILE).read_text())["build"]
        assert len(build) == 16
        for name in ("index.html", "cart/index.html"):
            assert f'<meta name="build" content="{build}"/></head>' in (tmp_path / name).read_text()

    @pytest.mark.parametrize(("name", "content"), [("theme.css", "b {}"), ("new.js", ""), ("index.html", "<p>")])
    def test_a_build_that_differs_in_any_file_has_another_id(
        self, tmp_path: Path, name: str, content: str
    ) -> None:
        builds = []
        for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "three"):
            folder.mkdir()
            (folder / "index.html").write_text("<html><head></head></html>")
            (folder / "theme.css").write_text("a {}")
            if folder.name == "three":
                (folder / name).write_text(content)
            page_script.mark_build(folder)
            builds.append((folder / page_script.BUILD_FILE).read_text())
        assert builds[0] == builds[1]
        assert builds[0] != builds[2]

    def test_reflex_s_script_is_as_we_know_it(self) -> None:
        written = dict(page_script.PageScriptPlugin().get_static_assets())
        script = str(written[page_script.STATE_SCRIPT])
        assert "endpoint.host = window.location.host;" in script
        for name in re.findall(r"export const (\w+)", str(written[page_script.BUILD_SCRIPT])):
            assert f"{name}()" in script

    def test_another_script_of_reflex_is_noticed(self) -> None:
        with pytest.raises(RuntimeError, match="has changed"):
            page_script.change("const nothing = true;")


class TestFailedBuild:
    # As Reflex writes it: each line of npm's most verbose log twice, once escaped and once wrapped.
    OF_NPM = (
        "Compiling: 100%\n"
        "2026-11-25 07:29:27 ERROR reflex.utils.js_runtimes: npm silly fetch manifest yaml@^2.0.0\\n\n"
        "npm silly fetch manifest yaml@^2.0.0\n"
        "2026-11-25 07:29:27 ERROR reflex.utils.js_runtimes: npm error code {code}\\n\n"
        "npm error code {code}\n"
        "2026-11-25 07:29:27 ERROR reflex.utils.js_runtimes: npm error request to http://localhost/yaml failed, "
        "reason: connect {code}\\n\n"
        "npm error request to http://localhost/yaml failed, reason:\n"
        "connect {code}\n"
        "2026-11-25 07:29:27 ERROR reflex.utils.js_runtimes: npm error     at ClientRequest.emit (x:5)\\n\n"
    )

    def test_npm_without_network_is_explained_with_npms_own_errors(self) -> None:
        assert pages.explain(self.OF_NPM.format(code="ECONNREFUSED")).splitlines() == [
            "No network: npm cannot reach its registry; connect this machine and run this again.",
            "npm error code ECONNREFUSED",
            "npm error request to http://localhost/yaml failed, reason: connect ECONNREFUSED",
        ]

    def test_another_npm_failure_does_not_blame_the_network(self) -> None:
        first, second, *_rest = pages.explain(self.OF_NPM.format(code="ENOSPC")).splitlines()
        assert first == "npm could not install the JavaScript packages that the pages need."
        assert second == "npm error code ENOSPC"

    def test_any_other_failure_shows_the_last_lines_of_the_build(self) -> None:
        told = pages.explain("\n".join([*(f"line {number}" for number in range(100)), "SyntaxError: bad"]))
        assert told.endswith("SyntaxError: bad")
        assert "line 50" in told
        assert "line 10" not in told


def test_the_lock_file_of_the_javascript_packages_names_no_registry() -> None:
    packages = json.loads((ROOT / pages.LOCK_FILE).read_text(encoding="utf-8"))["packages"]
    assert len(packages) > 100
    assert not [name for name, package in packages.items() if "resolved" in package]


class TestBootstrap:
    def test_old_pythons_can_parse_the_bootstrap_script(self) -> None:
        compile(
            (ROOT / "scripts" / "bootstrap.py").read_text(),
            "bootstrap.py",
            "exec",
            flags=0,
            dont_inherit=True,
        )
        import ast  # noqa: PLC0415

        ast.parse((ROOT / "scripts" / "bootstrap.py").read_text(), feature_version=(3, 6))

    def test_an_old_python_is_refused_in_one_line(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 8, 18))
        monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
        assert bootstrap.main([]) == 2
        printed = capsys.readouterr().err
        assert "Python 3.11 or newer is needed, this is 3.8.18" in printed
        assert printed.count("\n") == 1

    def test_a_newer_python_on_the_path_is_used(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 8, 18))
        monkeypatch.setattr(
            bootstrap.shutil, "which", lambda name: sys.executable if name == "python3.12" else None
        )
        assert bootstrap.choose_python() == sys.executable

    def test_a_missing_venv_module_is_named(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(bootstrap, "venv_works", lambda: False)
        monkeypatch.setattr(bootstrap, "runs", lambda _python, _code: False)
        assert bootstrap.main([]) == 1
        assert "install python3-venv" in capsys.readouterr().err

    def test_a_venv_that_is_a_symbolic_link_is_refused_and_its_target_is_left_alone(self, tmp_path: Path) -> None:
        shared, project = tmp_path / "shared", tmp_path / "project"
        shared.mkdir()
        (shared / "pyvenv.cfg").write_text("home = /usr/bin\n")
        (project / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "bootstrap.py", project / "scripts")
        (project / ".venv").symlink_to(shared)
        command = [sys.executable, "scripts/bootstrap.py", "--dev"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"`.venv` is a symbolic link to {shared}" in done.stderr
        assert done.stderr.count("\n") == 1
        assert [path.name for path in shared.iterdir()] == ["pyvenv.cfg"]

    def test_a_failed_installation_is_explained(self, bootstrap: ModuleType) -> None:
        log = "WARNING: Retrying ... NewConnectionError(...)\nERROR: No matching distribution found for reflex"
        assert bootstrap.explain(log).startswith("No network")
        assert "no space" in bootstrap.explain("ERROR: no space left on device")

    def test_requirements_are_installed_again_only_when_they_changed(
        self, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
            shutil.copy(ROOT / name, tmp_path)
        (tmp_path / ".venv").mkdir()
        calls: list[list[str]] = []

        def call(command: list[str], **_rest: object) -> int:
            calls.append(command)
            return 0

        monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))
        monkeypatch.setattr(bootstrap, "STAMP", str(tmp_path / ".venv" / "stamp"))
        monkeypatch.setattr(bootstrap, "LOG", str(tmp_path / ".venv" / "log"))
        monkeypatch.setattr(bootstrap.subprocess, "call", call)
        bootstrap.install(True)
        bootstrap.install(True)
        bootstrap.install(False)
        assert len(calls) == 1  # the requirements of the tests include those of the store
        with (tmp_path / "constraints.txt").open("a") as file:
            file.write("# newer\n")
        bootstrap.install(False)
        bootstrap.install(False)
        assert len(calls) == 2
        bootstrap.install(True)
        assert len(calls) == 3


class TestRun:
    def test_a_busy_port_is_reported_in_one_sentence(
        self,
        busy_port: int,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(run, "ROOT", tmp_path)
        monkeypatch.setattr(run, "_stop_on_signals", lambda: None)
        monkeypatch.setenv("PORT", str(busy_port))
        monkeypatch.setenv("SIMULATOR_PORT", str(free_port()))
        assert run.main([]) == 1
        assert capsys.readouterr().err == (
            f"Port {busy_port} is in use: stop what runs there, or choose another one, "
            f"e.g. PORT={busy_port + 80} make run\n"
        )

    @pytest.mark.parametrize("earlier_release", [False, True])
    def test_only_this_account_can_enter_the_folders_of_data_and_logs(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, earlier_release: bool
    ) -> None:
        logs = tmp_path / "data" / "logs"
        if earlier_release:
            logs.mkdir(mode=0o755, parents=True)
        monkeypatch.setattr(run, "ROOT", tmp_path)
        monkeypatch.setattr(run, "LOGS", logs)
        monkeypatch.setattr(run, "_stop_on_signals", lambda: None)
        monkeypatch.setattr(run, "_serve", lambda _plan, _stack: None)
        monkeypatch.setenv("PORT", str(free_port()))
        monkeypatch.setenv("SIMULATOR_PORT", str(free_port()))
        assert run.main([]) == 0
        assert [oct(folder.stat().st_mode & 0o777) for folder in (logs.parent, logs)] == ["0o700"] * 2

    def test_a_busy_port_is_recognized(self, busy_port: int) -> None:
        assert port_is_busy("127.0.0.1", busy_port)
        assert port_is_busy("0.0.0.0", busy_port)  # noqa: S104 - only asks whether the port is busy
        assert not port_is_busy("127.0.0.1", free_port())


class TestChild:
    def child(self, folder: Path, code: str) -> Child:
        return Child("child", [sys.executable, "-c", code], env=dict(os.environ), log=folder / "log", cwd=folder)

    def test_a_large_log_is_put_aside_while_the_child_goes_on_writing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(processes, "MAX_LOG_BYTES", 1_000)
        code = "import time\nfor number in range(80):\n print(number, 'x' * 200, flush=True)\n time.sleep(0.02)"
        child = self.child(tmp_path, code)
        child.echo = True
        assert child.start().wait() == 0
        # The thread that follows the log may be in the middle of its last rotation.
        wanted, deadline = ["log", "log.1", "log.2", "log.3"], time.monotonic() + 5
        while sorted(path.name for path in tmp_path.glob("log*")) != wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sum(path.stat().st_size for path in tmp_path.glob("log*")) < 80 * 200
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("log*")} == {0o600}
        assert "\0" not in child.tail()
        shown = capsys.readouterr().err
        # A line is lost if it is written between the last look at the log and its end.
        assert sum(f"{number} xxx" in shown for number in range(80)) >= 75

    def test_stopping_a_child_stops_its_children_too(self, tmp_path: Path) -> None:
        code = (
            "import subprocess, sys, time\n"
            "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print(grandchild.pid, flush=True)\n"
            "time.sleep(60)\n"
        )
        child = self.child(tmp_path, code).start()
        while not (grandchild := child.tail().strip()):
            time.sleep(0.01)
        child.stop()
        assert child.exit_code() == -signal.SIGTERM
        for _attempt in range(100):
            if _is_gone(int(grandchild)):
                return
            time.sleep(0.02)
        pytest.fail("The grandchild is still running.")

    def test_a_child_that_does_not_stop_is_killed(self, tmp_path: Path) -> None:
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
        child = self.child(tmp_path, code).start()
        while "on" not in child.tail():
            time.sleep(0.01)
        child.stop(grace=0.2)
        assert child.exit_code() == -signal.SIGKILL

    def test_the_error_says_why_a_child_ended(self, tmp_path: Path) -> None:
        child = self.child(tmp_path, "import sys; sys.exit('The secret is missing.')").start()
        with pytest.raises(ChildFailed, match=r"(?s)child ended with code 1.*The secret is missing\."):
            child.wait_until_answers(f"http://127.0.0.1:{free_port()}/", 30)


class TestChromium:
    def test_a_browser_that_does_not_start_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        broken = tmp_path / "chromium"
        broken.write_text("#!/bin/sh\nexit 127\n")
        broken.chmod(0o755)
        monkeypatch.setenv("CHROMIUM", str(broken))
        assert chromium.find() is None
        with pytest.raises(chromium.Missing, match="does not start"):
            chromium.provide()


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"
