"""A change of the computer's time zone is followed while the app runs; what stands in for a zone is said once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskclf_tray.app import text
from taskclf_tray.app.clock_watch import ZoneWatch
from taskclf_tray.app.commands import Pause
from taskclf_tray.app.session import Session
from taskclf_tray.app.text import Message
from taskclf_tray.app.worker import TrayRuntime
from taskclf_tray.core.time import local_day_bounds, to_us
from taskclf_tray.core.zones import known_zone, unknown_zones
from taskclf_tray.system.local_zone import LocalZone
from tests.support.worker_home import USER
from tests.support.worker_rig import FAST, START, Rig, until

BERLIN = LocalZone("Europe/Berlin", "/etc/localtime")
BROKEN = LocalZone("UTC", "the variable TZ", "TZ is set to “nonsense”, which is no time zone.")


@pytest.fixture
def set_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set this process's zone."""
    yield lambda name: monkeypatch.setenv("TZ", name)
    monkeypatch.undo()
    time.tzset()


def test_the_running_app_follows_the_zone(tmp_path: Path, set_zone: Callable[[str], None]) -> None:
    """From London at 09:40 to Tokyo, where it is 18:40; the record, the title and a pause go by the new clock."""
    set_zone("Europe/London")
    rig = Rig(tmp_path)

    def open_session(before_request: Callable[[], None]) -> Session:
        return Session(rig.paths, rig.config, lambda _: rig.source, before_request=before_request)

    runtime = TrayRuntime(open_session, rig.notifier, settings=FAST, listeners=[rig.watcher])
    runtime.start()
    try:
        until(lambda: "since 09:" in runtime.snapshot.line, "a live label by London's clock")
        until(lambda: any(step.finalised for step in rig.watcher.steps), "the morning's minutes")
        set_zone("Asia/Tokyo")
        until(lambda: "since 18:" in runtime.snapshot.line, "the same label by Tokyo's clock")
        rig.clock.advance(180)
        until(lambda: any(step.finalised for step in rig.watcher.steps[1:]), "minutes of the new zone")
        runtime.send(Pause(rig.clock.now(), None))
        until(lambda: runtime.snapshot.line == text.paused_line(local_day_bounds(START, "Asia/Tokyo")[1]), "the pause")
        assert runtime.snapshot.line == "Paused until tomorrow"
    finally:
        runtime.stop()
    session = rig.session()
    try:
        records = session.database.buckets.between(USER, 0, 1 << 62)
        assert {r.time_zone for r in records if r.end_us < to_us(START)} == {"Europe/London"}
        assert records[-1].time_zone == "Asia/Tokyo"
    finally:
        session.close()


def test_today_begins_at_the_new_midnight(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    session = rig.session()
    try:
        assert session.recorder is not None
        while not session.recorder.step(rig.clock.now()).is_caught_up:
            pass
        assert session.today_view().total_minutes > 20
        rig.clock.advance(6 * 3600)  # 15:40 in London is the next day in Auckland
        rig.time_zone = "Pacific/Auckland"
        assert session.today_view().total_minutes == 0
        rig.time_zone = "UTC"
        assert session.today_view().total_minutes > 20
    finally:
        session.close()


def test_a_zone_that_cannot_be_used_is_told_once() -> None:
    told: list[Message] = []
    zones = [BERLIN]

    def tell(messages: Sequence[Message]) -> None:
        told.extend(messages)

    watch = ZoneWatch(tell, current=lambda: zones[-1])
    assert [watch.look(), watch.look()] == [False, False]
    zones.append(BROKEN)
    assert [watch.look(), watch.look()] == [True, False]
    ((title, body),) = told
    assert title == "The time zone of this computer cannot be used"
    assert body.startswith("TZ is set to “nonsense”, which is no time zone. Days are counted in UTC. Choose")
    zones.append(BERLIN)
    assert watch.look()
    zones.append(BROKEN)
    assert watch.look()
    assert len(told) == 2


def test_an_unknown_stored_zone_is_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = ZoneWatch(lambda _: None, current=lambda: BERLIN)
    watch.look()
    caplog.clear()
    known_zone("Mars/Utopia")
    assert "Mars/Utopia" in unknown_zones()
    for _ in range(3):
        watch.look()
    assert [record.getMessage().count("“Mars/Utopia”") for record in caplog.records] == [1]


@pytest.mark.parametrize(
    ("zone", "clicked"),
    [
        ("Africa/Cairo", "2026-04-23T12:00+00:00"),  # the next day begins at 01:00
        ("America/Havana", "2026-10-31T12:00+00:00"),  # and here at the first of two midnights
    ],
)
def test_until_tomorrow_without_a_midnight(
    tmp_path: Path, set_zone: Callable[[str], None], zone: str, clicked: str
) -> None:
    set_zone(zone)
    moment = datetime.fromisoformat(clicked)
    rig = Rig(tmp_path)
    rig.clock.set(moment)
    rig.time_zone = zone
    session = rig.session()
    try:
        session.apply_privacy(Pause(moment, None))
        (blackout,) = session.open_blackouts()
        end = local_day_bounds(moment, zone)[1]
        assert blackout.resume_us == to_us(end)
        assert text.paused_line(end) == "Paused until tomorrow"
        rig.clock.set(end - timedelta(seconds=1))
        assert session.open_blackouts()
        rig.clock.set(end)
        assert not session.open_blackouts()
    finally:
        session.close()
