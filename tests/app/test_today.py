"""Today ▸: at any time what the day's full report says, whatever was recorded, revised, labelled or undone."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskclf_tray.app import text
from taskclf_tray.app.snapshot import TodayEntry, TodayView
from taskclf_tray.app.today import TodayTally
from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import seconds_to_us, zone
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyReject
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.report.daily import DailyReport, daily_report
from taskclf_tray.report.days import load_day
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from tests.support.examples import examples
from tests.support.report_records import MINUTE
from tests.support.report_records import bucket as plain_bucket
from tests.support.worker_home import USER
from tests.support.worker_rig import Rig, until

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ZONES = ("UTC", "Asia/Tokyo", "Pacific/Honolulu")
WORK = TaxonomyBucket(name="Work", core_labels=("Build", "Debug"), color="#123456")
TAXONOMIES = (
    None,
    TaxonomyConfig(buckets=(WORK, TaxonomyBucket(name="Talk", core_labels=("Meet", "Build")))),
    TaxonomyConfig(
        buckets=(TaxonomyBucket(name="Talk", core_labels=("Meet",)),),
        reject=TaxonomyReject(include_rejected_in_reports=True),
    ),
)


def bucket(start: datetime, label: str = "Build", **more: Any) -> BucketRecord:
    return plain_bucket(start, label, user=USER, **more)


class Machine(RuleBasedStateMachine):
    """One worker's database, with labels written by another connection as the label writer does."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "tray.db")
        self.database, self.desk = Database(path), Database(path)
        for connection in (self.database, self.desk):
            connection._connection.execute("PRAGMA synchronous = OFF")  # what is counted is no question of the disk
        self.labels = LabelStore(self.desk, USER)
        self.tally = TodayTally(self.database, USER)
        self.now, self.zone, self.taxonomy = NINE, "UTC", TAXONOMIES[0]

    def teardown(self) -> None:
        self.database.close()
        self.desk.close()
        self.folder.cleanup()

    def put(self, start: datetime, label: str, covered: float, zone_name: str) -> None:
        ui = "Unclear" if label == MIXED_UNKNOWN else "Work" if label in ("Build", "Debug") else label
        with self.database.transaction():
            self.database.buckets.put([bucket(start, label, ui=ui, covered=covered, zone=zone_name)])

    @rule(
        gap=st.sampled_from([0, 0, 0, 1, 20]),
        count=st.integers(1, 6),
        label=st.sampled_from([*LABEL_SET_V1, MIXED_UNKNOWN]),
        covered_us=st.integers(0, 60_000_000),
    )
    def record_minutes(self, gap: int, count: int, label: str, covered_us: int) -> None:
        self.now += gap * MINUTE
        for _ in range(count):
            self.put(self.now, label, covered_us / 1e6, self.zone)
            self.now += MINUTE

    @rule(back=st.integers(0, 5), label=st.sampled_from(["BreakIdle", "Meet", MIXED_UNKNOWN]))
    def revise_the_late_ones(self, back: int, label: str) -> None:
        last = self.database.buckets.before(USER, 1 << 62, back + 1)
        with self.database.transaction():
            self.database.buckets.put(
                dataclasses.replace(old, smoothed_label=label, ui_label=label, is_mixed=label == MIXED_UNKNOWN)
                for old in last
            )

    @rule(
        ago=st.integers(1, 1_200), seconds=st.integers(1, 1_000), label=st.sampled_from(LABEL_SET_V1),
        is_growing=st.booleans(), provenance=st.sampled_from(["manual", "auto"]),
    )  # fmt: skip
    def label(self, ago: int, seconds: int, label: str, is_growing: bool, provenance: Any) -> None:
        start = self.now - timedelta(seconds=ago)
        end = self.now if is_growing else min(self.now, start + timedelta(seconds=seconds))
        self.labels.add(start, end, label, at=self.now, provenance=provenance, is_growing=is_growing)

    @rule(ahead=st.integers(-60, 60))
    def grow(self, ahead: int) -> None:
        """The worker's own connection."""
        LabelStore(self.database, USER).grow(self.now + timedelta(seconds=ahead))

    @rule()
    def stop_growing(self) -> None:
        LabelStore(self.database, USER).stop_growing()

    @rule()
    def undo(self) -> None:
        self.labels.undo(at=self.now)

    @rule(ago=st.integers(60, 1_200))
    def erase(self, ago: int) -> None:
        self.labels.erase(self.now - timedelta(seconds=ago), self.now - timedelta(seconds=ago / 2), at=self.now)

    @rule(hours=st.sampled_from([1, 8, 24]))
    def let_time_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(zone_name=st.sampled_from(ZONES))
    def travel(self, zone_name: str) -> None:
        self.zone = zone_name

    @rule(taxonomy=st.sampled_from(TAXONOMIES))
    def edit_the_taxonomy(self, taxonomy: TaxonomyConfig | None) -> None:
        self.taxonomy = taxonomy

    @precondition(lambda self: hasattr(self, "tally"))
    @invariant()
    def it_is_the_full_report(self) -> None:
        shown = self.tally.view(self.now, self.zone, self.taxonomy)
        today = self.now.astimezone(zone(self.zone)).date()
        report = daily_report(load_day(self.desk, USER, today, self.zone), self.taxonomy)
        check_equal(self.tally, report)
        assert shown == TodayTally(self.desk, USER).view(self.now, self.zone, self.taxonomy)
        assert sum(entry.minutes for entry in shown.entries) + shown.unsure_minutes == shown.total_minutes
        assert abs(shown.total_minutes * 60 - report.covered_seconds) <= 30


def check_equal(tally: TodayTally, report: DailyReport) -> None:
    """Every second, by what the person sees."""
    counted = {name: 0 for name, _ in tally.totals_us()}
    for (name, is_mixed), total_us in tally.totals_us().items():
        if report.is_rejected_included or not is_mixed:
            counted[name] += total_us
    reported = {name: seconds_to_us(seconds) for name, seconds in report.ui_label_seconds.items()}
    assert {name: us for name, us in counted.items() if us} == {name: us for name, us in reported.items() if us}
    mixed_us = sum(us for (_, is_mixed), us in tally.totals_us().items() if is_mixed)
    assert mixed_us == seconds_to_us(report.rejected_seconds)


TestAnySequence = Machine.TestCase
TestAnySequence.settings = settings(examples(60), stateful_step_count=25)


# -- what it reads --------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "tray.db")
    yield database
    database.close()


def put(database: Database, *records: BucketRecord) -> None:
    with database.transaction():
        database.buckets.put(records)


def test_a_poll_reads_what_is_new(database: Database) -> None:
    """Counted in SQLite's steps: with nothing new next to none, with one more minute no more on a long day."""
    tally, labels = TodayTally(database, USER), LabelStore(database, USER)
    costs = []
    for size in (30, 600):
        put(database, *(bucket(NINE + number * MINUTE) for number in range(size)))
        labels.add(NINE + 5 * MINUTE, NINE + 9 * MINUTE, "Meet", at=NINE + size * MINUTE)
        now = NINE + size * MINUTE
        tally.view(now, "UTC", None)
        for number in range(3):
            put(database, bucket(now + number * MINUTE))
            costs.append((steps(database, tally, now), steps(database, tally, now)))
    assert max(idle for _, idle in costs) < 20
    assert max(new for new, _ in costs[3:]) <= 1.2 * max(new for new, _ in costs[:3])


def steps(database: Database, tally: TodayTally, now: datetime) -> int:
    """Tens of virtual machine instructions of one look."""
    count = 0

    def on_steps() -> int:
        nonlocal count
        count += 1
        return 0

    database._connection.set_progress_handler(on_steps, 10)
    tally.view(now, "UTC", None)
    database._connection.set_progress_handler(None, 0)
    return count


def test_what_is_shown(database: Database) -> None:
    put(
        database,
        *(bucket(NINE + number * MINUTE, ui="Work") for number in range(62)),
        *(bucket(NINE + timedelta(hours=2) + number * MINUTE, "Meet", ui="Talk") for number in range(5)),
        bucket(NINE + timedelta(hours=3), MIXED_UNKNOWN, ui="Unclear"),
        bucket(NINE + timedelta(hours=4), "Review", ui="Old name", covered=12),
    )
    tally = TodayTally(database, USER)
    view = tally.view(NINE, "UTC", TAXONOMIES[1])
    assert view.entries == (TodayEntry("Work", 62, "#123456"), TodayEntry("Talk", 5, "#7F8C8D"))
    assert (view.unsure_minutes, view.total_minutes) == (1, 68)
    assert tally.view(NINE, "UTC", None).entries[0] == TodayEntry("Work", 62, None)
    assert text.today_entry("Wo\x1brk", 62) == "Work  1 h 02 min"


def test_a_label_splits_minutes_that_were_counted(database: Database) -> None:
    """Begun in the middle of one, grown into the middle of another, and undone."""
    put(database, *(bucket(NINE + number * MINUTE) for number in range(10)))
    tally, labels = TodayTally(database, USER), LabelStore(database, USER)

    def counted() -> dict[str, int]:
        tally.view(NINE, "UTC", None)
        return {name: total_us // 1_000_000 for (name, _), total_us in tally.totals_us().items()}

    assert counted() == {"Build": 600}
    half_past = timedelta(minutes=2, seconds=30)
    labels.add(NINE + half_past, NINE + 4 * MINUTE, "Meet", at=NINE + 4 * MINUTE, is_growing=True)
    assert counted() == {"Build": 510, "Meet": 90}
    labels.grow(NINE + timedelta(seconds=265))
    assert counted() == {"Build": 485, "Meet": 115}
    labels.undo(at=NINE + 5 * MINUTE)
    assert counted() == {"Build": 600}


def test_the_view_changes_with_the_minute_and_not_before(database: Database) -> None:
    tally = TodayTally(database, USER)
    put(database, bucket(NINE))
    before = tally.view(NINE, "UTC", None)
    put(database, bucket(NINE + MINUTE, covered=20.0))
    assert tally.view(NINE, "UTC", None) == before
    put(database, bucket(NINE + 2 * MINUTE, covered=20.0))
    assert tally.view(NINE, "UTC", None) != before


def test_midnight_begins_a_new_day_by_the_clock_of_the_place(database: Database) -> None:
    tally = TodayTally(database, USER)
    midnight = datetime(2026, 3, 2, 15, tzinfo=UTC)  # in Tokyo
    put(database, *(bucket(midnight + number * MINUTE, zone="Asia/Tokyo") for number in range(-3, 2)))
    assert tally.view(midnight - MINUTE, "Asia/Tokyo", None).total_minutes == 3
    assert tally.view(midnight, "Asia/Tokyo", None).total_minutes == 2
    assert tally.view(midnight, "UTC", None).total_minutes == 3


# -- in the app -----------------------------------------------------------------------------------------------


def test_the_worker_keeps_it_up_to_date(tmp_path: Path) -> None:
    """A minute, a label and its undo each show; the menu is told only when a shown minute has changed."""
    rig = Rig(tmp_path)
    with rig.running() as runtime:
        until(lambda: runtime.snapshot.today.total_minutes >= 30, "the morning")
        before = runtime.snapshot.today
        rig.clock.advance(120)
        until(lambda: runtime.snapshot.today.total_minutes > before.total_minutes, "two minutes more")
        before = runtime.snapshot.today
        told = len(rig.watcher.snapshots)
        store = Database(rig.paths.database)
        labels, now = LabelStore(store, USER), rig.clock.now()
        labels.add(now - timedelta(minutes=30), now - timedelta(minutes=10), "Communicate", at=now)
        until(lambda: minutes(runtime.snapshot.today, "Communication") >= 19, "the label")
        assert runtime.snapshot.today.total_minutes == before.total_minutes
        labels.undo(at=now)
        until(lambda: runtime.snapshot.today == before, "the undo")
        store.close()
        assert len(rig.watcher.snapshots) - told < 12
        rig.clock.advance(16 * 3600)
        until(lambda: runtime.snapshot.today.total_minutes < 30, "the next day")


def minutes(view: TodayView, name: str) -> int:
    return sum(entry.minutes for entry in view.entries if entry.name == name)
