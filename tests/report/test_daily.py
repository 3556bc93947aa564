"""The report of a day: totals from buckets, exact to the microsecond, on the person's own calendar."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import seconds_to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.smooth import flap_rate
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyReject
from taskclf_tray.report.bucket_parts import bucket_parts, uncut
from taskclf_tray.report.daily import FocusBlock, daily_report
from taskclf_tray.report.days import Day, local_date, read_day
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from tests.support.report_records import MINUTE, bucket

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = NINE.date()


def minutes(*labels: str, start: datetime = NINE) -> list[BucketRecord]:
    return [bucket(start + i * MINUTE, label) for i, label in enumerate(labels)]


def test_a_day_by_hand() -> None:
    records = [
        *minutes("Build", "Build", "Meet", "Build"),
        bucket(NINE + 10 * MINUTE, "Build", raw="Debug", covered=30.5),
        bucket(NINE + 11 * MINUTE, MIXED_UNKNOWN, covered=20.25),
        *minutes("BreakIdle", "BreakIdle", "BreakIdle", start=NINE + 12 * MINUTE),
    ]
    report = daily_report(Day(DAY, records))
    assert report.covered_seconds == 4 * 60 + 30.5 + 20.25 + 180
    assert report.core_label_seconds == {"Build": 210.5, "BreakIdle": 180.0, "Meet": 60.0}
    assert list(report.core_label_seconds) == ["Build", "BreakIdle", "Meet"]
    assert report.rejected_seconds == 20.25
    assert report.context_switches == 4  # Build→Meet→Build, Build→Mixed→BreakIdle; the gap counts for nothing
    assert report.longest_focus == FocusBlock("Build", NINE, NINE + 2 * MINUTE, "UTC", 120.0)
    assert report.flap_rate_smoothed == 4 / 9
    assert report.flap_rate_raw == 5 / 9
    assert report.time_zones == ("UTC",)


def test_two_minute_blocks_are_not_merged_into_one() -> None:
    records = minutes(*(["Meet", "Meet", "Build", "Build"] * 30))
    report = daily_report(Day(DAY, records))
    assert report.core_label_seconds == {"Build": 3600.0, "Meet": 3600.0}
    assert report.longest_focus is not None
    assert report.longest_focus.covered_seconds == 120


def test_a_label_beside_a_minute_is_no_part_of_it() -> None:
    """One that ends where the minute begins, and one that begins where it ends."""
    record = bucket(NINE)
    beside = [(record.start_us - 60_000_000, record.start_us), (record.end_us, record.end_us + 60_000_000)]
    spans = [
        SpanRecord(number, "u", start_us, end_us, "Meet", "manual", None, end_us, False)
        for number, (start_us, end_us) in enumerate(beside)
    ]
    assert bucket_parts([record], spans, None) == [uncut(record)]
    assert daily_report(Day(DAY, [record], spans)).core_label_seconds == {"Build": 60.0}


def includes(rejected: bool) -> TaxonomyConfig:
    return TaxonomyConfig(
        buckets=(TaxonomyBucket(name="Coding", core_labels=("Build",)),),
        reject=TaxonomyReject(include_rejected_in_reports=rejected),
    )


@pytest.mark.parametrize("include", [False, True])
def test_the_mixed_name_is_apart_unless_the_taxonomy_says_include(include: bool) -> None:
    records = [
        bucket(NINE, "Build", ui="Coding"),
        bucket(NINE + MINUTE, "Build", ui="Unclear", covered=40),
        bucket(NINE + 2 * MINUTE, MIXED_UNKNOWN, ui="Unclear", covered=10),
    ]
    report = daily_report(Day(DAY, records), includes(include))
    assert (report.covered_seconds, report.rejected_seconds, report.is_rejected_included) == (110, 50, include)
    if include:
        assert report.ui_label_seconds == {"Coding": 60.0, "Unclear": 50.0}
        assert report.core_label_seconds == {"Build": 100.0, MIXED_UNKNOWN: 10.0}
    else:
        assert report.ui_label_seconds == {"Coding": 60.0}
        assert report.core_label_seconds == {"Build": 60.0}


_BUCKETS = st.lists(
    st.tuples(
        st.sampled_from([*LABEL_SET_V1, MIXED_UNKNOWN]),
        st.sampled_from([*LABEL_SET_V1, MIXED_UNKNOWN]),
        st.sampled_from(["Coding", "Talk", "Unclear"]),
        st.integers(0, 60_000_000).map(lambda us: us / 1e6),
        st.integers(1, 3),
    ),
    max_size=60,
)


@given(_BUCKETS, st.booleans())
def test_parts_add_up_to_the_covered_seconds(spec: list[tuple[str, str, str, float, int]], include: bool) -> None:
    records, start = [], NINE
    for label, raw, ui, covered, step in spec:
        ui = "Unclear" if label == MIXED_UNKNOWN else ui
        records.append(bucket(start, label, raw=raw, ui=ui, covered=covered))
        start += step * MINUTE
    report = daily_report(Day(DAY, records), includes(include))
    total_us = sum(seconds_to_us(record.covered_seconds) for record in records)
    assert seconds_to_us(report.covered_seconds) == total_us
    shown_us = total_us - (0 if include else seconds_to_us(report.rejected_seconds))
    for parts in (report.core_label_seconds, report.ui_label_seconds):
        assert sum(map(seconds_to_us, parts.values())) == shown_us
    assert report.flap_rate_smoothed == flap_rate([record.smoothed_label for record in records])
    raw_labels = [MIXED_UNKNOWN if record.is_rejected else record.core_label for record in records]
    assert report.flap_rate_raw == flap_rate(raw_labels)
    assert json.loads(json.dumps(report.to_dict()))["bucket_count"] == len(records)


def test_a_day_without_buckets() -> None:
    report = daily_report(Day(DAY, []))
    assert (report.covered_seconds, report.longest_focus, report.flap_rate_raw) == (0, None, 0)
    assert report.to_dict()["longest_focus"] is None


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_of_daylight_saving(tmp_path: Path, day: date, hours: int) -> None:
    database = Database(tmp_path / "tray.db")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    with database.transaction():
        database.buckets.put(bucket(start + i * 30 * MINUTE, zone="Europe/Berlin") for i in range(5 * 48))
    records = read_day(database, "u", day)
    database.close()
    assert len(records) == 2 * hours
    assert daily_report(Day(day, records)).covered_seconds == 2 * hours * 60


def test_after_travel_each_bucket_is_of_its_own_calendar(tmp_path: Path) -> None:
    """Over the date line eastwards a date is lived twice; each bucket keeps the date it had where it was lived."""
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    records = [
        bucket(noon - timedelta(hours=1), zone="Pacific/Kiritimati"),  # 2026-03-03 01:00
        bucket(noon, zone="Pacific/Kiritimati"),  # 2026-03-03 02:00
        bucket(noon + timedelta(hours=1), zone="Pacific/Honolulu"),  # 2026-03-02 03:00
        bucket(noon + timedelta(hours=30), zone="Pacific/Honolulu"),  # 2026-03-03 08:00
    ]
    database = Database(tmp_path / "tray.db")
    with database.transaction():
        database.buckets.put(records)
    assert [local_date(record).day for record in records] == [3, 3, 2, 3]
    assert read_day(database, "u", date(2026, 3, 2)) == [records[2]]
    third = read_day(database, "u", date(2026, 3, 3))
    database.close()
    assert third == [records[0], records[1], records[3]]
    assert daily_report(Day(date(2026, 3, 3), third)).time_zones == ("Pacific/Kiritimati", "Pacific/Honolulu")
