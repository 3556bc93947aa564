"""Somebody's working days as an ActivityWatch export, a file of labels, or the record of a home."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from taskclf_tray.core.config import Config
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import FeatureRow, LabelSpan
from taskclf_tray.labels.csv_files import write_label_csv
from taskclf_tray.labels.spans import LabelStore
from taskclf_tray.store.buckets import BucketRecord, pack_row
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import export_rows
from tests.support.worker_home import SECRET, USER

FIRST = datetime(2026, 3, 2, 8, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)
BLOCK_MINUTES = 10
BLOCKS_A_DAY = 15
WORK = {
    "Build": ("code", "xterm"),
    "Communicate": ("thunderbird", "slack"),
    "ReadResearch": ("evince", "firefox"),
    "Write": ("libreoffice-writer", "firefox"),
}


def block_start(day: int, block: int) -> datetime:
    """Blocks follow each other from eight o'clock UTC on."""
    return FIRST + timedelta(days=day, minutes=BLOCK_MINUTES * block)


def block_label(day: int, block: int) -> str:
    """Every label every day, in an order of the day's own."""
    return random.Random(day).sample(list(WORK) * 4, BLOCKS_A_DAY)[block]


def spans_of(days: Iterable[int], blocks: int = BLOCKS_A_DAY) -> list[LabelSpan]:
    """What they did in the first blocks of these days."""
    length = timedelta(minutes=BLOCK_MINUTES)
    return [
        LabelSpan(block_start(day, k), block_start(day, k) + length, block_label(day, k))
        for day in days
        for k in range(blocks)
    ]


def write_export(path: Path, days: Sequence[int], blocks: int = BLOCKS_A_DAY, share: float = 0.84) -> Path:
    """An export of the first blocks of these days, each half minute in one program.

    `share`: of the half minutes, those in a program of the block's kind.
    """
    windows = []
    for day in days:
        rng = random.Random(1000 + day)
        for block in range(blocks):
            for half in range(2 * BLOCK_MINUTES):
                label = block_label(day, block) if rng.random() < share else rng.choice(list(WORK))
                at = block_start(day, block) + timedelta(seconds=30 * half)
                data = {"app": rng.choice(WORK[label]), "title": f"{label} {rng.randrange(5)}"}
                windows.append({"timestamp": at.isoformat(), "duration": 30.0, "data": data})
    name = "aw-watcher-window_here"
    bucket = {"id": name, "type": "currentwindow", "client": "aw-watcher-window", "hostname": "here"}
    path.write_text(json.dumps({"buckets": {name: {**bucket, "events": windows[::-1]}}}))
    return path


def write_labels(path: Path, days: Iterable[int]) -> Path:
    """The labels of these days as CSV."""
    write_label_csv(path, spans_of(days))
    return path


def make_home(home: Path) -> HomePaths:
    """A home with an identity and nothing else."""
    paths = HomePaths(home)
    processed = home / "data" / "processed"
    processed.mkdir(parents=True)
    (processed / ".user_id").write_text(USER)
    (processed / ".title_secret").write_text(SECRET)
    return paths


def record_days(paths: HomePaths, days: Sequence[int], *, labelled: Iterable[int] | None = None) -> None:
    """Put days on record, some of them labelled (all, unless said)."""
    rows = export_rows(paths, write_export(paths.home / "export.json", days), Config(), 60)
    (paths.home / "export.json").unlink()
    database = Database(paths.database)
    with database.transaction():
        database.buckets.put(record_of(row) for row in rows)
    spans = spans_of(days if labelled is None else labelled)
    LabelStore(database, USER).import_spans(spans, at=LATER)
    database.close()


def record_of(row: FeatureRow) -> BucketRecord:
    """A bucket as stored; what was predicted does not matter here."""
    return BucketRecord(
        user_id=row.user_id,
        start_us=to_us(row.bucket_start_ts),
        end_us=to_us(row.bucket_end_ts),
        time_zone=row.time_zone,
        covered_seconds=60.0,
        config_id="config",
        decided_by=row.decided_by,
        ui_label="Build",
        core_label="Build",
        smoothed_label="Build",
        is_mixed=False,
        is_rejected=False,
        confidence=0.9,
        entropy_bits=0.5,
        is_settled=True,
        feature_row=pack_row(row),
        prediction="[]",
    )
