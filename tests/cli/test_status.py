"""`taskclf-tray status`: what a running app shows, in a terminal, in panels and in a real tmux."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskclf_tray.app.live_status import NOT_RUNNING, STOPPED, LiveStatus, read_status
from taskclf_tray.app.snapshot import IconState, LabelView, Snapshot
from taskclf_tray.app.status import StatusFile, status_of
from taskclf_tray.cli.main import build_parser
from taskclf_tray.cli.status import NOT_RUNNING_CODE, waybar
from taskclf_tray.system.lock import SingleInstance
from taskclf_tray.system.paths import prepare_home
from tests.support.app_process import AppProcess, app_command, app_environment, run_app, running_app
from tests.support.homes import Home
from tests.support.processes import ROOT, stop, wait_until

PAGE = (ROOT / "docs" / "panel.md").read_text(encoding="utf-8")
WAYBAR_KEYS = {"text", "tooltip", "class", "alt", "percentage"}
SINCE = datetime(2026, 3, 2, 13, 5, tzinfo=UTC)
BUILD = Snapshot(IconState.LIVE, "Build 87 % since 14:05", "Deep & <Work>", "Build", 0.87, SINCE, "#2E86DE")


def snippets(kind: str) -> list[str]:
    """The fenced blocks of this language in the page."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


class Follower:
    """A running `status --follow` that writes to a file or a pipe."""

    def __init__(self, home: Path, out: Path, *form: str) -> None:
        self._out = out
        command = app_command("status", "--home", home, "--follow", *form)
        with out.open("wb") as file:
            self.process = subprocess.Popen(
                command, env=app_environment(), stdout=file, stderr=subprocess.STDOUT, text=True
            )

    @property
    def lines(self) -> list[str]:
        return self._out.read_text(encoding="utf-8").splitlines()

    def wait_for(self, word: str, *, after: int = 0) -> int:
        """Wait for a line that holds the word; returns how many lines there are up to it."""

        def found() -> int | None:
            assert self.process.poll() is None, self.lines
            return next((n for n, line in enumerate(self.lines, 1) if n > after and word in line), None)

        return wait_until(found, f"{word!r} after line {after} of {self.lines}", 20)


@contextmanager
def following(home: Path, out: Path, *form: str) -> Iterator[Follower]:
    follower = Follower(home, out, *form)
    try:
        yield follower
    finally:
        stop(follower.process)


@contextmanager
def demo(home: Path) -> Iterator[AppProcess]:
    with running_app("demo", "--home", home, "--headless", "--json", "--speed", "60") as app:
        app.wait_for_label(40)
        yield app


@contextmanager
def tmux(folder: Path, home: Path) -> Iterator[Callable[[], str]]:
    """A real tmux with the settings of the page, shown in another tmux; what the screen of that one reads."""
    config = folder / "tmux.conf"
    config.write_text(snippets("tmux")[0])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = app_environment(TASKCLF_HOME=str(home), PATH=path, TMUX_TMPDIR=str(folder), TERM="screen", LC_ALL="C.UTF-8")

    def tell(server: str, *words: str) -> str:
        command = ["tmux", "-L", server, *words]
        return subprocess.run(command, env=env, check=True, timeout=60, capture_output=True, text=True).stdout

    try:
        tell("inner", "-f", str(config), "new-session", "-d", "cat")
        tell("outer", "-f", os.devnull, "new-session", "-d", "env -u TMUX tmux -L inner attach")
        yield lambda: tell("outer", "capture-pane", "-p")
    finally:
        for server in ("outer", "inner"):
            tell(server, "kill-server")


def test_a_running_app_is_followed_through_a_crash_and_a_restart_and_shown_by_tmux(tmp_path: Path) -> None:
    home = tmp_path / "home"
    label = re.compile(r"^\[0\] .* [A-Z]\w+( \w+)?\?? \d\d:\d\d$", re.MULTILINE)
    with following(home, tmp_path / "followed", "--json") as follower:
        seen = follower.wait_for('"stopped"')
        with demo(home) as app, tmux(tmp_path, home) as screen:
            seen = follower.wait_for('"simulated": true', after=seen)
            code, out, errors = run_app("status", "--home", home, "--waybar")
            shown = json.loads(out)
            assert (code, errors, set(shown)) == (0, "", WAYBAR_KEYS)
            assert "simulated" in shown["class"]
            assert not (home / "tray" / "raise.request").exists()  # looking at it is no second start
            wait_until(lambda: label.search(screen()), "a label in the status line of tmux", 20)
            app.process.kill()
            seen = follower.wait_for('"stopped"', after=seen)
            assert (home / "tray" / "status.json").exists()  # of a dead app: it is not believed
            assert run_app("status", "--home", home, "--plain")[:2] == (NOT_RUNNING_CODE, "Not running\n")
        with demo(home) as app:
            follower.wait_for('"simulated": true', after=seen)
            assert app.end()[0] == 0
            assert not (home / "tray" / "status.json").exists()
        follower.process.send_signal(signal.SIGINT)
        assert follower.process.wait(120) == 130
        assert all(set(json.loads(line)) >= {"state", "line", "text"} for line in follower.lines)


def test_a_follower_ends_when_nobody_reads_it_and_spends_next_to_no_time(tmp_path: Path) -> None:
    command = app_command("status", "--home", tmp_path / "none", "--follow", "--plain")
    process = subprocess.Popen(command, env=app_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"Not running\n"
    before, spent = sleeps(process.pid), ticks(process.pid)
    wait_until(lambda: sleeps(process.pid) >= before + 4, "four looks at the app", 20)
    assert ticks(process.pid) - spent <= 2  # of a hundredth of a second each
    process.stdout.close()
    assert process.wait(120) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def ticks(process_id: int) -> int:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def sleeps(process_id: int) -> int:
    """How often the process has gone to sleep."""
    text = Path(f"/proc/{process_id}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)[0])


def test_what_a_snapshot_says_comes_back_from_the_file(tmp_path: Path) -> None:
    paths = prepare_home(tmp_path / "home")
    assert read_status(paths).state == STOPPED
    with SingleInstance(paths.home):
        assert read_status(paths).state == "starting"
        file = StatusFile(paths)
        file.on_snapshot(BUILD)
        assert read_status(paths) == status_of(BUILD)
        assert paths.status.stat().st_mode & 0o077 == 0
        paths.status.write_text("[]")
        assert read_status(paths).state == "starting"
        file.close()
        paths.status.mkdir()  # nothing can be written there: the app goes on, and no old status is shown
        file.on_snapshot(Snapshot(IconState.AWAY, "Away"))
        assert read_status(paths).state == "starting"
    assert read_status(paths).state == STOPPED


def test_every_state_has_a_word_for_a_panel() -> None:
    assert [status_of(Snapshot(state, "")).text for state in IconState] == [
        "?", "Not sure", "Away", "Paused", "No source", "No model", "Look at the log",
    ]  # fmt: skip


def test_what_waybar_gets() -> None:
    status = status_of(BUILD)
    assert waybar(status) == {
        "text": "Deep &amp; &lt;Work&gt;",
        "tooltip": "Build 87 % since 14:05",
        "class": ["live", "build"],
        "alt": "live",
        "percentage": 87,
    }
    own = Snapshot(IconState.LIVE, "", "A\nB", "Build", None, is_own_label=True, labels=LabelView(review_count=2))
    assert (waybar(status_of(own))["text"], waybar(status_of(own))["percentage"]) == ("A B", 100)
    assert "2 blocks wait under Review" in waybar(status_of(own))["tooltip"]
    assert waybar(NOT_RUNNING)["text"] == ""


def test_without_an_app_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = Home(tmp_path / "none", capsys)
    code, out, errors = line.call("status")
    assert (code, out, errors) == (3, "taskclf-tray is not running. Start it with `taskclf-tray run`.\n", "")
    assert json.loads(line.call("status", "--json")[1])["state"] == STOPPED
    assert json.loads(line.call("status", "--waybar")[1])["class"] == ["stopped"]
    assert not (tmp_path / "none").exists()


def test_every_snippet_of_the_page_is_valid_and_calls_a_command_there_is() -> None:
    """tmux's is tried above."""
    module = json.loads(snippets("json")[0])
    calls = [module[module["modules-right"][0]]["exec"], tomllib.loads(snippets("toml")[0])["block"][0]["command"]]
    for text in snippets("ini"):
        parser = configparser.ConfigParser()
        parser.read_string(text)
        section = parser[parser.sections()[0]]
        calls.append(section.get("exec") or section["command"])
    calls += re.findall(r"#\((.*?)\)", snippets("tmux")[0])
    assert len(calls) == 5
    for call in calls:
        program, *words = shlex.split(call)
        assert program == "taskclf-tray"
        assert build_parser(["status"]).parse_args(words).follow
    keys = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## Your own program")[2], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(keys))) == {*LiveStatus.__dataclass_fields__}
