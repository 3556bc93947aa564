"""Where labelled minutes come from: the app's own record, or an ActivityWatch export with a file of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from taskclf_tray.core.config import Config
from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS
from taskclf_tray.core.identity import load_or_create_identity
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import DecidedBy, FeatureRow, LabelSpan
from taskclf_tray.labels.csv_files import read_label_csv
from taskclf_tray.labels.spans import LabelStore, label_span
from taskclf_tray.store.buckets import pack_row, unpack_row
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import export_rows
from taskclf_tray.train.dataset import CHUNK_ROWS, Dataset, LabelledBucket, Provenance, local_day
from taskclf_tray.train.dataset_projection import NO_LABEL, BoolArray, IntArray, Projection
from taskclf_tray.train.weak import WEAK_WEIGHT, weak_label

WeakRule = Callable[[FeatureRow], int]
AUTO: Final = "auto"
_FAR_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class PackedBucket:
    """A bucket that may get a label; the record's own lines have these fields too."""

    user_id: str
    start_us: int
    end_us: int
    time_zone: str
    decided_by: str
    feature_row: bytes

    @classmethod
    def of(cls, row: FeatureRow) -> PackedBucket:
        """Of a feature row."""
        return cls(
            row.user_id, to_us(row.bucket_start_ts), to_us(row.bucket_end_ts), row.time_zone, row.decided_by,
            pack_row(row),
        )  # fmt: skip


def from_record(
    database: Database,
    user_id: str,
    *,
    start_us: int = -_FAR_US,
    end_us: int = _FAR_US,
    weak: WeakRule | None = weak_label,
    provenance: Provenance = "real",
) -> Dataset:
    """The record's buckets that start in [start, end), as the label spans in force say. Raises StoreError.

    `weak`: the rule for minutes without any word of a person; None for none.
    """
    spans = [label_span(record) for record in LabelStore(database, user_id).everything()]
    with database.reading():
        found = database.buckets.iterate(user_id, start_us, end_us)
        packed = (
            PackedBucket(b.user_id, b.start_us, b.end_us, b.time_zone, b.decided_by, b.feature_row) for b in found
        )
        return labelled_dataset(packed, spans, weak=weak, provenance=provenance)


def from_export(
    paths: HomePaths,
    export: Path,
    labels: Path,
    config: Config,
    *,
    adopt: bool = False,
    weak: WeakRule | None = weak_label,
    at: datetime | None = None,
) -> Dataset:
    """An ActivityWatch export and a CSV of labels, as this home's user; what was private or excluded stays out.

    Raises ExportFormatError, IdentityError, StoreError, LabelError.
    """
    user_id = load_or_create_identity(paths.home).user_id
    spans = read_label_csv(labels, user_id=user_id, adopt=adopt, at=at or datetime.now(UTC))
    return from_rows(export_rows(paths, export, config, DEFAULT_BUCKET_SECONDS), spans, weak=weak)


def from_rows(
    rows: Iterable[FeatureRow],
    spans: Sequence[LabelSpan],
    *,
    weak: WeakRule | None = None,
    provenance: Provenance = "real",
) -> Dataset:
    """Feature rows with `decided_by` set, of one user or several, in any order."""
    return labelled_dataset(map(PackedBucket.of, rows), spans, weak=weak, provenance=provenance)


def labelled_dataset(
    buckets: Iterable[PackedBucket],
    spans: Sequence[LabelSpan],
    *,
    weak: WeakRule | None = None,
    provenance: Provenance = "real",
) -> Dataset:
    """Some thousand buckets at a time; of those without a label nothing is kept.

    A span without a user id speaks about everybody's buckets. Minutes without a window in front are never labelled.
    """
    labeller = _Labeller(spans, weak)
    waiting = iter(buckets)
    lines: list[LabelledBucket] = []
    while chunk := list(islice(waiting, CHUNK_ROWS)):
        lines.extend(labeller.lines([bucket for bucket in chunk if bucket.decided_by != "no_window"]))
    return Dataset.of(lines, provenance)


class _Labeller:
    """Says what each bucket's label is, and whose word that is."""

    def __init__(self, spans: Sequence[LabelSpan], weak: WeakRule | None) -> None:
        self._spans = spans
        self._weak = weak
        self._of_user: dict[str, tuple[Projection, Projection]] = {}

    def lines(self, buckets: Sequence[PackedBucket]) -> Iterator[LabelledBucket]:
        for user_id in sorted({bucket.user_id for bucket in buckets}):
            yield from self._of_one(user_id, [bucket for bucket in buckets if bucket.user_id == user_id])

    def _of_one(self, user_id: str, buckets: Sequence[PackedBucket]) -> Iterator[LabelledBucket]:
        person, auto = self._projections(user_id)
        starts_us = np.array([bucket.start_us for bucket in buckets], dtype=np.int64)
        ends_us = np.array([bucket.end_us for bucket in buckets], dtype=np.int64)
        labels = person.labels(starts_us, ends_us)
        weak = self._weak_labels(buckets, auto.labels(starts_us, ends_us), person.touches(starts_us, ends_us))
        for bucket, label, weaker in zip(buckets, labels.tolist(), weak.tolist(), strict=True):
            if label != NO_LABEL:
                yield _line(bucket, label, is_weak=False)
            elif weaker != NO_LABEL:
                yield _line(bucket, weaker, is_weak=True)

    def _projections(self, user_id: str) -> tuple[Projection, Projection]:
        if user_id not in self._of_user:
            own = [span for span in self._spans if span.user_id in (None, user_id)]
            self._of_user[user_id] = (
                Projection(span for span in own if span.provenance != AUTO),
                Projection(span for span in own if span.provenance == AUTO),
            )
        return self._of_user[user_id]

    def _weak_labels(self, buckets: Sequence[PackedBucket], auto: IntArray, is_touched: BoolArray) -> IntArray:
        """What nobody's word touches: an automatic label, else the rule's."""
        if self._weak is None:
            return np.full(len(buckets), NO_LABEL, dtype=np.int64)
        labels = np.where(is_touched, NO_LABEL, auto)
        for k in np.flatnonzero(~is_touched & (auto == NO_LABEL)).tolist():
            labels[k] = self._weak(unpack_row(buckets[k].feature_row))
        return labels


def _line(bucket: PackedBucket, label: int, *, is_weak: bool) -> LabelledBucket:
    decided_by: DecidedBy | str = bucket.decided_by
    return LabelledBucket(
        user_id=bucket.user_id,
        start_us=bucket.start_us,
        end_us=bucket.end_us,
        day=local_day(bucket.start_us, bucket.time_zone),
        label=label,
        weight=WEAK_WEIGHT if is_weak else 1.0,
        is_weak=is_weak,
        is_models=decided_by == "model",
        packed=bucket.feature_row,
    )
