"""Laws of reports: whatever was recorded, revised and labelled, no second is lost, doubled or given to two days."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.intervals import subtract
from taskclf_tray.core.time import seconds_to_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyReject
from taskclf_tray.labels.overlay import is_person
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.report.daily import DailyReport, daily_report
from taskclf_tray.report.days import dates_near, load_day
from taskclf_tray.report.weekly import weekly_report
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from tests.support.report_records import MINUTE, bucket

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

EVENING = datetime(2026, 3, 28, 20, tzinfo=UTC)
"""Before the night in which the clocks of Berlin are set forward, and before midnight almost everywhere."""
AFTER = EVENING + timedelta(days=5)
ZONES = ("UTC", "Europe/Berlin", "Asia/Tokyo", "Pacific/Honolulu", "Pacific/Kiritimati", "Asia/Kathmandu")
LABELS = (*LABEL_SET_V1, MIXED_UNKNOWN)

Bucket = tuple[int, str, str, int, str]
"""Minutes after the one before, label, UI label, covered microseconds, time zone."""
Label = tuple[int, int, str]
"""Seconds after EVENING, seconds long, label."""

buckets = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 45, 600]),
        st.sampled_from(LABELS),
        st.sampled_from(["Coding", "Talk", "Unclear"]),
        st.integers(0, 60_000_000),
        st.sampled_from(ZONES),
    ),
    max_size=40,
)
labels = st.lists(
    st.tuples(st.integers(-3_600, 40_000), st.integers(1, 9_000), st.sampled_from(LABEL_SET_V1)), max_size=6
)


def taxonomy(*, includes_rejected: bool) -> TaxonomyConfig:
    return TaxonomyConfig(
        buckets=(
            TaxonomyBucket(name="Coding", core_labels=("Build",)),
            TaxonomyBucket(name="Talk", core_labels=("Meet",)),
        ),
        reject=TaxonomyReject(include_rejected_in_reports=includes_rejected),
    )


@contextmanager
def record_of(spec: list[Bucket], said: list[Label]) -> Iterator[Database]:
    """A database with these buckets and labels."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder, "tray.db"))
        database._connection.execute("PRAGMA synchronous = OFF")  # what is counted is no question of the disk
        start, records = EVENING, []
        for step, label, ui, covered_us, zone in spec:
            start += step * MINUTE
            ui = "Unclear" if label == MIXED_UNKNOWN else ui
            records.append(bucket(start, label, ui=ui, covered=covered_us / 1e6, zone=zone))
        with database.transaction():
            database.buckets.put(records)
        store = LabelStore(database, "u")
        for seconds, long, label in said:
            begin = EVENING + timedelta(seconds=seconds)
            store.add(begin, begin + timedelta(seconds=long), label, at=AFTER)
        yield database
        database.close()


def reports_of(database: Database, config: TaxonomyConfig | None) -> list[DailyReport]:
    """Every date that anything may be on."""
    dates = dates_near(to_us(EVENING - timedelta(hours=2)), to_us(AFTER + timedelta(days=15)))
    return [daily_report(load_day(database, "u", day, "UTC"), config) for day in dates]


def records_of(database: Database) -> list[BucketRecord]:
    return database.buckets.between("u", 0, 1 << 62)


def us(seconds: dict[str, float]) -> int:
    return sum(map(seconds_to_us, seconds.values()))


@given(buckets, labels, st.booleans())
@settings(max_examples=40)
def test_the_days_together_are_the_record(spec: list[Bucket], said: list[Label], includes: bool) -> None:
    """Over time zones and labels alike: each covered microsecond is in one day, under one name."""
    with record_of(spec, said) as database:
        reports = reports_of(database, taxonomy(includes_rejected=includes))
        total_us = sum(seconds_to_us(record.covered_seconds) for record in records_of(database))
    assert sum(seconds_to_us(report.covered_seconds) for report in reports) == total_us
    assert sum(report.bucket_count for report in reports) == len(spec)
    for report in reports:
        shown_us = seconds_to_us(report.covered_seconds)
        shown_us -= 0 if includes else seconds_to_us(report.rejected_seconds)
        assert us(dict(report.core_label_seconds)) == us(dict(report.ui_label_seconds)) == shown_us
        assert report.labelled_seconds <= report.covered_seconds


@given(buckets, labels)
@settings(max_examples=40)
def test_labelled_time_is_counted_once_beside_the_record(spec: list[Bucket], said: list[Label]) -> None:
    """What a person said of time without a bucket is of one date each, and all of it is there."""
    with record_of(spec, said) as database:
        reports = reports_of(database, None)
        lying = [(record.start_us, record.end_us) for record in records_of(database)]
        spans = [span for span in database.labels.between("u", 0, 1 << 62) if is_person(span)]
    free = subtract([(span.start_us, span.end_us) for span in spans], lying)
    free_us = sum(end_us - start_us for start_us, end_us in free)
    assert sum(us(dict(report.labelled_away_seconds)) for report in reports) == free_us


@given(buckets, labels)
@settings(max_examples=40)
def test_each_second_follows_the_newest_word(spec: list[Bucket], said: list[Label]) -> None:
    """Second by second: the label said last over it, else the prediction."""
    spec = [(step, label, ui, 60_000_000, "UTC") for step, label, ui, _, _ in spec]
    with record_of(spec, said) as database:
        reports = reports_of(database, None)
        records = records_of(database)
    expected: Counter[str] = Counter()
    for record in records:
        for second in range(60):
            at = (record.start_us - to_us(EVENING)) // 1_000_000 + second
            word = next((label for start, long, label in reversed(said) if start <= at < start + long), None)
            expected[word or record.smoothed_label if word or not record.is_mixed else "rejected"] += 1
    counted: Counter[str] = Counter()
    for report in reports:
        counted.update({name: round(seconds) for name, seconds in report.core_label_seconds.items()})
        counted["rejected"] += round(report.rejected_seconds)
    assert +counted == +expected


@given(buckets, labels)
@settings(max_examples=30)
def test_a_week_is_the_sum_of_its_days(spec: list[Bucket], said: list[Label]) -> None:
    with record_of(spec, said) as database:
        days = reports_of(database, None)[:7]
    week = weekly_report(days)
    assert week.covered_seconds == sum(seconds_to_us(day.covered_seconds) for day in days) / 1e6
    for name in {name for day in days for name in day.core_label_seconds}:
        column = sum(seconds_to_us(day.core_label_seconds.get(name, 0.0)) for day in days)
        assert seconds_to_us(week.core_label_seconds[name]) == column
    assert us(dict(week.ui_label_seconds)) + seconds_to_us(week.rejected_seconds) == seconds_to_us(week.covered_seconds)
    assert week.context_switches == sum(day.context_switches for day in days)
    changes = [round(day.flap_rate_raw * day.bucket_count) for day in days]
    assert round(week.flap_rate_raw * week.bucket_count) == sum(changes)
