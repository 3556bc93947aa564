"""Where labelled minutes come from: the record, ActivityWatch exports and label files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from taskclf_tray.core.config import Config
from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS
from taskclf_tray.core.errors import StoreError
from taskclf_tray.core.intervals import union
from taskclf_tray.core.time import US_PER_SECOND, to_us
from taskclf_tray.core.types import LABEL_SET_V1, DecidedBy, FeatureRow, LabelSpan
from taskclf_tray.infer.head import CONTEXT_BUCKETS
from taskclf_tray.labels.csv_files import LabelTimes, read_label_csv
from taskclf_tray.labels.spans import LabelStore, label_span
from taskclf_tray.models.identity import load_or_create_identity
from taskclf_tray.store.buckets import BucketRecord, pack_row, unpack_row
from taskclf_tray.store.database import Database
from taskclf_tray.system.paths import HomePaths
from taskclf_tray.train.batch_inputs import OnReport, export_rows, no_report
from taskclf_tray.train.dataset import (
    CHUNK_ROWS,
    NO_LABEL,
    BoolArray,
    Dataset,
    IntArray,
    LabelledBucket,
    Provenance,
    local_day,
)
from taskclf_tray.train.weak import UNLABELLED, WEAK_WEIGHT, weak_label

WeakRule = Callable[[FeatureRow], int]
AUTO: Final = "auto"
_FAR_US: Final = 1 << 62
_NEAR_US: Final = CONTEXT_BUCKETS * DEFAULT_BUCKET_SECONDS * US_PER_SECOND
_BEFORE_ALL: Final = np.iinfo(np.int64).min
_ID: Final = {label: position for position, label in enumerate(LABEL_SET_V1)}


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


def labelled_minutes(
    paths: HomePaths,
    config: Config,
    *,
    exports: Sequence[Path] = (),
    label_files: Sequence[Path] = (),
    adopt: bool = False,
    times: LabelTimes | None = None,
    start_us: int = -_FAR_US,
    end_us: int = _FAR_US,
    weak: WeakRule | None = weak_label,
    provenance: Provenance = "real",
    at: datetime | None = None,
    hostname: str | None = None,
    on_report: OnReport = no_report,
) -> Dataset:
    """Gather the labelled minutes of the home's user from the record and the exports.

    So months before the app was installed count too. Private and excluded time stays out. A minute that is in the
    record and in an export counts once.

    Args:
        label_files: label CSV files beside the labels of the record.
        adopt: whether labels of other users in the files count too.
        times: what times without an offset in the files mean.
        start_us, end_us: only buckets that start in [start, end), microseconds since 1970 UTC.
        weak: the rule for minutes no person labelled; None for no rule.
        at: the present time; labels of later times are refused.
        hostname: the machine that is meant in the exports; None for the one in use in each minute.
        on_report: called with what was read of each export.

    Raises:
        StoreError: the database fails, or there is neither a record nor an export.
        ExportFormatError, IdentityError, LabelError: an export, the identity or a label file cannot be used.
    """
    if not exports and not paths.database.exists():
        raise StoreError(
            f"There is no record in {paths.home} yet.", "Start the app first, or name an export of its events."
        )
    user_id = load_or_create_identity(paths.home).user_id
    at = at or datetime.now(UTC)
    times = times or LabelTimes()
    spans = [s for file in label_files for s in read_label_csv(file, user_id=user_id, adopt=adopt, at=at, times=times)]
    parts = []
    if paths.database.exists():
        with closing(Database(paths.database, read_only=True)) as database:
            parts.append(
                from_record(
                    database,
                    user_id,
                    start_us=start_us,
                    end_us=end_us,
                    more_spans=spans,
                    weak=weak,
                    provenance=provenance,
                )
            )
            spans += _spans_of(database, user_id)
    for export in exports:
        rows = export_rows(paths, export, config, DEFAULT_BUCKET_SECONDS, hostname=hostname, on_report=on_report)
        inside = (row for row in rows if start_us <= to_us(row.bucket_start_ts) < end_us)
        parts.append(from_rows(inside, spans, weak=weak, provenance=provenance))
    return Dataset.joined(parts)


def from_record(
    database: Database,
    user_id: str,
    *,
    start_us: int = -_FAR_US,
    end_us: int = _FAR_US,
    more_spans: Sequence[LabelSpan] = (),
    weak: WeakRule | None = weak_label,
    provenance: Provenance = "real",
) -> Dataset:
    """The buckets of the record that start in [start, end), labelled by the spans in force and by `more_spans`.

    `weak`: the rule for minutes no person labelled; None for no rule. Raises StoreError.
    """
    spans = [*_spans_of(database, user_id), *more_spans]
    with database.reading():
        found = database.buckets.iterate(user_id, start_us, end_us)
        return labelled_dataset(map(_packed, found), spans, weak=weak, provenance=provenance)


def minutes_near_labels(database: Database, user_id: str) -> Dataset:
    """The buckets of the record that a person labelled, and those shortly before and after them without a label.

    Only these are read, so it takes the same time however long the record is. Raises StoreError.
    """
    spans = [span for span in _spans_of(database, user_id) if span.provenance != AUTO]
    periods = union((to_us(span.start_ts) - _NEAR_US, to_us(span.end_ts) + _NEAR_US) for span in spans)
    with database.reading():
        found = (bucket for period in periods for bucket in database.buckets.iterate(user_id, *period))
        return labelled_dataset(map(_packed, found), spans, weak=lambda _: UNLABELLED)


def _packed(record: BucketRecord) -> PackedBucket:
    return PackedBucket(
        record.user_id, record.start_us, record.end_us, record.time_zone, record.decided_by, record.feature_row
    )


def _spans_of(database: Database, user_id: str) -> list[LabelSpan]:
    return [label_span(record) for record in LabelStore(database, user_id).everything()]


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
    """Label buckets, some thousand at a time; buckets without a label are dropped.

    A span without a user id labels the buckets of every user. Minutes without a window in front are never labelled.
    """
    labeller = _Labeller(spans, weak)
    waiting = iter(buckets)
    lines: list[LabelledBucket] = []
    while chunk := list(islice(waiting, CHUNK_ROWS)):
        lines.extend(labeller.lines([bucket for bucket in chunk if bucket.decided_by != "no_window"]))
    return Dataset.of(lines, provenance)


class _Labeller:
    """Finds the label of each bucket, and whether a person or a rule gave it."""

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
        """The labels of buckets that no person's span touches: an automatic one, else that of the rule."""
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


# -- which minutes a span labels: those wholly inside it, where no other label has a part ------------------------


class Cover:
    """A lookup for spans that may overlap: sorted once, with the furthest end so far beside each start."""

    def __init__(self, spans: Iterable[LabelSpan]) -> None:
        edges = sorted((to_us(span.start_ts), to_us(span.end_ts)) for span in spans)
        self._starts = np.array([start for start, _ in edges], dtype=np.int64)
        ends = np.array([_BEFORE_ALL, *(end for _, end in edges)], dtype=np.int64)
        self._furthest = np.maximum.accumulate(ends)  # [k]: of the first k spans

    def holds(self, starts_us: IntArray, ends_us: IntArray) -> BoolArray:
        """(N,) whether [start, end) lies wholly inside one span."""
        begun = np.searchsorted(self._starts, starts_us, side="right")
        return np.asarray(self._furthest[begun] >= ends_us)

    def touches(self, starts_us: IntArray, ends_us: IntArray) -> BoolArray:
        """(N,) whether any span has a part in [start, end)."""
        begun = np.searchsorted(self._starts, ends_us, side="left")
        return np.asarray(self._furthest[begun] > starts_us)


class Projection:
    """The labels of one user's spans."""

    def __init__(self, spans: Iterable[LabelSpan]) -> None:
        by_label: dict[str, list[LabelSpan]] = {}
        for span in spans:
            by_label.setdefault(span.label, []).append(span)
        self._covers = {_ID[label]: Cover(found) for label, found in sorted(by_label.items())}

    def labels(self, starts_us: IntArray, ends_us: IntArray) -> IntArray:
        """(N,) label ids; NO_LABEL where no span holds the whole bucket, or another label has a part in it."""
        labels = np.full(len(starts_us), NO_LABEL, dtype=np.int64)
        said = np.zeros(len(starts_us), dtype=np.int64)
        for label, cover in self._covers.items():
            said += cover.touches(starts_us, ends_us)
            labels[cover.holds(starts_us, ends_us)] = label
        labels[said > 1] = NO_LABEL
        return labels

    def touches(self, starts_us: IntArray, ends_us: IntArray) -> BoolArray:
        """(N,) whether any span has a part in the bucket."""
        found = np.zeros(len(starts_us), dtype=np.bool_)
        for cover in self._covers.values():
            found |= cover.touches(starts_us, ends_us)
        return found


def project_labels(starts_us: IntArray, ends_us: IntArray, spans: Iterable[LabelSpan]) -> IntArray:
    """(N,) label ids of buckets [start, end), NO_LABEL where no span holds all of it, or two labels conflict.

    The spans are one user's, in any order, and may overlap. O((N + S) log S), without a loop over buckets.
    """
    return Projection(spans).labels(np.asarray(starts_us), np.asarray(ends_us))
