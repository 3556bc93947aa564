"""Times in label files without an offset: UTC unless local is said, and what was assumed is said with an example."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.errors import LabelError
from taskclf_tray.labels.csv_files import LabelTimes, read_label_csv

BERLIN, AUCKLAND = "Europe/Berlin", "Pacific/Auckland"
FIELD_CASE = "start_ts,end_ts,label\n2026-11-27T16:30:00,2026-11-27T16:50:00,Build\n"
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def read(tmp_path: Path, text: str, times: LabelTimes, at: datetime = LATER) -> list[tuple[datetime, datetime]]:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return [(span.start_ts, span.end_ts) for span in read_label_csv(path, user_id="u", at=at, times=times)]


def test_without_an_offset_a_time_is_utc_and_that_is_said_with_an_example(tmp_path: Path) -> None:
    times = LabelTimes()
    half_past = datetime(2026, 11, 27, 16, 30, tzinfo=UTC)
    assert read(tmp_path, FIELD_CASE, times) == [(half_past, half_past + timedelta(minutes=20))]
    assert times.note(BERLIN) == (
        "2 times have no offset: 2026-11-27T16:30:00 was read as 16:30 UTC, that is 17:30 here; "
        "use --times local if the file means local time."
    )
    assert "that is 2026-11-28 05:30 here" in str(times.note(AUCKLAND))
    assert "that is 16:30 here" in str(times.note("UTC"))


def test_local_times_are_those_of_the_clock_on_the_wall(tmp_path: Path) -> None:
    times = LabelTimes(BERLIN)
    half_past = datetime(2026, 11, 27, 15, 30, tzinfo=UTC)
    assert read(tmp_path, FIELD_CASE, times) == [(half_past, half_past + timedelta(minutes=20))]
    assert (times.note(BERLIN), times.without_offset) == (None, 2)


def test_times_with_an_offset_are_no_matter_of_assumption(tmp_path: Path) -> None:
    text = FIELD_CASE.replace(":00,", ":00+05:30,")
    for zone_name in (None, BERLIN):
        times = LabelTimes(zone_name)
        assert read(tmp_path, text, times)[0][0] == datetime(2026, 11, 27, 11, 0, tzinfo=UTC)
        assert (times.note(BERLIN), times.without_offset) == (None, 0)
    mixed = LabelTimes()
    read(tmp_path, FIELD_CASE.replace("30:00,", "30:00Z,"), mixed)
    assert str(mixed.note(BERLIN)).startswith("One time has no offset: 2026-11-27T16:50:00 was read as 16:50 UTC")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            "2026-10-25T02:30:00",
            "start_ts 2026-10-25T02:30:00 came twice in Europe/Berlin, as the clock was set back: "
            "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00",
        ),
        (
            "2026-03-29T02:30:00",
            "start_ts 2026-03-29T02:30:00 did not come in Europe/Berlin: the clock was set forward over it",
        ),
    ],
)
def test_local_times_that_come_twice_or_never_are_named_with_their_line(
    tmp_path: Path, written: str, says: str
) -> None:
    text = f"start_ts,end_ts,label\n{written},2026-11-27T16:50:00,Build\n"
    with pytest.raises(LabelError, match="Nothing was imported") as caught:
        read(tmp_path, text, LabelTimes(BERLIN))
    assert f"line 2: {says}" in caught.value.title
    assert len(read(tmp_path, text, LabelTimes())) == 1  # in UTC every time comes once


def test_a_label_of_this_afternoon_that_utc_puts_into_the_future_says_why(tmp_path: Path) -> None:
    now = datetime(2026, 11, 27, 15, 55, tzinfo=UTC)  # 16:55 in Berlin
    with pytest.raises(LabelError, match="would end in the future") as caught:
        read(tmp_path, FIELD_CASE, LabelTimes(), at=now)
    assert "with --times local they are this computer's" in caught.value.next_step
    assert len(read(tmp_path, FIELD_CASE, LabelTimes(BERLIN), at=now)) == 1
    with pytest.raises(LabelError) as caught:
        read(tmp_path, FIELD_CASE.replace(":00,", ":00Z,"), LabelTimes(), at=now)
    assert "--times" not in caught.value.next_step


@given(st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)), st.sampled_from([BERLIN, AUCKLAND, "America/Havana"]))
def test_a_local_time_that_is_read_shows_on_the_local_clock(naive: datetime, zone_name: str) -> None:
    here = ZoneInfo(zone_name)
    showing = {
        at
        for fold in (0, 1)
        if (at := naive.replace(tzinfo=here, fold=fold).astimezone(UTC)).astimezone(here).replace(tzinfo=None) == naive
    }
    if len(showing) == 1:
        assert {LabelTimes(zone_name).read(naive.isoformat(), "start_ts")} == showing
    else:
        with pytest.raises(LabelError, match="came twice" if showing else "did not come"):
            LabelTimes(zone_name).read(naive.isoformat(), "start_ts")
    assert LabelTimes().read(naive.isoformat(), "start_ts") == naive.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "16:30", "", "2026-11-27T25:00:00"])
def test_times_at_the_edge_of_the_calendar_raise_nothing_else(text: str) -> None:
    for zone_name in (None, BERLIN, AUCKLAND, "America/New_York"):
        times = LabelTimes(zone_name)
        with contextlib.suppress(LabelError):
            times.read(text, "end_ts")
        note = times.note(AUCKLAND)
        assert (note is None) is (zone_name is not None or times.without_offset == 0)
