"""The simulated source: the contract of every source, and as late as real watchers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.simulation.person import ManualClock, ReplayClock, SimulatedPerson, SimulatedSource, known_by
from taskclf_tray.simulation.personas import PERSONAS
from tests.support.source_contract import check_source

SECRET = "5a" * 32
TUESDAY = date(2026, 3, 3)


def source_at(
    person: SimulatedPerson, moment: datetime, lag_seconds: float = 5.0
) -> tuple[SimulatedSource, ManualClock]:
    clock = ManualClock(moment)
    return SimulatedSource(person, Normaliser(SECRET), clock=clock, lag_seconds=lag_seconds), clock


@pytest.mark.parametrize("persona", ["developer", "browser-only"])
def test_it_keeps_the_contract_of_every_source(persona: str) -> None:
    person = SimulatedPerson(persona, 1)
    _, end = person.working_day(TUESDAY)
    check_source(
        lambda _: source_at(person, end + timedelta(minutes=10))[0],
        {stream: events for stream, events in person.day(TUESDAY).events.items() if events},
    )


def test_nothing_is_told_before_it_happened() -> None:
    person = SimulatedPerson("analyst", 2)
    start, end = person.working_day(TUESDAY)
    source, clock = source_at(person, start)
    for minutes in range(0, 200, 7):
        clock.set(start + timedelta(minutes=minutes))
        events = source.read(start - timedelta(minutes=1), end)
        for listed in (events.window, events.input, events.away, events.tab):
            for event in listed:
                assert event.timestamp + timedelta(seconds=event.duration_seconds) <= clock.now()


def test_the_newest_event_grows_and_older_ones_stay() -> None:
    person = SimulatedPerson("writer", 1)
    start, end = person.working_day(TUESDAY)
    before = {stream: {} for stream in Stream}
    for seconds in range(0, 3600, 11):
        now = start + timedelta(seconds=seconds)
        for stream, events in known_by(person, start, end, now, 5.0).items():
            for event in events[:-1]:
                assert before[stream].get(event.event_id, 0) <= event.duration_us
            before[stream] = {event.event_id: event.duration_us for event in events}
    final = person.raw_events(start, start + timedelta(seconds=3500))
    for stream in (Stream.WINDOW, Stream.INPUT, Stream.TAB):
        for event in final[stream][:-3]:
            assert before[stream][event.event_id] == event.duration_us


def test_away_is_known_late_and_reaches_back() -> None:
    person = SimulatedPerson("manager", 1)
    start, end = person.working_day(TUESDAY)
    gone = next(
        e
        for e in person.raw_events(start, end)[Stream.AWAY]
        if e.data["status"] == "afk" and e.duration_us > 400_000_000
    )
    began = from_us(gone.start_us)

    def known(seconds: float) -> list[str]:
        now = began + timedelta(seconds=seconds)
        return [
            e.data["status"] for e in known_by(person, began, end, now, 5.0)[Stream.AWAY] if e.start_us >= gone.start_us
        ]

    assert known(120) == []
    assert known(184) == []
    assert known(186) == ["afk"]
    quiet = known_by(person, start, end, began + timedelta(seconds=100), 5.0)[Stream.AWAY][-1]
    assert quiet.end_us == gone.start_us - 1000  # `not-afk` stopped at the last input, and says nothing since


def test_lag_of_windows_is_the_one_asked_for() -> None:
    person = SimulatedPerson("developer", 3)
    start, end = person.working_day(TUESDAY)
    now = start + timedelta(minutes=40)
    for lag in (0.0, 5.0, 9.0):
        newest = known_by(person, start, end, now, lag)[Stream.WINDOW][-1]
        assert 0 <= to_us(now) - newest.end_us - lag * 1e6 < 2_100_000


def test_status_names_the_newest_event() -> None:
    person = SimulatedPerson("student", 1)
    start, _ = person.working_day(TUESDAY)
    source, clock = source_at(person, start + timedelta(minutes=30))
    status = source.status()
    assert status.reachable
    assert status.streams == frozenset(Stream)
    assert status.newest_event is not None
    assert clock.now() - timedelta(seconds=10) < status.newest_event <= clock.now()


def test_memory_holds_few_days() -> None:
    person = SimulatedPerson("developer", 1)
    for k in range(12):
        person.day(TUESDAY + timedelta(days=k))
    assert len(person._days) <= 3


def test_replay_runs_at_its_speed() -> None:
    seconds = [100.0]
    start = datetime(2026, 3, 3, 9, tzinfo=UTC)
    clock = ReplayClock(start, 60.0, monotonic=lambda: seconds[0])
    assert clock.now() == start
    seconds[0] += 2.5
    assert clock.now() == start + timedelta(seconds=150)
    with pytest.raises(ValueError, match="above 0"):
        ReplayClock(start, 0.0)


def test_all_personas_have_names_people_can_type() -> None:
    assert sorted(PERSONAS) == ["analyst", "browser-only", "developer", "manager", "student", "writer"]
