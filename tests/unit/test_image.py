"""`make image`: which container engine it takes, what it refuses, and what the image is made from."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import image
from scripts.image import Engine, ImageFailed, Server
from scripts.processes import ChildFailed

ROOT = Path(__file__).resolve().parents[2]
# Runs the command of a container on this machine, as user 10001 or as what USER_ID says.
ENGINE = """#!/bin/sh
echo "$@" >> "$0.calls"
[ "$1" = run ] || exit 0
while [ "$1" != the-image ]; do
    case "$1" in --env=*) export "${1#--env=}" ;; esac
    shift
done
shift
[ "$1" = id ] && exec echo "${USER_ID:-10001}"
exec "$@"
"""
ANSWERS = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"ready")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def _command(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(script)
    path.chmod(0o755)
    return path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(image, "LOGS", tmp_path)
    return Engine(str(_command(tmp_path, "engine", ENGINE)))


def _server(path: str = "/health", code: str = ANSWERS) -> Server:
    return Server("store", (sys.executable, "-c", code), "HOST", "PORT", path)


class TestEngine:
    def test_an_engine_that_is_installed_but_does_not_work_is_skipped(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _command(tmp_path, "docker", "#!/bin/sh\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
        _command(tmp_path, "podman", "#!/bin/sh\n")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert image.find_engine() == Engine("podman")

    def test_a_missing_engine_is_reported_in_one_sentence(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "scripts.image"],
            cwd=ROOT,
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert re.fullmatch(r"The image needs docker, podman or buildah.*: install one .*\.\n", done.stderr)

    def test_a_build_that_fails_is_reported(self, tmp_path: Path) -> None:
        failing = Engine(str(_command(tmp_path, "engine", "#!/bin/sh\nexit 125\n")))
        with pytest.raises(ImageFailed, match="could not build the image"):
            failing.build("the-image", [])


class TestCheck:
    def test_a_server_that_answers_is_stopped_and_its_container_removed(
        self, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image.check(engine, "the-image", _server())
        assert re.search(r"runs as user 10001: /health answered 200 ready after", capsys.readouterr().out)
        calls = Path(f"{engine.command}.calls").read_text().splitlines()
        container = f"store-image-check-store-{os.getpid()}"
        assert calls[-1] == f"rm --force {container}"
        port = re.search(rf"--name {container} --publish=127\.0\.0\.1:(\d+):\1 ", calls[1])
        assert port
        with pytest.raises(ConnectionRefusedError):
            image._get(int(port[1]), "/health")

    def test_root_is_refused(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("USER_ID", "0")
        with pytest.raises(ImageFailed, match="runs as root"):
            image.check(engine, "the-image", _server())

    def test_another_answer_than_200_is_refused(self, engine: Engine) -> None:
        with pytest.raises(ImageFailed, match="answers /other with 404: ready"):
            image.check(engine, "the-image", _server("/other"))

    def test_a_server_that_ends_is_reported_with_its_last_lines(self, engine: Engine) -> None:
        with pytest.raises(ChildFailed, match=r"(?s)store ended with code 1.*No such table\."):
            image.check(engine, "the-image", _server(code="import sys; sys.exit('No such table.')"))


class TestDockerfile:
    DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    def test_the_command_that_is_checked_is_the_one_that_the_image_runs(self) -> None:
        commands = re.findall(r"^CMD (\[.*\])$", self.DOCKERFILE, re.MULTILINE)
        assert [tuple(json.loads(command)) for command in commands] == [image.STORE.command]

    def test_only_files_that_the_image_copies_are_sent_to_the_engine(self) -> None:
        copied = {
            source
            for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", self.DOCKERFILE, re.MULTILINE)
            for source in sources.split()
        }
        lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
        assert {source.partition("/")[0] for source in copied} == {path.rstrip("/") for path in sent}
        assert all((ROOT / source).exists() for source in copied)
