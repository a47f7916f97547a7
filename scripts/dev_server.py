"""One start of the store for `make dev`: import the sources as they are now, compile their pages, serve.

scripts.dev starts it ahead of time and says when to go on: with the lines "compile" and "serve" on the standard
input. The answer to the first, on the standard output, is the traceback as JSON, empty if there is none.
"""

import importlib
import json
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import reflex as rx
from reflex.event import EventSpec
from reflex.utils import prerequisites
from reflex_base.constants import Env
from reflex_base.environment import environment
from reflex_base.utils.log import reserve_stdout

# What else takes long to import and does not change when a source is saved; nothing that reads our settings.
PACKAGES = ("fastapi", "sqlmodel", "redis.asyncio", "alembic.config", "httpx", "granian.server")
SOURCES = str(Path(__file__).resolve().parent.parent / "store_app")
# Lays a traceback over the page. The mark of another build has the tab reload when it connects again.
SHOW_TRACEBACK = """
const shown = document.createElement("pre");
shown.textContent = {text};
shown.dataset.testid = "traceback";
shown.style.cssText =
  "position:fixed;inset:0;z-index:99;margin:0;padding:2rem;overflow:auto;background:#fff;color:#900;font-size:14px";
document.body.append(shown);
document.querySelector('meta[name="build"]').content = "traceback";
"""


def main() -> int:
    """Do what each line says; return the exit code."""
    answers = _take_standard_output()
    for name in PACKAGES:
        importlib.import_module(name)
    _wait_for("compile")
    try:
        app = _compile()
    except Exception as error:  # noqa: BLE001 - every error in the sources is shown to their author
        _answer(answers, describe(error))
        return 1
    _answer(answers, "")
    _wait_for("serve")
    _serve(app)
    return 0


def describe(error: Exception) -> str:
    """Return the traceback from the first frame in our sources on."""
    trace = error.__traceback__
    while trace and not trace.tb_frame.f_code.co_filename.startswith(SOURCES):
        trace = trace.tb_next
    return "".join(traceback.format_exception(error.with_traceback(trace or error.__traceback__)))


def _take_standard_output() -> TextIO:
    """Return the standard output, and let what the store prints go where its errors go."""
    reserve_stdout()  # Reflex then draws no progress bars
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _wait_for(request: str) -> None:
    if sys.stdin.readline().strip() != request:
        sys.exit(0)  # `make dev` has ended


def _answer(answers: TextIO, error: str) -> None:
    print(json.dumps(error), file=answers, flush=True)


def _compile() -> rx.App:
    # As `reflex export` does, which builds the pages that are served in the end.
    environment.REFLEX_ENV_MODE.set(Env.PROD)
    module = prerequisites.get_compiled_app(prerender_routes=True)
    app: rx.App = module.app
    return app


def _serve(app: rx.App) -> None:
    # Sources: imported when it is time to read them.
    from store_app import serve  # noqa: PLC0415
    from store_app.web.http import content_security  # noqa: PLC0415

    # Reflex runs the script that shows a traceback with `eval`.
    content_security.SCRIPT_SOURCES.append("'unsafe-eval'")
    app.backend_exception_handler = _show
    bind = serve.Bind.read(os.environ, several_workers=True)
    serve.run(replace(bind, workers=1))


def _show(error: Exception) -> EventSpec:
    """Show an exception of an event handler in the terminal and in its tab."""
    text = describe(error)
    print(text, file=sys.stderr, flush=True)
    return rx.call_script(SHOW_TRACEBACK.format(text=json.dumps(text)))


if __name__ == "__main__":
    sys.exit(main())
