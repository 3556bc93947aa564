"""Beside the record, for people and other tools: predictions.csv and segments.json (contract, section 11)."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import datetime
from pathlib import Path

from taskclf_tray.core.atomic import write_json_atomic
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.time import from_us, local_day_bounds, to_us
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.smooth import merge_short_segments, segmentize
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database

_HEADER = (
    "bucket_start_ts", "predicted_label", "confidence", "is_rejected", "mapped_label", "core_probs",
)  # fmt: skip
_EXPORTED = "csv_until_us"
_FAR_US = 1 << 62


class OutputWriter:
    """Writes what is settled and not yet written; a crash between file and mark repeats lines, never loses one."""

    def __init__(self, database: Database, user_id: str, out_dir: Path, *, bucket_seconds: int = 60) -> None:
        self._database = database
        self._user_id = user_id
        self._out_dir = out_dir
        self._bucket_seconds = bucket_seconds

    def write(self, now: datetime, zone_name: str) -> int:
        """Bring both files up to date; returns how many buckets were added. Raises StoreError (disk, permissions)."""
        try:
            self._out_dir.mkdir(parents=True, exist_ok=True)
            added = self._append_predictions()
            self._write_segments(now, zone_name)
        except OSError as error:
            raise StoreError(
                f"The results cannot be written to {self._out_dir} ({error.strerror}).",
                "The record goes on; they are completed when the folder can be written again.",
            ) from error
        return added

    def _append_predictions(self) -> int:
        with self._database.reading():
            done_us = int(self._database.state.get(_EXPORTED) or 0)
            open_from = self._database.buckets.first_unsettled_us(self._user_id)
            fresh = self._database.buckets.between(self._user_id, done_us, open_from or _FAR_US)
        if not fresh:
            return 0
        path = self._out_dir / "predictions.csv"
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        with path.open("a", encoding="utf-8", newline="") as file:
            if file.tell() == 0:
                writer.writerow(_HEADER)
            writer.writerows(_line(record) for record in fresh)
            file.write(lines.getvalue())
            file.flush()
            os.fsync(file.fileno())
        with self._database.transaction():
            self._database.state.set(_EXPORTED, str(fresh[-1].start_us + 1))
        return len(fresh)

    def _write_segments(self, now: datetime, zone_name: str) -> None:
        start, end = local_day_bounds(now, zone_name)
        with self._database.reading():
            today = self._database.buckets.between(self._user_id, to_us(start), to_us(end))
        labels = [WindowPrediction.unpack(json.loads(r.prediction)).smoothed_label_name for r in today]
        segments = segmentize([from_us(r.start_us) for r in today], labels, self._bucket_seconds)
        merged = merge_short_segments(segments)
        write_json_atomic(self._out_dir / "segments.json", [segment.to_dict() for segment in merged])


def _line(record: BucketRecord) -> tuple[object, ...]:
    prediction = WindowPrediction.unpack(json.loads(record.prediction))
    return (
        prediction.bucket_start_ts.isoformat(),
        prediction.smoothed_label_name,
        f"{prediction.confidence:.4f}",
        prediction.is_rejected,
        prediction.mapped_label_name or "",
        json.dumps([round(p, 4) for p in prediction.core_probs]),
    )
