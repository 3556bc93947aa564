"""Simulated people: the same day every time, believable to the last flaw, and different from each other."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from taskclf_tray.adapters.apps import AppRegistry
from taskclf_tray.adapters.base import Stream
from taskclf_tray.adapters.raw import RawEvent
from taskclf_tray.core.intervals import covered, subtract, union
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.simulation.habits import BROWSERS, LOCKERS, SURFACES
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.simulation.personas import PERSONAS
from taskclf_tray.simulation.scenes import GLANCES, RHYTHMS, SCENES, WANDERINGS
from taskclf_tray.simulation.screen import FORMS, write_title
from taskclf_tray.simulation.words import invent_vocabulary, rng_of

TUESDAY = date(2026, 3, 3)
KEYS = {
    Stream.WINDOW: {"app": str, "title": str},
    Stream.AWAY: {"status": str},
    Stream.INPUT: dict.fromkeys(("presses", "clicks", "deltaX", "deltaY", "scrollX", "scrollY"), int),
    Stream.TAB: {"url": str, "title": str, "audible": bool, "incognito": bool, "tabCount": int},
}
ALL = sorted(PERSONAS)


def events_of(person: SimulatedPerson, day: date, stream: Stream) -> tuple[RawEvent, ...]:
    start, _ = person.working_day(day)
    return person.day(start.date()).events[stream]


@pytest.mark.parametrize("persona", ALL)
def test_a_day_is_the_same_however_it_is_reached(persona: str) -> None:
    alone = SimulatedPerson(persona, 5).day(TUESDAY)
    walker = SimulatedPerson(persona, 5)
    for k in range(4):
        walker.day(TUESDAY - timedelta(days=4 - k))
    assert walker.day(TUESDAY) == alone
    assert sum(len(SimulatedPerson(persona, 5).day(TUESDAY + timedelta(days=k)).truth) for k in range(3)) > 10


@pytest.mark.parametrize("persona", ALL)
def test_events_have_the_keys_and_types_of_the_real_watchers(persona: str) -> None:
    person = SimulatedPerson(persona, 2)
    for stream, keys in KEYS.items():
        events = events_of(person, TUESDAY, stream)
        assert len(events) > 3
        for event in events:
            assert {key: type(value) for key, value in event.data.items()} == keys
            assert event.start_us % 1000 == 0
            assert event.duration_us % 1000 == 0
            assert event.duration_us >= 0
        starts = [event.start_us for event in events]
        assert starts == sorted(starts)
        assert all(a.end_us <= b.start_us for a, b in pairwise(events))
        assert len({event.event_id for event in events}) == len(events)


def test_windows_leave_a_hole_of_a_second_at_every_switch() -> None:
    events = events_of(SimulatedPerson("developer", 1), TUESDAY, Stream.WINDOW)
    holes = [b.start_us - a.end_us for a, b in pairwise(events)]
    assert min(holes) > 0
    assert sorted(holes)[len(holes) // 2] == 1_002_000
    assert sum(event.duration_us == 0 for event in events) > 3


def test_unknown_windows_turn_up_now_and_then() -> None:
    person = SimulatedPerson("manager", 3)
    days = [events_of(person, TUESDAY + timedelta(days=k), Stream.WINDOW) for k in range(3)]
    events = [event for day in days for event in day]
    unknown = [event for event in events if event.data == {"app": "unknown", "title": "unknown"}]
    assert 0 < len(unknown) < len(events) / 20


@pytest.mark.parametrize("persona", ALL)
def test_input_comes_in_5_s_samples_whose_equal_neighbours_merge(persona: str) -> None:
    events = events_of(SimulatedPerson(persona, 4), TUESDAY, Stream.INPUT)
    assert all(event.start_us % 5_000_000 == 0 == event.duration_us % 5_000_000 for event in events)
    assert not any(a.end_us == b.start_us and a.data == b.data for a, b in pairwise(events))
    still = [event.duration_us for event in events if not any(event.data.values())]
    assert max(still) > 120_000_000


@pytest.mark.parametrize("persona", ALL)
def test_away_is_said_after_180_s_without_input_and_back_to_the_last_one(persona: str) -> None:
    person = SimulatedPerson(persona, 6)
    away = events_of(person, TUESDAY, Stream.AWAY)
    moments = person.day(person.working_day(TUESDAY)[0].date()).input_moments_us
    gone = [event for event in away if event.data["status"] == "afk"]
    assert len(gone) > 2
    for event in gone:
        assert event.duration_us >= 179_999_000
        assert not any(event.start_us < moment < event.end_us for moment in moments)
    present = [(e.start_us, e.end_us) for e in away if e.data["status"] == "not-afk"]
    assert sum(any(a <= moment <= b for a, b in present) for moment in moments) == len(moments)


def test_tabs_follow_the_browser_and_some_play() -> None:
    person = SimulatedPerson("browser-only", 2)
    tabs = events_of(person, TUESDAY, Stream.TAB)
    assert all(event.data["url"].startswith(("https://", "http://localhost", "http://127.")) for event in tabs)
    played = [
        event
        for k in range(3)
        for event in events_of(person, TUESDAY + timedelta(days=k), Stream.TAB)
        if event.data["audible"]
    ]
    assert played


@pytest.mark.parametrize("persona", ALL)
def test_truth_covers_every_second_in_which_a_window_is_in_front(persona: str) -> None:
    person = SimulatedPerson(persona, 3)
    day = person.day(person.working_day(TUESDAY)[0].date())
    spans = [(to_us(span.start_ts), to_us(span.end_ts)) for span in day.truth]
    windows = union((event.start_us, event.end_us) for event in day.events[Stream.WINDOW])
    assert subtract(windows, union(spans)) == []
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert {span.label for span in day.truth} <= set(LABEL_SET_V1)
    begin, end = spans[0][0], spans[-1][1]
    machine_on = sum(b - a for a, b in day.on)
    assert machine_on <= end - begin
    assert covered(windows, begin, end) > machine_on * 0.93


def test_truth_is_clipped_to_what_is_asked() -> None:
    person = SimulatedPerson("writer", 1)
    start = datetime(2026, 3, 3, 10, 7, tzinfo=UTC)
    spans = person.truth(start, start + timedelta(minutes=50))
    assert spans[0].start_ts == start
    assert spans[-1].end_ts == start + timedelta(minutes=50)


def test_other_seeds_are_other_people() -> None:
    one, other = (SimulatedPerson("analyst", seed) for seed in (1, 2))
    titles = [
        {event.data["title"] for event in events_of(person, TUESDAY, Stream.WINDOW)} - {"unknown", ""}
        for person in (one, other)
    ]
    shared = titles[0] & titles[1]
    assert len(shared) < 0.05 * min(map(len, titles))
    words = [person.habits(TUESDAY).vocabulary for person in (one, other)]
    assert not set(words[0].projects) & set(words[1].projects)


def test_a_change_of_life_changes_programs_from_its_date_on_only() -> None:
    plain = SimulatedPerson("developer", 1)
    changed = SimulatedPerson("developer", 1, changes={TUESDAY: "new job"})
    monday = TUESDAY - timedelta(days=1)
    assert changed.day(monday) == plain.day(monday)
    assert changed.habits(TUESDAY).vocabulary != plain.habits(TUESDAY).vocabulary


def test_programs_are_shared_between_labels_so_that_the_program_alone_never_tells() -> None:
    person = SimulatedPerson("developer", 1)
    labels_of: dict[str, set[str]] = {}
    for k in range(4):
        day = person.day(TUESDAY + timedelta(days=k))
        for span in day.truth:
            begin, end = to_us(span.start_ts), to_us(span.end_ts)
            for event in day.events[Stream.WINDOW]:
                if begin <= event.start_us < end:
                    labels_of.setdefault(event.data["app"], set()).add(span.label)
    habits = person.habits(TUESDAY)
    assert len(labels_of[habits.browser]) >= 7
    assert len(labels_of[habits.places["editor"].app]) >= 3


def test_weekends_differ_from_weekdays() -> None:
    person = SimulatedPerson("analyst", 1)
    worked = Counter(
        (TUESDAY + timedelta(days=k)).weekday() >= 5 for k in range(28) if person.day(TUESDAY + timedelta(days=k)).truth
    )
    assert worked[False] >= 18
    assert worked[True] <= 4


@pytest.mark.parametrize("zone_name", ["Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_people_keep_local_hours_through_a_change_of_clocks(zone_name: str) -> None:
    person = SimulatedPerson("student", 1, time_zone=zone_name)
    for day in (date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1), TUESDAY):
        start, end = person.working_day(day)
        local = [moment.astimezone(person._zone) for moment in (start, end)]
        assert 6 <= local[0].hour <= 15
        assert local[0].date() == local[1].date()
        found = person.raw_events(start, end)[Stream.WINDOW]
        assert found[0].start_us >= to_us(start)


def test_reading_hours_one_by_one_gives_the_day() -> None:
    person = SimulatedPerson("manager", 2, time_zone="Asia/Tokyo")
    start, end = person.working_day(TUESDAY)
    whole = person.raw_events(start, end)
    parts: dict[Stream, dict[int, RawEvent]] = {stream: {} for stream in Stream}
    at = start
    while at < end:
        for stream, events in person.raw_events(at, at + timedelta(hours=1)).items():
            parts[stream].update((event.event_id, event) for event in events)
        at += timedelta(hours=1)
    for stream in Stream:
        assert list(parts[stream].values()) == whole[stream]


def test_every_scene_names_what_exists() -> None:
    scenes = [scene for group in SCENES.values() for scene in group] + [*GLANCES, *WANDERINGS]
    for scene in scenes:
        assert scene.surface in SURFACES
        assert scene.words in FORMS
        assert scene.rhythm in RHYTHMS
    assert {name for persona in PERSONAS.values() for name in persona.surfaces} <= set(SURFACES)
    rng = rng_of("titles")
    words = invent_vocabulary(rng)
    for form in FORMS:
        for _ in range(8):
            assert "{" not in write_title(form, rng, words, "atlas")


def test_reported_names_are_names_the_registry_knows() -> None:
    registry = AppRegistry.default()
    for surface in (*SURFACES.values(), BROWSERS, LOCKERS):
        for name in (*surface.linux, *surface.windows, *surface.macos):
            if "{" not in name:
                assert not registry.lookup(name).app_id.startswith("unknown."), name
    assert all(registry.lookup(n).is_locker for n in (*LOCKERS.linux, *LOCKERS.windows, *LOCKERS.macos))


def test_nothing_was_recorded_before_the_first_day() -> None:
    person = SimulatedPerson("developer", 1, first_day=TUESDAY)
    noon = datetime(2026, 3, 3, tzinfo=UTC)
    assert not any(person.raw_events(noon - timedelta(days=30), noon).values())
    assert person.raw_events(noon, noon + timedelta(days=1))[Stream.WINDOW]


def test_unknown_personas_and_zones_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown persona 'pilot'"):
        SimulatedPerson("pilot", 1)
    with pytest.raises(ValueError, match="unknown time zone"):
        SimulatedPerson("writer", 1, time_zone="Mars/Olympus")
