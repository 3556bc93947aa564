"""Reports, closed segments and telemetry: one of each for every local day, whatever happens around midnight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.time import local_day_bounds, to_us
from taskclf_tray.infer.batch import read_segments_json
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyReject
from taskclf_tray.record import outputs as outputs_module
from taskclf_tray.record.outputs import OutputWriter
from taskclf_tray.report.telemetry import telemetry_name
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from tests.support.report_records import MINUTE
from tests.support.report_records import bucket as plain_bucket
from tests.support.worker_home import USER

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
BERLIN = "Europe/Berlin"
CODING = (TaxonomyBucket(name="Coding", core_labels=("Build",)),)


def bucket(start: datetime, label: str = "Build", **more: Any) -> BucketRecord:
    return plain_bucket(start, label, user=USER, **more)


class Folder:
    """A record without a pipeline, and the files beside it."""

    def __init__(self, home: Path) -> None:
        self.database = Database(home / "tray.db")
        self.out = home / "out"
        self.taxonomy: TaxonomyConfig | None = None
        self.restart()

    def restart(self) -> None:
        self.writer = OutputWriter(self.database, USER, self.out, taxonomy=lambda: self.taxonomy)

    def put(self, *records: BucketRecord) -> None:
        with self.database.transaction():
            self.database.buckets.put(records)

    def put_hours(self, start: datetime, hours: float, label: str = "Build", **more: Any) -> None:
        self.put(*(bucket(start + i * MINUTE, label, **more) for i in range(round(hours * 60))))

    def report(self, day: str) -> dict[str, Any]:
        return json.loads((self.out / f"report_{day}.json").read_text())  # type: ignore[no-any-return]

    def telemetry(self) -> list[dict[str, Any]]:
        path = self.out / "telemetry" / telemetry_name(USER)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def names(self, kind: str) -> list[str]:
        return sorted(path.name for path in self.out.glob(f"{kind}_*.json"))

    def commits(self) -> int:
        return int(self.database._connection.total_changes)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.database.close()


def test_a_day_is_closed_once_it_is_over_and_settled(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 2)
    midnight = MONDAY + DAY
    folder.put(bucket(midnight - MINUTE, "Meet", is_settled=False))
    for now in (MONDAY + timedelta(hours=12), midnight + timedelta(minutes=9), midnight + timedelta(minutes=11)):
        folder.writer.write(now, "UTC")
        assert folder.names("report") == []
        assert folder.telemetry() == []
    folder.put(bucket(midnight - MINUTE, "Review"))
    folder.writer.write(midnight + timedelta(minutes=12), "UTC")
    assert folder.report("2026-03-02")["core_label_seconds"] == {"Build": 7200.0, "Review": 60.0}
    assert [segment.label for segment in read_segments_json(folder.out / "segments_2026-03-02.json")] == [
        "Build",
        "Review",
    ]
    assert [line["date"] for line in folder.telemetry()] == ["2026-03-02"]


def test_a_record_that_is_behind_closes_nothing(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 1)
    folder.writer.write(MONDAY + 2 * DAY, "UTC", is_caught_up=False, is_last=True)
    assert folder.telemetry() == []
    assert folder.names("segments") == []
    assert folder.report("2026-03-02")["covered_seconds"] == 3600


def test_days_caught_up_with_are_each_closed_once_in_order(folder: Folder) -> None:
    for number in range(10):
        folder.put_hours(MONDAY + number * DAY + timedelta(hours=9), 0.5)
    now = MONDAY + 10 * DAY + timedelta(hours=1)
    folder.writer.write(now, "UTC")
    assert len(folder.telemetry()) == outputs_module.DAYS_A_WRITE
    folder.restart()
    for _ in range(3):
        folder.writer.write(now, "UTC")
    assert [line["date"] for line in folder.telemetry()] == [f"2026-03-{n:02}" for n in range(2, 12)]
    assert len(folder.names("report")) == len(folder.names("segments")) == 10


def test_a_closed_day_that_changes_is_written_again(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 1)
    now = MONDAY + DAY + timedelta(hours=1)
    folder.writer.write(now, "UTC")
    before = (folder.out / "report_2026-03-02.json").stat()
    folder.put(bucket(MONDAY + timedelta(hours=9)))  # the same again
    folder.writer.write(now, "UTC")
    assert (folder.out / "report_2026-03-02.json").stat().st_ino == before.st_ino
    folder.put(bucket(MONDAY + timedelta(hours=9), "Meet"), bucket(MONDAY + timedelta(hours=15), "Meet"))
    folder.restart()
    folder.writer.write(now, "UTC")
    assert folder.report("2026-03-02")["core_label_seconds"] == {"Build": 3540.0, "Meet": 120.0}
    assert len(read_segments_json(folder.out / "segments_2026-03-02.json")) == 3
    assert [line["bucket_count"] for line in folder.telemetry()] == [61]


def test_the_last_write_reports_the_day_so_far(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 1)
    folder.put(bucket(MONDAY + timedelta(hours=10), "Meet", is_settled=False))
    folder.writer.write(MONDAY + timedelta(hours=11), "UTC", is_last=True)
    assert folder.report("2026-03-02")["covered_seconds"] == 3660
    assert folder.telemetry() == []


def test_the_taxonomy_in_force_says_whether_rejected_minutes_count(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 1, ui="Coding")
    folder.put_hours(MONDAY + timedelta(hours=10), 1, ui="Unclear")
    for include in (False, True):
        folder.taxonomy = TaxonomyConfig(buckets=CODING, reject=TaxonomyReject(include_rejected_in_reports=include))
        folder.writer.write(MONDAY + timedelta(hours=12), "UTC", is_last=True)
        report = folder.report("2026-03-02")
        assert report["rejected_seconds"] == 3600
        assert ("Unclear" in report["ui_label_seconds"]) == include


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_of_daylight_saving_are_whole(folder: Folder, day: date, hours: int) -> None:
    start, end = local_day_bounds(datetime(day.year, day.month, day.day, 12, tzinfo=UTC), BERLIN)
    folder.put_hours(start - timedelta(hours=2), hours + 4, zone=BERLIN)
    folder.writer.write(end + timedelta(minutes=9), BERLIN)
    assert day.isoformat() not in str(folder.names("report"))
    folder.writer.write(end + timedelta(minutes=11), BERLIN)
    assert folder.report(day.isoformat())["covered_seconds"] == hours * 3600
    (segment,) = read_segments_json(folder.out / f"segments_{day.isoformat()}.json")
    assert (segment.start_ts, segment.end_ts) == (start, end)


def test_a_traveller_has_the_dates_of_the_places(folder: Folder) -> None:
    """Monday in Tokyo until noon, then west: Monday goes on in Honolulu, and is one day of two zones."""
    folder.put_hours(MONDAY - timedelta(hours=3), 2, zone="Asia/Tokyo")  # Monday 06:00–08:00 in Tokyo
    folder.writer.write(MONDAY, "Asia/Tokyo")
    flown = MONDAY + timedelta(hours=20)  # Monday 10:00 in Honolulu
    folder.put_hours(flown, 1, "Meet", zone="Pacific/Honolulu")
    folder.writer.write(flown + timedelta(hours=2), "Pacific/Honolulu")
    assert len(read_segments_json(folder.out / "segments.json")) == 2
    assert folder.names("report") == []
    folder.writer.write(flown + timedelta(hours=15), "Pacific/Honolulu")
    report = folder.report("2026-03-02")
    assert report["time_zones"] == ["Asia/Tokyo", "Pacific/Honolulu"]
    assert report["core_label_seconds"] == {"Build": 7200.0, "Meet": 3600.0}
    assert len(folder.telemetry()) == 1


def test_the_database_is_written_only_when_a_day_begins_or_ends(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 1)
    folder.writer.write(MONDAY + timedelta(hours=10), "UTC")
    for number in range(60, 70):
        folder.put(bucket(MONDAY + timedelta(hours=9, minutes=number), "Meet"))
        before = folder.commits()
        folder.writer.write(MONDAY + timedelta(hours=9, minutes=number + 1), "UTC")
        assert folder.commits() == before
    folder.writer.write(MONDAY + DAY + timedelta(hours=1), "UTC")
    assert folder.commits() == before + 1


@pytest.mark.parametrize("failing", ["write_day_segments", "write_report", "write_telemetry", "_save"])
def test_a_crash_while_closing_repeats_and_omits_nothing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Killed before or after any of the steps: the next start ends with one of each."""
    for number in range(2):
        folder.put_hours(MONDAY + number * DAY + timedelta(hours=9), 1)
    folder.writer.write(MONDAY + DAY + timedelta(hours=10), "UTC", is_caught_up=False)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OutputWriter if failing == "_save" else outputs_module, failing, crash)
        with pytest.raises(KeyboardInterrupt):
            folder.writer.write(MONDAY + 3 * DAY, "UTC")
    folder.restart()
    folder.writer.write(MONDAY + 3 * DAY, "UTC")
    assert [line["date"] for line in folder.telemetry()] == ["2026-03-02", "2026-03-03"]
    assert folder.names("report") == ["report_2026-03-02.json", "report_2026-03-03.json"]
    assert folder.names("segments") == ["segments_2026-03-02.json", "segments_2026-03-03.json"]


def test_a_torn_line_of_telemetry_is_written_again(folder: Folder) -> None:
    folder.put_hours(MONDAY + timedelta(hours=9), 1)
    path = folder.out / "telemetry" / telemetry_name(USER)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"user_id": "x", "date": "2026-03-01"}\n{"user_id": "x", "da')
    folder.writer.write(MONDAY + 2 * DAY, "UTC")
    assert [line["date"] for line in folder.telemetry()] == ["2026-03-01", "2026-03-02"]


def test_a_damaged_file_of_telemetry_keeps_its_good_lines(folder: Folder) -> None:
    """Nothing else than whole lines, one for each day in order, whatever was in the file before."""
    path = folder.out / "telemetry" / telemetry_name(USER)
    path.parent.mkdir(parents=True)
    for number in (0, 2):
        folder.put_hours(MONDAY + number * DAY + timedelta(hours=9), 1)
    for damage in (b"\0" * 5000 + b"\xff\n[]\n", b'{"date": "2026-03-0', b'{"date": 7}\n\n', b"\n" * 9, b""):
        path.write_bytes(b'{"date": "2026-02-27"}\n' + damage)
        folder.put(bucket(MONDAY + timedelta(hours=9)), bucket(MONDAY + 2 * DAY + timedelta(hours=9)))
        folder.writer.write(MONDAY + 4 * DAY, "UTC")
        assert [line["date"] for line in folder.telemetry()][-2:] == ["2026-03-02", "2026-03-04"]
        folder.put(bucket(MONDAY + timedelta(hours=9), "Meet"))
        folder.writer.write(MONDAY + 4 * DAY, "UTC")
        assert [line["date"] for line in folder.telemetry()] == ["2026-02-27", "2026-03-02", "2026-03-04"]
        assert folder.telemetry()[1]["core_label_counts"]["Meet"] == 1
        assert path.read_bytes().endswith(b"}\n")


def test_a_day_that_comes_late_is_put_in_its_place_and_changes_no_other(folder: Folder) -> None:
    path = folder.out / "telemetry" / telemetry_name(USER)
    for number in (0, 2, 1):
        folder.put_hours(MONDAY + number * DAY + timedelta(hours=9), 1)
        folder.writer.write(MONDAY + 4 * DAY, "UTC")
    assert [line["date"] for line in folder.telemetry()] == ["2026-03-02", "2026-03-03", "2026-03-04"]
    before = path.read_bytes()
    for number in range(3):
        folder.put(bucket(MONDAY + number * DAY + timedelta(hours=9)))  # the same again
    folder.restart()
    folder.writer.write(MONDAY + 4 * DAY, "UTC")
    assert path.read_bytes() == before


def test_questions_and_what_came_of_them_are_counted(folder: Folder) -> None:
    nine = MONDAY + timedelta(hours=9)
    folder.put_hours(nine, 1)
    with folder.database.transaction():
        for number, outcome in enumerate(("answered", "skipped", "answered", None)):
            at_us = to_us(nine + number * MINUTE)
            folder.database.asks.add(USER, f"r{number}", at_us, "2026-03-02", is_random=False)
            if outcome is not None:
                folder.database.asks.settle(f"r{number}", outcome, at_us)
        folder.database.asks.add(USER, "r9", to_us(nine + DAY), "2026-03-03", is_random=False)
        folder.database.asks.add("another", "r8", to_us(nine), "2026-03-02", is_random=False)
    folder.writer.write(MONDAY + 2 * DAY, "UTC")
    (line,) = folder.telemetry()
    assert line["ask_count"] == 4
    assert {name: count for name, count in line["ask_outcome_counts"].items() if count} == {
        "answered": 2, "skipped": 1, "none": 1,
    }  # fmt: skip
