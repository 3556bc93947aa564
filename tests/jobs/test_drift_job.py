"""The job behind the drift check: which days it reads, what it writes, and which blocks it names."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.time import zone
from taskclf_tray.drift.report import DriftAlert, DriftReport, DriftTrigger
from taskclf_tray.jobs import drift
from taskclf_tray.jobs.drift import DriftRequest, least_sure, read_days, run, write_report
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths, prepare_home
from tests.support.report_records import MINUTE
from tests.support.report_records import bucket as plain_bucket
from tests.support.worker_home import USER, copy_home

MONDAY = date(2026, 3, 2)
DAY = timedelta(days=1)
AT = datetime(2026, 3, 2, tzinfo=UTC)
NOTHING = DriftReport(timestamp=AT, summary="Your work looks as it did.")


def bucket(day: date, hour: int, minute: int = 0, zone_name: str = "UTC", **more: Any) -> BucketRecord:
    start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone(zone_name)).astimezone(UTC)
    return plain_bucket(start, user=USER, zone=zone_name, **more)


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    paths = prepare_home(copy_home(tmp_path / "home"))
    Database(paths.database).close()
    return paths


def put(paths: HomePaths, *records: BucketRecord) -> None:
    database = Database(paths.database)
    with database.transaction():
        database.buckets.put(records)
    database.close()


# -- the days -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone_name", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"])
@pytest.mark.parametrize("day", [MONDAY, date(2026, 3, 29), date(2026, 10, 25)])
def test_days_are_those_of_the_place_they_were_lived_in(paths: HomePaths, zone_name: str, day: date) -> None:
    """From midnight to midnight on the clock on the wall, on days of 23, 24 and 25 hours."""
    inside = [bucket(day, 0, 0, zone_name), bucket(day, 12, 0, zone_name), bucket(day, 23, 59, zone_name)]
    put(paths, *inside, bucket(day - DAY, 23, 59, zone_name), bucket(day + DAY, 0, 0, zone_name))
    assert [r.start_us for r in read_days(paths, day, day)] == [r.start_us for r in inside]
    assert len(read_days(paths, day - DAY, day + DAY)) == 5


def test_a_day_of_two_zones_is_whole(paths: HomePaths) -> None:
    put(paths, bucket(MONDAY, 7, zone_name="Asia/Tokyo"), bucket(MONDAY, 22, zone_name="Pacific/Honolulu"))
    assert len(read_days(paths, MONDAY, MONDAY)) == 2


def test_without_a_record_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no record"):
        run(DriftRequest(str(tmp_path), "2026-03-02"), lambda _event: None)
    assert list(tmp_path.iterdir()) == []


def test_no_model_is_said_and_little_data_is_reported(paths: HomePaths) -> None:
    for policy in paths.models.glob("*/metadata.json"):
        policy.unlink()
    put(paths, *(bucket(MONDAY, 9, minute) for minute in range(60)))
    said: list[dict[str, Any]] = []
    answer = run(DriftRequest(str(paths.home), MONDAY.isoformat(), most_blocks=50), said.append)
    assert [event["event"] for event in said] == ["warning"]
    assert "only your activity is compared" in said[0]["text"]
    report = json.loads(Path(answer["report"]).read_text())
    assert (report["alerts"], answer["blocks"]) == ([], [])
    assert report["users"][0]["too_little_data"].startswith("Too little to compare")


# -- the report -----------------------------------------------------------------------------------------------


def test_reports_of_sixty_days_are_kept_and_the_one_just_written(paths: HomePaths) -> None:
    paths.drift.mkdir()
    (paths.drift / "notes.txt").write_text("mine")
    for number in range(drift.REPORTS_KEPT + 2):
        write_report(paths, MONDAY + number * DAY, NOTHING)
    assert len(list(paths.drift.glob("drift_*.json"))) == drift.REPORTS_KEPT
    old = write_report(paths, MONDAY - DAY, NOTHING)
    assert old.exists()
    assert (paths.drift / "notes.txt").exists()
    before = old.read_bytes()
    assert write_report(paths, MONDAY - DAY, NOTHING).read_bytes() == before


def test_a_report_that_cannot_be_written_is_a_sentence(paths: HomePaths) -> None:
    paths.drift.write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="The report cannot be written to"):
        write_report(paths, MONDAY, NOTHING)


# -- blocks ---------------------------------------------------------------------------------------------------


def hour(day: date, confidence: float) -> list[BucketRecord]:
    """An hour of one label in two blocks of half an hour."""
    start = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    return [plain_bucket(start + n * MINUTE, user=USER, confidence=confidence) for n in range(60)]


def test_the_least_sure_blocks_since_it_began_and_no_short_ones() -> None:
    alert = DriftAlert(
        trigger=DriftTrigger.feature_psi, severity="warning", affected_user_ids=[USER], since=MONDAY + DAY, timestamp=AT
    )
    report = NOTHING.model_copy(update={"alerts": [alert]})
    short = [bucket(MONDAY + 3 * DAY, 15, minute, confidence=0.1) for minute in range(4)]
    records = [*hour(MONDAY, 0.2), *hour(MONDAY + DAY, 0.6), *hour(MONDAY + 2 * DAY, 0.4), *short]
    blocks = least_sure(records, report, 3)
    assert [block.confidence for block in blocks] == [0.4, 0.4, 0.6]
    assert all(block.end_us - block.start_us == 1_800_000_000 for block in blocks)
    unknown = report.model_copy(update={"alerts": [alert.model_copy(update={"since": None})]})
    assert [block.confidence for block in least_sure(records, unknown, 50)] == [0.2, 0.2, 0.4, 0.4, 0.6, 0.6]
    assert least_sure(records, report, 0) == []
