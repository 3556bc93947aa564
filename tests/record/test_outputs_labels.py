"""The reports beside the record follow what the person says of a day that is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.record.outputs import OutputWriter
from taskclf_tray.store.database import Database
from tests.support.report_records import MINUTE, bucket
from tests.support.worker_home import USER

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WEDNESDAY = MONDAY + 2 * DAY


class Folder:
    """A record of a Monday and a Wednesday morning, labels, and the files, which are brought up to date on Thursday."""

    def __init__(self, home: Path) -> None:
        self.database, self.out = Database(home / "tray.db"), home / "out"
        self.labels = LabelStore(self.database, USER)
        with self.database.transaction():
            for day in (MONDAY, WEDNESDAY):
                self.database.buckets.put(bucket(day + number * MINUTE, user=USER) for number in range(60))
        self.writer = OutputWriter(self.database, USER, self.out)

    def say(self, start: datetime, label: str, hours: float = 1) -> None:
        self.labels.add(start, start + hours * HOUR, label, at=WEDNESDAY + DAY)

    def report(self, day: str) -> dict[str, Any]:
        self.writer.write(WEDNESDAY + DAY, "UTC")
        return json.loads((self.out / f"report_2026-03-{day}.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.database.close()


@pytest.mark.parametrize("restarts", [False, True])
def test_a_label_and_its_undo_write_a_closed_day_again(folder: Folder, restarts: bool) -> None:
    before = folder.report("02")
    assert before["core_label_seconds"] == {"Build": 3600.0}
    folder.say(MONDAY + HOUR / 2, "Meet")
    if restarts:
        folder.writer = OutputWriter(folder.database, USER, folder.out)
    after = folder.report("02")
    assert after["core_label_seconds"] == {"Build": 1800.0, "Meet": 1800.0}
    assert (after["labelled_seconds"], after["labelled_away_seconds"]) == (1800.0, {"Meet": 1800.0})
    assert (after["covered_seconds"], after["flap_rate_raw"]) == (3600.0, 0.0)
    folder.labels.undo(at=WEDNESDAY + DAY)
    assert folder.report("02") == before


def test_a_day_away_has_the_report_of_what_was_said_of_it(folder: Folder) -> None:
    """A day at a fair, without a computer: nothing is on record, and still it was a day of work."""
    folder.writer.write(WEDNESDAY + DAY, "UTC")
    assert not (folder.out / "report_2026-03-03.json").exists()
    folder.say(MONDAY + DAY, "Meet", 6)
    report = folder.report("03")
    assert (report["covered_seconds"], report["labelled_away_seconds"]) == (0.0, {"Meet": 6 * 3600.0})
    assert not (folder.out / "segments_2026-03-03.json").exists()
    folder.labels.undo(at=WEDNESDAY + DAY)
    assert folder.report("03")["labelled_away_seconds"] == {}
