"""A small server in the place of the store while `make dev` cannot run it: it shows why, and when that is over."""

import hashlib
import html
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from scripts.page_script import BUILD_FILE

MAX_BODY_BYTES = 1024 * 1024
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark }}
pre {{ font-size: 14px; overflow: auto; white-space: pre-wrap }}
</style>
<script>
// Load this address again as soon as the server has something else to show.
setInterval(async () => {{
  const answer = await fetch("/{file}", {{ cache: "no-store" }}).catch(() => null);
  if (answer?.ok && (await answer.json()).build !== "{build}") window.location.reload();
}}, 300);
</script>
</head>
<body>
<h1>{title}</h1>
<pre data-testid="traceback">{text}</pre>
</body>
</html>
"""


class Placeholder:
    """Answers every page with the same title and text.

    Everything else gets a 503, after which the provider retries its webhooks.
    """

    def __init__(self, host: str, port: int, title: str, text: str = "") -> None:
        build = hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
        page = PAGE.format(title=html.escape(title), text=html.escape(text), build=build, file=BUILD_FILE)
        self._server = _Server(
            (host, port), page.encode(), json.dumps({"build": build}).encode() if build else b""
        )

        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Leave the port to the store."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], page: bytes, build: bytes) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.page = page
        # Empty while the store is being built: an open tab then waits for what comes.
        self.build = build

    def handle_error(self, *_arguments: object) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != f"/{BUILD_FILE}":
            self._answer(503, "text/html; charset=utf-8", self.server.page)
        elif self.server.build:
            self._answer(200, "application/json", self.server.build)
        else:
            self._answer(503, "text/plain", b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        self.rfile.read(min(int(length), MAX_BODY_BYTES) if length.isdecimal() else 0)
        self._answer(503, "text/html; charset=utf-8", self.server.page)

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the names that the standard library looks for

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Retry-After", "1")):
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet: the terminal shows what the page shows."""
