"""Feeding a real aw-server: what comes back through the ActivityWatch adapter is what was simulated."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from taskclf_tray.adapters.activitywatch import ActivityWatchSource
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.errors import AWConnectionError
from taskclf_tray.core.types import SourceEvents
from taskclf_tray.simulation.person import ManualClock, SimulatedPerson, SimulatedSource
from tests.support.aw_feed import LiveFeeder, feed_aw_server, main
from tests.support.aw_server import AWServer, run_aw_server

SECRET = "7c" * 32
TUESDAY = date(2026, 3, 3)
pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AWServer]:
    with run_aw_server(tmp_path_factory.mktemp("aw")) as running:
        yield running


def read_back(server: AWServer, hostname: str, start: datetime, end: datetime) -> SourceEvents:
    source = ActivityWatchSource(server.url, normaliser=Normaliser(SECRET), hostname=hostname)
    try:
        return source.read(start, end)
    finally:
        source.close()


def simulated(person: SimulatedPerson, start: datetime, end: datetime, now: datetime, lag: float) -> SourceEvents:
    return SimulatedSource(person, Normaliser(SECRET), clock=ManualClock(now), lag_seconds=lag).read(start, end)


def without_ids(events: Sequence[Any]) -> list[Any]:
    return [dataclasses.replace(event, event_id=0) for event in events]


def assert_same(left: SourceEvents, right: SourceEvents) -> None:
    for name in ("window", "input", "away", "tab"):
        assert without_ids(getattr(left, name)) == without_ids(getattr(right, name)), name


@pytest.mark.parametrize("persona", ["developer", "browser-only"])
def test_a_day_comes_back_as_it_was_simulated(server: AWServer, persona: str) -> None:
    person = SimulatedPerson(persona, 1, time_zone="Europe/Berlin")
    start, end = person.working_day(TUESDAY)
    start, end = start.replace(microsecond=0), end.replace(microsecond=0) + timedelta(minutes=1)
    count = feed_aw_server(server.url, person, start, end, hostname=f"desk-{persona}")
    assert count > 1000
    back = read_back(server, f"desk-{persona}", start, end)
    assert len(back.window) > 200
    assert_same(back, simulated(person, start, end, end + timedelta(hours=1), 0.0))


def test_living_hours_come_back_as_they_were_known_at_each_moment(server: AWServer) -> None:
    person = SimulatedPerson("manager", 2)
    start, _ = person.working_day(TUESDAY)
    start = start.replace(microsecond=0)
    feeder = LiveFeeder(server.url, person, start, hostname="desk-live")
    try:
        for seconds in (600, 605, 615, 700, 705, 1300, 1490, 1500, 3000):
            now = start + timedelta(seconds=seconds)
            feeder.feed(now)
            assert feeder.feed(now) == 0
            assert_same(read_back(server, "desk-live", start, now), simulated(person, start, now, now, 5.0))
    finally:
        feeder.close()


def test_buckets_look_like_those_of_the_real_watchers(server: AWServer, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--persona", "writer", "--seed", "4", "--day", "2026-03-03", "--host", server.url]
    assert main([*arguments, "--hostname", "desk-cli"]) == 0
    assert "events of writer 4 written" in capsys.readouterr().out
    # this writer's browser is Chromium, whose web watcher takes itself for Chrome's
    buckets = {bucket["id"]: bucket for bucket in server.call("GET", "buckets/")[1].values()}
    for stem, kind in (
        ("aw-watcher-window", Stream.WINDOW),
        ("aw-watcher-afk", Stream.AWAY),
        ("aw-watcher-input", Stream.INPUT),
        ("aw-watcher-web-chrome", Stream.TAB),
    ):
        bucket = buckets[f"{stem}_desk-cli"]
        assert bucket["type"] == kind.value
        assert bucket["hostname"] == "desk-cli"
        assert server.call("GET", f"buckets/{stem}_desk-cli/events?limit=3")[1]


def test_no_server_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    person = SimulatedPerson("writer", 1)
    start, end = person.working_day(TUESDAY)
    with pytest.raises(AWConnectionError):
        feed_aw_server("http://127.0.0.1:9", person, start, end)
    assert main(["--day", "2026-03-03", "--host", "http://127.0.0.1:9"]) == 1
    assert "No ActivityWatch server answers" in capsys.readouterr().err
