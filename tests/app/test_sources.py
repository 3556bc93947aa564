"""Which source is used where, and when the session is opened anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import sources
from taskclf_tray.app.actions import tell_status
from taskclf_tray.app.commands import PrivateMode
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import IconState, Snapshot
from taskclf_tray.app.sources import SourceSwitch, blocking, demo_start
from taskclf_tray.core.config import load_config
from taskclf_tray.core.errors import ConfigError, SourceError
from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.core.types import CoreLabel
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.system.paths import HomePaths, prepare_home
from tests.support.desktop import desktop
from tests.support.processes import wait_until

NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HomePaths:
    monkeypatch.setattr(sources, "activitywatch_installed", lambda: False)
    return prepare_home(tmp_path / "home")


def save(paths: HomePaths, words: str, age_seconds: int = 10) -> None:
    """As an editor, a moment ago; each save is told from the one before by its size."""
    paths.config.write_text(words)
    when = paths.config.stat().st_mtime_ns - age_seconds * 1_000_000_000
    os.utime(paths.config, ns=(when, when))


def switch_of(paths: HomePaths, *, display: str = "", **options: object) -> SourceSwitch:
    config, problems = load_config(paths.config)
    return SourceSwitch(
        paths,
        config,
        environ={"DISPLAY": display} if display else {},
        **{"aw_host": None, "problems": [str(problem) for problem in problems], **options},  # type: ignore[arg-type]
    )


@pytest.fixture
def opened() -> Iterator[list[Session]]:
    sessions: list[Session] = []
    yield sessions
    for session in sessions:
        session.close()


def open_one(switch: SourceSwitch, opened: list[Session]) -> Session:
    session = switch.open_session(lambda: None)
    opened.append(session)
    return session


def test_a_machine_without_screen_and_activitywatch_is_shown_a_simulated_person(
    paths: HomePaths, opened: list[Session]
) -> None:
    save(paths, f'aw_host = "{NO_SERVER}"\n')
    switch = switch_of(paths)
    session = open_one(switch, opened)
    assert switch.is_simulated
    assert switch.banner() == "Simulated person: this is not your activity"
    assert session.paths.home == paths.tray / "demo"
    assert (session.log_path, session.config_path) == (paths.log, paths.config)
    assert not paths.database.exists()  # the person's own home stays as it was


@pytest.mark.parametrize("reason", ["desktop", "installed", "past", "named"])
def test_nobody_is_shown_a_stranger_for_themselves(
    paths: HomePaths, opened: list[Session], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    save(paths, f'aw_host = "{NO_SERVER}"\n')
    if reason == "installed":
        monkeypatch.setattr(sources, "activitywatch_installed", lambda: True)
    if reason == "past":
        session = switch_of(paths, source="activitywatch").open_session(lambda: None)
        with session.database.transaction():
            session.database.state.set("newest_end_us:x", "1")
        session.close()
    switch = switch_of(
        paths, display=":65000" if reason == "desktop" else "", source="activitywatch" if reason == "named" else None
    )
    session = open_one(switch, opened)
    assert not switch.is_simulated
    assert switch.banner() is None
    assert session.source.name == "activitywatch"


def test_a_real_source_ends_a_simulation_nobody_asked_for(
    paths: HomePaths, opened: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(paths, f'aw_host = "{NO_SERVER}"\n')
    monkeypatch.setattr(sources, "PROBE_SECONDS", 0.0)
    automatic, asked_for = switch_of(paths), switch_of(paths, source="simulated")
    for switch in (automatic, asked_for):
        open_one(switch, opened).close()
        opened.pop()
        assert not switch.should_switch()
        monkeypatch.setattr(switch, "_answers", lambda: True)
    assert automatic.should_switch()
    assert not asked_for.should_switch()


def test_saved_settings_open_the_session_anew(paths: HomePaths, opened: list[Session]) -> None:
    save(paths, f'aw_host = "{NO_SERVER}"\nsource = "activitywatch"\n')
    switch = switch_of(paths)
    assert open_one(switch, opened).messages == []
    assert not switch.should_switch()
    save(paths, f'aw_host = "{NO_SERVER}"\nsource = "activitywatch"\nexclude_apps = ["keepassxc"]\n')
    assert switch.should_switch()
    assert not switch.should_switch()
    session = open_one(switch, opened)
    assert session.config.exclude_apps == ("keepassxc",)
    assert [title for title, _ in session.messages] == ["Settings applied"]


def test_what_was_changed_is_said_and_what_changes_nothing(paths: HomePaths, opened: list[Session]) -> None:
    begin = 'source = "activitywatch"\n'
    save(paths, begin)
    switch = switch_of(paths)
    open_one(switch, opened)

    def told(words: str) -> str:
        save(paths, begin + words)
        assert switch.should_switch()
        ((title, body),) = open_one(switch, opened).messages
        assert title == "Settings applied"
        return body

    assert told("asks_per_day = 2\n") == "Changed: asks_per_day."
    idle = "idle_transition_minutes has no effect in this version: being away is five minutes without a key or a click."
    assert told("asks_per_day = 2\nidle_transition_minutes = 7\n") == f"Changed: idle_transition_minutes. {idle}"
    assert told("asks_per_day = 3\nidle_transition_minutes = 7\n") == "Changed: asks_per_day."
    assert told("asks_per_day = 3\nidle_transition_minutes = 7\nui_port = 0\n") == (
        "ui_port has no effect in this version: there is no dashboard."
    )
    assert told("notifications_enabled = false\n").endswith("notifications_enabled takes effect at the next start.")


def test_wrong_settings_are_told_with_their_line_and_cost_only_themselves(
    paths: HomePaths, opened: list[Session]
) -> None:
    save(paths, 'source = "activitywatch"\nasks_per_day = "many"\n')
    switch = switch_of(paths)
    ((title, body),) = open_one(switch, opened).messages
    assert title == "A setting cannot be used"
    assert "line 2" in body
    assert "asks_per_day" in body
    save(paths, 'source = "activitywatch"\nsmooth_window = 5\nsmoother = "majority"\nnonsense = 1\nmore = 2\n')
    assert switch.should_switch()
    session = open_one(switch, opened)
    assert [title for title, _ in session.messages] == ["A setting cannot be used", "Settings applied"]
    assert "1 more in the log" in session.messages[0][1]
    assert session.serving.config is not None
    assert session.serving.config.smooth_window == 5
    assert session.serving.config.transitions is None
    save(paths, 'source = "activitywatch"\nsmoother = "hmm"\n')
    assert switch.should_switch()
    config = open_one(switch, opened).serving.config
    assert config is not None
    assert config.transitions == BUILT_IN_TRANSITIONS


BROKEN = 'source = "activitywatch"\nexclude_apps = ["keepassxc"]\nquiet_hours = [\n'
SOUND = BROKEN.replace("quiet_hours = [", "")


def test_a_mistake_leaves_the_settings_in_use_with_all_that_is_excluded(
    paths: HomePaths, opened: list[Session]
) -> None:
    save(paths, SOUND)
    switch = switch_of(paths)
    open_one(switch, opened)
    save(paths, BROKEN)
    assert switch.should_switch()
    session = open_one(switch, opened)
    assert session.config.exclude_apps == ("keepassxc",)
    ((title, body),) = session.messages
    assert (title, "the settings in use stay" in body) == ("A setting cannot be used", True)
    paths.config.unlink()
    assert not switch.should_switch()  # an editor may be putting a new one in its place
    assert switch.should_switch()
    assert open_one(switch, opened).config.exclude_apps == ("keepassxc",)


def test_at_a_start_nothing_is_read_until_the_file_is_corrected(paths: HomePaths, opened: list[Session]) -> None:
    save(paths, BROKEN)
    problems = load_config(paths.config)[1]
    switch = switch_of(paths, problems=[], blocked=blocking(problems))
    session = open_one(switch, opened)
    assert not switch.is_simulated
    assert session.messages == []  # the worker says what keeps it from reading
    recorder = session.recorder
    assert recorder is not None
    with pytest.raises(ConfigError, match=r"Nothing is recorded until config\.toml is corrected \(line 4\)"):
        recorder.step(session.now())
    save(paths, BROKEN + "# still wrong\n")
    assert switch.should_switch()
    open_one(switch, opened)
    save(paths, SOUND)
    assert switch.should_switch()
    assert open_one(switch, opened).source.status().detail.count("No ActivityWatch server answers") == 1


def test_a_file_that_is_being_written_waits_and_a_comment_is_no_change(paths: HomePaths, opened: list[Session]) -> None:
    save(paths, 'source = "activitywatch"\n')
    switch = switch_of(paths)
    open_one(switch, opened)
    save(paths, "smooth_window = ", age_seconds=0)
    assert not switch.should_switch()
    save(paths, '# a comment\nsource = "activitywatch"\n')
    assert not switch.should_switch()


def test_the_address_of_the_command_line_outlives_a_save(paths: HomePaths, opened: list[Session]) -> None:
    save(paths, 'source = "activitywatch"\n')
    switch = switch_of(paths, aw_host=NO_SERVER)
    open_one(switch, opened)
    save(paths, 'source = "activitywatch"\nsmooth_window = 5\n')
    assert switch.should_switch()
    assert open_one(switch, opened).config.aw_host == NO_SERVER


def test_a_demo_does_not_begin_anew_when_settings_are_saved(paths: HomePaths, opened: list[Session]) -> None:
    switch = switch_of(paths, source="simulated")
    open_one(switch, opened)
    save(paths, "smooth_window = 5\n")
    assert not switch.should_switch()


@pytest.mark.parametrize("persona", ["developer", "manager"])
def test_a_demo_begins_in_the_middle_of_work_whatever_the_date(persona: str) -> None:
    person = SimulatedPerson(persona, 1)
    for number in range(0, 400, 27):
        today = date(2026, 11, 21) + timedelta(days=number)
        start = demo_start(person, today)
        assert timedelta(0) <= today - start.date() <= timedelta(days=10)
        (span,) = person.truth(start, start + timedelta(seconds=1))
        assert span.label != CoreLabel.BREAK_IDLE


@pytest.mark.desktop
def test_the_built_in_watcher_stands_in_until_a_server_answers(
    paths: HomePaths, opened: list[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save(paths, f'aw_host = "{NO_SERVER}"\n')
    monkeypatch.setattr(sources, "PROBE_SECONDS", 0.0)
    with desktop(tmp_path / "desk", panel=False) as desk:
        switch = switch_of(paths, display=desk.env["DISPLAY"])
        session = open_one(switch, opened)
        assert session.source.name == "builtin"
        assert tell_status(session, Snapshot(IconState.LIVE, "Build", source="builtin"))[1].endswith(
            "Source: the built-in watcher."
        )
        assert switch.banner() is None
        start = session.now()
        session.open_blackouts()  # as the loop does at once: from now on it looks
        wait_until(lambda: session.source.read(start, session.now()).window, "a look")
        session.apply_privacy(PrivateMode(session.now(), is_on=True))
        assert "watcher" not in {thread.name for thread in threading.enumerate()}
        session.apply_privacy(PrivateMode(session.now(), is_on=False))
        assert "watcher" in {thread.name for thread in threading.enumerate()}
        assert not switch.should_switch()
        monkeypatch.setattr(switch, "_answers", lambda: True)
        assert switch.should_switch()
        opened.pop().close()
        assert "watcher" not in {thread.name for thread in threading.enumerate()}
        session = open_one(switch, opened)
        assert session.source.name == "activitywatch"
        opened.pop().close()


def test_a_display_that_answers_late_is_used_where_no_server_ever_answered(
    paths: HomePaths, opened: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(paths, f'aw_host = "{NO_SERVER}"\n')
    monkeypatch.setattr(sources, "PROBE_SECONDS", 0.0)
    obstacles = [SourceError("The X display does not answer.", "Wait.")] * 2
    monkeypatch.setattr(sources, "builtin_obstacle", lambda _: obstacles.pop() if obstacles else None)
    switch = switch_of(paths, display=":65000")
    assert open_one(switch, opened).source.name == "activitywatch"
    assert not switch.should_switch()
    assert switch.should_switch()
    opened.pop().close()
    assert open_one(switch, opened).source.name == "builtin"
    opened.pop().close()


def test_where_nothing_can_be_seen_the_next_step_is_said(paths: HomePaths, opened: list[Session]) -> None:
    save(paths, f'source = "builtin"\naw_host = "{NO_SERVER}"\n')
    switch = switch_of(paths)
    switch._environ = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":65000"}
    session = open_one(switch, opened)
    with pytest.raises(SourceError, match=r"Wayland.*awatcher"):
        session.source.read(session.now() - timedelta(minutes=1), session.now())
    assert not session.source.status().reachable
    save(paths, f'aw_host = "{NO_SERVER}"\n')
    automatic = switch_of(paths)
    automatic._environ = switch._environ
    session = open_one(automatic, opened)
    assert session.source.name == "activitywatch"
    assert any("Wayland" in title for title, _ in session.messages)
