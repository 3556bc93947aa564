"""An HTTP server for the faults a real aw-server cannot be made to show."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """What a fault gets to answer with."""

    def finish(self) -> None:
        """A client that is gone is no news."""
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def faulty_server(
    fault: Callable[[Handler], None], prepare: Callable[[ThreadingHTTPServer], None] = lambda _server: None
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(address, requests seen as (path, Authorization)) of a server whose every GET is answered by `fault`.

    `prepare`: called with the server before it begins.
    """
    seen: list[tuple[str, str]] = []

    class Faulty(Handler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization", "")))
            with contextlib.suppress(OSError):
                fault(self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    prepare(server)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="faulty-http")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
