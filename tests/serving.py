"""A web server on this machine that behaves as badly as a test asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by name, and what goes wrong with them."""

    files: dict[str, bytes] = field(default_factory=dict)
    resumes: bool = True  # whether range requests are understood
    cut: int | None = None  # bytes after which the next answer ends
    status: int | None = None  # the answer to every request
    asked: list[str | None] = field(default_factory=list)  # the range of every request
    port: int = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@contextmanager
def serving() -> Iterator[Site]:
    """Serve a site from a thread."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            site.asked.append(wanted)
            body = site.files.get(self.path.partition("?")[0].lstrip("/"))
            if body is None or site.status:
                self.send_error(site.status or 404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.resumes else 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            sent, site.cut = site.cut, None
            self.wfile.write(body[start:] if sent is None else body[start : start + sent])

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
