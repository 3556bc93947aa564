"""Days on which the clock is changed at midnight, days that never came, and zones that are hard to name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from PIL import Image

from taskclf_tray.core.time import day_bounds
from tests.support.cli_records import RecordHome, clock_of, in_berlin, line
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import USER

__all__ = ["in_berlin", "line"]

NO_MIDNIGHT = [
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Havana", date(2026, 3, 8)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Atlantic/Azores", date(2026, 3, 29)),
]
TWO_MIDNIGHTS = [("America/Havana", date(2026, 11, 1)), ("Atlantic/Azores", date(2026, 10, 25))]


@pytest.fixture
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, date]]:
    """The clock on the wall is that of the zone."""
    with clock_of(request.param[0], monkeypatch):
        yield request.param


def fill(line: RecordHome, zone: str, day: date) -> int:
    """Build in the day's first and last 10 min, Meet in the minutes around it; how many minutes Build are the day's."""
    start, end = day_bounds(day, zone)
    build = [start + n * MINUTE for n in range(10)] + [end - n * MINUTE for n in range(1, 11)]
    meet = [start - n * MINUTE for n in range(1, 11)] + [end + n * MINUTE for n in range(10)]
    records = [bucket(moment, "Build", zone=zone, user=USER) for moment in build]
    records += [bucket(moment, "Meet", zone=zone, user=USER) for moment in meet]
    with line.database() as database, database.transaction():
        database.buckets.put(records)
    return len(build)


@pytest.mark.parametrize("here", [*NO_MIDNIGHT, *TWO_MIDNIGHTS], indirect=True)
def test_the_day_is_reported_as_itself(line: RecordHome, here: tuple[str, date]) -> None:
    zone, day = here
    minutes = fill(line, zone, day)
    code, out, err = line.call("report", "daily", "--day", day.isoformat())
    assert (code, err) == (0, "")
    assert out.startswith(f"{day:%A}, {day.day} {day:%B %Y} ({zone})")
    report = line.json("report", "daily", "--day", day.isoformat())
    assert (report["date"], report["core_label_seconds"]) == (day.isoformat(), {"Build": minutes * 60.0})
    code, out, _ = line.call("report", "daily", "--csv", "--day", day.isoformat())
    assert {row.split(",")[0] for row in out.splitlines()[1:]} == {day.isoformat()}
    code, out, err = line.call("monitor", "telemetry", "--day", day.isoformat())
    assert out.splitlines()[1].startswith(f"{day}       20")
    week = line.json("report", "weekly", "--day", day.isoformat())
    assert next(d for d in week["days"] if d["date"] == day.isoformat())["core_label_seconds"] == {"Build": 1200.0}


@pytest.mark.parametrize("here", NO_MIDNIGHT, indirect=True)
def test_today_and_yesterday_are_that_day(line: RecordHome, here: tuple[str, date]) -> None:
    zone, day = here
    fill(line, zone, day)
    start, end = day_bounds(day, zone)
    for now, word in ((start + 5 * MINUTE, "today"), (end + 5 * MINUTE, "yesterday")):
        line.now = now
        assert line.json("report", "daily", "--day", word)["date"] == day.isoformat()
    line.now = start + 5 * MINUTE
    assert line.json("report", "daily")["date"] == day.isoformat()
    code, out, _ = line.call("monitor", "telemetry", "--day", "today")
    assert code == 0
    assert str(day) in out


@pytest.mark.parametrize("here", NO_MIDNIGHT, indirect=True)
def test_labels_of_the_day(line: RecordHome, here: tuple[str, date]) -> None:
    zone, day = here
    start, end = day_bounds(day, zone)
    line.now = end + timedelta(hours=1)
    for begin in (start - 20 * MINUTE, start, end):
        line.call("labels", "add", "--start", begin.isoformat(), "--end", (begin + 20 * MINUTE).isoformat(), "Build")
    listed = line.json("labels", "list", "--day", day.isoformat())
    assert [label["start"] for label in listed["labels"]] == [start.isoformat()]
    assert (listed["from"], listed["to"]) == (start.isoformat(), end.isoformat())


@pytest.mark.parametrize(
    "here", [("Pacific/Apia", date(2011, 12, 30)), ("Pacific/Kwajalein", date(1993, 8, 21))], indirect=True
)
def test_a_day_that_never_came_is_said(line: RecordHome, here: tuple[str, date]) -> None:
    zone, day = here
    for words in (("report", "daily"), ("report", "weekly"), ("monitor", "telemetry"), ("labels", "list")):
        said = line.refused(*words, "--day", day.isoformat(), code=2)
        assert f"there was no {day} in {zone}: the calendar went from {day - timedelta(days=1)} to" in said
    assert line.json("report", "weekly", "--day", (day - timedelta(days=1)).isoformat())["bucket_count"] == 0
    code, _, err = line.call("report", "daily", "--day", (day + timedelta(days=1)).isoformat())
    assert (code, err) == (0, "")


def test_a_picture_of_a_week_with_a_day_that_never_came(line: RecordHome, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock_of("Pacific/Apia", monkeypatch):
        fill(line, "Pacific/Apia", date(2011, 12, 29))
        out = line.home / "week.png"
        assert line.call("report", "weekly", "--day", "2011-12-29", "--out", str(out))[0] == 0
        with Image.open(out) as picture:
            picture.verify()


@pytest.mark.parametrize(
    "zone", ["CET-1CEST", ":America/New_York", "EST5EDT,M3.2.0,M11.1.0", "", "nonsense", "US/Pacific", "/dev/null"]
)
def test_no_command_is_surprised_by_the_zone(line: RecordHome, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock_of(zone, monkeypatch):
        line.call("labels", "add", "--start", "2026-03-02T11:00Z", "--end", "2026-03-02T11:20Z", "Build")
        for words in (
            ("labels", "list"),
            ("report", "daily"),
            ("report", "weekly"),
            ("report", "daily", "--day", "2026-03-01"),
            ("monitor", "telemetry"),
            ("monitor", "show"),
            ("queue", "list"),
            ("queue", "asking", "not-today"),
        ):
            code, out, err = line.call(*words)
            assert (code, err) == (0, ""), (words, out)


def test_a_record_of_a_zone_that_is_not_known_here(line: RecordHome) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with line.database() as database, database.transaction():
        database.buckets.put(bucket(noon + n * MINUTE, "Build", zone="Mars/Elysium", user=USER) for n in range(30))
    for words in (("report", "daily"), ("report", "weekly"), ("monitor", "telemetry")):
        code, out, err = line.call(*words)
        assert code == 0
        assert "Build" in out
        assert "“Mars/Elysium” are counted in UTC: this computer does not know it. Update" in err
    code, out, err = line.call("report", "daily", "--json")
    assert json.loads(out)["core_label_seconds"] == {"Build": 1800.0}
    assert line.call("report", "daily", "--out", str(line.home / "day.png"))[0] == 0
