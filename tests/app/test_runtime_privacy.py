"""Pause and private mode in the worker: what was clicked is never read, whatever happens between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import session_loop
from taskclf_tray.app.commands import Pause, PrivateMode, Resume
from taskclf_tray.app.session import Session
from taskclf_tray.app.snapshot import IconState
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.time import from_us
from taskclf_tray.store.database import Database
from tests.support.worker_rig import START, Rig, until


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(session_loop, "TICK_SECONDS", 0.02)
    return Rig(tmp_path)


def has_label(rig: Rig) -> bool:
    return bool(rig.watcher.snapshots) and rig.watcher.snapshots[-1].ui_label is not None


@contextlib.contextmanager
def database_of(rig: Rig) -> Iterator[Database]:
    database = Database(rig.paths.database)
    yield database
    database.close()


def blackouts(rig: Rig) -> list[tuple[str, datetime, datetime | None]]:
    with database_of(rig) as database:
        found = database.blackouts.overlapping(0, 1 << 62)
    return [(b.reason, from_us(b.start_us), None if b.end_us is None else from_us(b.end_us)) for b in found]


def nothing_was_asked_between(rig: Rig, start: datetime, end: datetime) -> bool:
    return all(asked_end <= start or asked_start >= end for asked_start, asked_end in rig.source.asked)


def test_a_pause_is_shown_reads_nothing_and_ends_by_itself(rig: Rig) -> None:
    with rig.running() as runtime:
        until(lambda: has_label(rig), "a label")
        clicked = rig.clock.now()
        runtime.send(Pause(clicked, 15))
        until(lambda: runtime.snapshot.is_paused, "the pause")
        assert runtime.snapshot.state is IconState.PAUSED
        assert runtime.snapshot.line.startswith("Paused until")
        asked = len(rig.source.asked)
        rig.clock.advance(14 * 60)
        until(lambda: runtime.snapshot.is_paused, "still paused")
        assert len(rig.source.asked) == asked
        rig.clock.advance(120)
        until(lambda: has_label(rig) and not runtime.snapshot.is_paused, "the end of the pause")
    assert blackouts(rig) == [("pause", clicked, clicked + timedelta(minutes=15))]
    assert nothing_was_asked_between(rig, clicked, clicked + timedelta(minutes=15))


def test_after_a_pause_no_old_label_is_shown(rig: Rig) -> None:
    with rig.running() as runtime:
        until(lambda: has_label(rig), "a label")
        since = rig.watcher.snapshots[-1].since
        runtime.send(Pause(rig.clock.now(), 60))
        until(lambda: runtime.snapshot.is_paused, "the pause")
        rig.clock.advance(1800)
        resumed = rig.clock.now()
        seen = len(rig.watcher.snapshots)
        runtime.send(Resume(resumed))
        rig.clock.advance(90)
        until(lambda: has_label(rig), "a label")
    labels = [snapshot for snapshot in rig.watcher.snapshots[seen:] if snapshot.ui_label is not None]
    assert labels
    assert all(s.since is not None and s.since >= resumed for s in labels), since


def test_both_at_once_and_across_a_restart(rig: Rig) -> None:
    with rig.running() as runtime:
        until(lambda: has_label(rig), "a label")
        runtime.send(Pause(rig.clock.now(), 15))
        runtime.send(PrivateMode(rig.clock.now(), True))
        until(lambda: runtime.snapshot.is_paused and runtime.snapshot.is_private, "both")
        assert runtime.snapshot.line == "Private mode — nothing is read"
    asked = len(rig.source.asked)
    rig.clock.advance(3600)  # the pause ends while the app is off
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.is_private and not runtime.snapshot.is_paused, "private mode alone")
        assert len(rig.source.asked) == asked
        rig.clock.advance(60)
        runtime.send(PrivateMode(rig.clock.now(), False))
        rig.clock.advance(90)
        until(lambda: has_label(rig), "a label")
    end = START + timedelta(seconds=3660)
    assert ("private", START, end) in blackouts(rig)
    assert ("pause", START, START + timedelta(minutes=15)) in blackouts(rig)
    assert nothing_was_asked_between(rig, START, end)


def test_resume_ends_the_pause_and_not_private_mode(rig: Rig) -> None:
    with rig.running() as runtime:
        runtime.send(Pause(rig.clock.now(), None))
        runtime.send(PrivateMode(rig.clock.now(), True))
        runtime.send(Resume(rig.clock.now()))
        until(lambda: runtime.snapshot.is_private and not runtime.snapshot.is_paused, "private mode alone")


def test_a_click_before_the_session_is_open_is_not_lost(rig: Rig) -> None:
    runtime = rig.runtime()
    assert runtime.now() is None
    runtime.send(PrivateMode(datetime(2200, 1, 1, tzinfo=UTC), True))  # the wall clock's time, not the source's
    runtime.start()
    until(lambda: runtime.snapshot.is_private, "private mode")
    runtime.stop()
    assert rig.source.asked == []
    assert blackouts(rig) == [("private", START, None)]


def test_a_click_during_a_request_is_taken_in_before_the_next(rig: Rig) -> None:
    rig.clock.advance(8 * 3600)  # a catch-up of several requests
    runtime = rig.runtime()

    def click() -> None:
        if len(rig.source.asked) == 2:
            runtime.send(PrivateMode(rig.clock.now(), True))

    rig.source.during_read = click
    runtime.start()
    until(lambda: runtime.snapshot.is_private, "private mode")
    runtime.stop()
    assert len(rig.source.asked) == 2


def test_a_pause_that_cannot_be_written_stops_reading_and_is_written_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig.running() as runtime:
        until(lambda: has_label(rig), "a label")

        def full(_session: Session, _command: object) -> None:
            raise StoreError("The disk that holds tray.db is full.", "Free some space.")

        with monkeypatch.context() as patch:
            patch.setattr(Session, "apply_privacy", full)
            clicked = rig.clock.now()
            runtime.send(PrivateMode(clicked, True))
            until(lambda: rig.notifier.told("is full"), "the reason")
            asked = len(rig.source.asked)
            rig.clock.advance(300)
            for _ in range(3):
                told = len(rig.watcher.snapshots)
                runtime.send(PrivateMode(rig.clock.now(), True))
                until(lambda told=told: len(rig.watcher.snapshots) >= told, "a look")  # type: ignore[misc]
            assert len(rig.source.asked) == asked
            assert len(rig.notifier.told("is full")) == 1
        until(lambda: runtime.snapshot.is_private, "private mode")
    assert blackouts(rig) == [("private", clicked, None)]


@pytest.mark.parametrize(
    ("zone", "clicked", "ends"),
    [
        ("UTC", "2026-03-02T09:40:00+00:00", "2026-03-03T00:00:00+00:00"),
        ("Asia/Tokyo", "2026-03-02T09:40:00+00:00", "2026-03-02T15:00:00+00:00"),
        ("Europe/Berlin", "2026-03-28T23:30:00+00:00", "2026-03-29T22:00:00+00:00"),  # the day has 23 hours
        ("Europe/Berlin", "2026-10-24T22:30:00+00:00", "2026-10-25T23:00:00+00:00"),  # the day has 25 hours
    ],
)
def test_until_tomorrow_is_until_the_local_midnight(rig: Rig, zone: str, clicked: str, ends: str) -> None:
    at = datetime.fromisoformat(clicked)
    rig.clock.set(at)
    rig.time_zone = zone
    session = rig.session()
    session.apply_privacy(Pause(at, None))
    rig.clock.set(datetime.fromisoformat(ends) - timedelta(seconds=1))
    assert [b.reason for b in session.open_blackouts()] == ["pause"]
    rig.clock.set(datetime.fromisoformat(ends))
    assert session.open_blackouts() == []
    session.close()
    assert blackouts(rig) == [("pause", at, datetime.fromisoformat(ends))]


def test_a_second_pause_moves_the_end_and_not_the_start(rig: Rig) -> None:
    session = rig.session()
    session.apply_privacy(Pause(START, 60))
    rig.clock.advance(600)
    session.apply_privacy(Pause(rig.clock.now(), 15))
    rig.clock.advance(15 * 60)
    assert session.open_blackouts() == []
    session.close()
    assert blackouts(rig) == [("pause", START, START + timedelta(minutes=25))]
