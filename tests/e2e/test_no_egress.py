"""Nothing leaves the machine: every connect and send of the app and of each process it starts, as the kernel sees them.

The tracer follows children of children; a job that is new is in the trace as soon as a test makes the app run it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.app_process import AppProcess, app_command, app_environment, running_app
from tests.support.aw_server import AWServer, run_aw_server
from tests.support.drift_home import DAY, working_days, write_days
from tests.support.processes import wait_until
from tests.support.reaching_job import NOWHERE
from tests.support.server_days import Desk, Typist
from tests.support.worker_home import copy_home

pytestmark = pytest.mark.server

_ADDRESS = re.compile(r"\{sa_family=AF_INET6?, ([^}]*)\}")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_PROGRAM = re.compile(r"execve\([^[]*\[(.*?)\]")
_HOST = re.compile(r'inet_(?:addr\("([^"]+)"\)|pton\(AF_INET6, "([^"]+)")')


def tracer(trace: Path) -> tuple[str, ...]:
    """strace as a grandchild (-D), so that the process a test signals is the app itself."""
    calls = "trace=execve,connect,sendto,sendmsg,sendmmsg"
    return ("strace", "-D", "-f", "--seccomp-bpf", "-qq", "-s", "1000", "-e", calls, "-o", str(trace))


def contacted(trace: Path) -> set[tuple[str, int]]:
    """Every (host, port) of the internet families that a traced process connected or sent to."""
    found = set()
    for line in trace.read_text().splitlines():
        if "execve(" in line:
            continue
        for address in _ADDRESS.findall(line):
            host, port = _HOST.search(address), _PORT.search(address)
            assert host is not None, line
            assert port is not None, line
            found.add((host[1] or host[2], int(port[1])))
        assert ("AF_INET" in line) == bool(_ADDRESS.search(line)), line
    return found


def programs(trace: Path) -> list[str]:
    """The words of every program that was started, in order."""
    return [match[1] for line in trace.read_text().splitlines() if (match := _PROGRAM.search(line)) is not None]


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
    child.process.wait(120)
    child.close()
    assert {("192.0.2.1", 9), ("2001:db8::1", 9)} <= contacted(trace)


@pytest.mark.parametrize(("way", "expected"), [("grandchild", {(NOWHERE, 11)}), ("stream", set())])
def test_the_tracer_sees_what_a_job_and_its_children_do(
    tmp_path: Path, way: str, expected: set[tuple[str, int]]
) -> None:
    """A job that reaches out itself is stopped before the kernel hears of it; what it starts is found out here."""
    trace = tmp_path / "trace"
    code = (
        "from taskclf_tray.jobs.child import JobError, run_child\n"
        "try:\n"
        f"    run_child('tests.support.reaching_job', {{'way': {way!r}}}, id)\n"
        "except JobError:\n"
        "    pass\n"
    )
    child = AppProcess([*tracer(trace), sys.executable, "-c", code], app_environment())
    assert child.process.wait(120) == 0
    child.close()
    assert any("tests.support.reaching_job" in program for program in programs(trace))
    assert contacted(trace) == expected


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
        app.wait_for(lambda line: line.get("core_label") == "Meet", "the meeting", 15.0, after=seen)
        seen = len(app.lines)
        typist.switch_to("libreoffice-writer", "report.odt")
        app.wait_for(lambda line: line.get("core_label") not in (None, "Meet"), "other work", 15.0, after=seen)
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


def test_jobs_of_the_app_and_of_a_terminal_contact_nothing(server: AWServer, tmp_path: Path) -> None:
    """A person with two weeks on record and most of an hour of today, whose app checks in a process of its own."""
    now = datetime.now(UTC)
    yesterday = now.date() - DAY
    home = copy_home(tmp_path / "home")
    (home / "tray").mkdir()
    write_days(home / "tray" / "tray.db", working_days(yesterday - 13 * DAY, yesterday))
    Desk(server).work("firefox", "https://example.com/a - Mozilla Firefox", now - timedelta(minutes=50), now)
    trace, report = tmp_path / "trace", home / "tray" / "drift" / f"drift_{yesterday}.json"
    arguments = ("run", "--headless", "--json", "--aw-host", server.url, "--source", "activitywatch")
    with running_app(*arguments, "--home", home, prefix=tracer(trace)) as app:
        wait_until(report.exists, "the report of the check", 90)
        assert app.end()[0] == 0
    assert any("taskclf_tray.jobs.drift" in program for program in programs(trace))
    assert contacted(trace) == {("127.0.0.1", server.port)}
    labels = label_file(tmp_path / "labels.csv", working_days(yesterday - 13 * DAY, yesterday)[-3:])
    for job, *words in (
        ("batch", "infer", "batch", "--from", yesterday - 3 * DAY),
        ("train", "train", "lgbm", "--labels", labels, "--rounds", 3),
        ("retrain", "train", "retrain"),
    ):
        trace = tmp_path / job
        command = app_command(*map(str, words), "--home", home)
        ended = subprocess.run([*tracer(trace), *command], env=app_environment(), capture_output=True, timeout=240)
        assert ended.returncode == (1 if job == "retrain" else 0), ended.stderr  # nobody labelled: it says so
        assert any(f"taskclf_tray.jobs.{job}" in program for program in programs(trace))
        assert contacted(trace) == set()


def label_file(path: Path, days: Sequence[date]) -> Path:
    """Four blocks a day."""
    lines = ["start_ts,end_ts,label,provenance"]
    for day in days:
        starts = [datetime(day.year, day.month, day.day, 10 + hour, tzinfo=UTC) for hour in range(4)]
        for start, label in zip(starts, ("Build", "Write", "Review", "Build"), strict=True):
            lines.append(f"{start.isoformat()},{(start + timedelta(minutes=10)).isoformat()},{label},manual")
    path.write_text("\n".join(lines) + "\n")
    return path
