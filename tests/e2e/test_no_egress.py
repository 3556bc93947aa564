"""Nothing leaves the machine: every connect and send of the running app, seen by the kernel's tracer."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.app_process import AppProcess, app_environment, running_app
from tests.e2e.server_days import Desk, Typist
from tests.fakes.aw_server import AWServer, run_aw_server

pytestmark = pytest.mark.server

_ADDRESS = re.compile(r"\{sa_family=AF_INET6?, ([^}]*)\}")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_HOST = re.compile(r'inet_(?:addr\("([^"]+)"\)|pton\(AF_INET6, "([^"]+)")')


def tracer(trace: Path) -> tuple[str, ...]:
    """strace as a grandchild (-D), so that the process a test signals is the app itself."""
    return ("strace", "-D", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace))


def contacted(trace: Path) -> set[tuple[str, int]]:
    """Every (host, port) of the internet families that a traced process connected or sent to."""
    found = set()
    for line in trace.read_text().splitlines():
        for address in _ADDRESS.findall(line):
            host, port = _HOST.search(address), _PORT.search(address)
            assert host is not None, line
            assert port is not None, line
            found.add((host[1] or host[2], int(port[1])))
        assert ("AF_INET" in line) == bool(_ADDRESS.search(line)), line
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AWServer]:
    with run_aw_server(tmp_path / "aw") as running:
        yield running


def test_the_tracer_sees_what_it_should(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "for family, host in ((socket.AF_INET, '192.0.2.1'), (socket.AF_INET6, '2001:db8::1')):\n"
        "    talk = socket.socket(family, socket.SOCK_DGRAM)\n"
        "    try:\n"
        "        talk.sendto(b'x', (host, 9))\n"
        "        talk.connect((host, 7))\n"
        "    except OSError:\n"
        "        pass\n"
        "    talk.close()\n"
    )
    trace = tmp_path / "trace"
    child = AppProcess([*tracer(trace), sys.executable, "-c", code], app_environment())
    child.process.wait(20)
    child.close()
    assert {("192.0.2.1", 9), ("2001:db8::1", 9)} <= contacted(trace)


def test_a_quarter_of_a_minute_at_a_real_server(server: AWServer, tmp_path: Path) -> None:
    desk = Desk(server)
    now = datetime.now(UTC)
    desk.work("firefox", "https://example.com/a - Mozilla Firefox", now - timedelta(minutes=30), now)
    trace = tmp_path / "trace"
    arguments = ("run", "--headless", "--json", "--aw-host", server.url, "--source", "activitywatch")
    with (
        Typist(desk, "firefox", "https://example.com/b") as typist,
        running_app(*arguments, "--home", tmp_path / "home", prefix=tracer(trace)) as app,
    ):
        app.wait_for_label(30.0)
        seen = len(app.lines)
        typist.switch_to("zoom", "Zoom Meeting")
        app.wait_for_label(15.0, after=seen)
        seen = len(app.lines)
        typist.switch_to("libreoffice-writer", "report.odt")
        app.wait_for_label(15.0, after=seen)
        assert app.end()[0] == 0
    assert contacted(trace) == {("127.0.0.1", server.port)}


def test_a_demo_contacts_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = ("demo", "--headless", "--json", "--speed", "600", "--home", tmp_path / "home")
    with running_app(*arguments, prefix=tracer(trace)) as app:
        app.wait_for_label(30.0)
        first = len(app.of_kind("bucket"))
        app.wait_for(lambda _: len(app.of_kind("bucket")) > first + 60, "an hour of buckets", 30.0)
        assert app.end()[0] == 0
    assert contacted(trace) == set()


def test_an_unasked_simulation_contacts_the_configured_server_only(tmp_path: Path) -> None:
    trace, home = tmp_path / "trace", tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('aw_host = "http://127.0.0.1:9"\n')
    with running_app("run", "--headless", "--json", "--home", home, prefix=tracer(trace)) as app:
        assert app.wait_for_label(30.0)["simulated"] is True
        assert app.end()[0] == 0
    assert contacted(trace) == {("127.0.0.1", 9)}
