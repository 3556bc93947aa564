"""Jobs that reach for the network: `python -m tests.support.reaching_job '{"way": …}'`."""

from __future__ import annotations

if __name__ == "__main__":
    from taskclf_tray.system.job_entry import start

    start("tests.support.reaching_job")

import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.progress import ProgressCallback
from taskclf_tray.jobs.process import serve

NOWHERE: Final = "192.0.2.1"
"""An address for documentation (RFC 5737)."""


def _stream() -> None:
    socket.create_connection((NOWHERE, 7), 1.0)


def _datagram(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as talk:
        talk.sendto(b"x", (host, 9))


def _listen() -> None:
    with socket.socket() as talk:
        talk.bind(("127.0.0.1", 0))


def _between_processes() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as talk:
        talk.bind(str(Path(folder) / "s"))


def _grandchild() -> None:
    """A program of its own, which no hook of ours is in."""
    code = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{NOWHERE}', 11))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, stderr=subprocess.DEVNULL)


WAYS: Final[dict[str, Callable[[], object]]] = {
    "stream": _stream,
    "datagram": lambda: _datagram(socket.AF_INET, NOWHERE),
    "datagram_v6": lambda: _datagram(socket.AF_INET6, "2001:db8::1"),
    "loopback": lambda: socket.create_connection(("127.0.0.1", 9), 1.0),
    "listen": _listen,
    "name": lambda: socket.getaddrinfo("example.invalid", 80),
    "page": lambda: urllib.request.urlopen("http://example.invalid/", timeout=1.0),
    "between_processes": _between_processes,
    "grandchild": _grandchild,
}


def run(request: dict[str, Any], _say: ProgressCallback) -> dict[str, Any]:
    """The way that is named."""
    WAYS[request["way"]]()
    return {}


def main(arguments: list[str]) -> int:
    """0 when it got through, 1 after an error that was said."""
    return serve(run, arguments, what="reaching job")
