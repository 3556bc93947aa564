"""Today ▸: how the day divides so far, updated with the record instead of counted again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from taskclf_tray.app.snapshot import TodayEntry, TodayView
from taskclf_tray.core.intervals import Interval, subtract, union
from taskclf_tray.core.time import local_date as date_in_zone
from taskclf_tray.core.types import LABEL_LOOKS, CoreLabel
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.labels.categories import Categories
from taskclf_tray.report.bucket_parts import BucketPart, apportion_minutes, cut, uncut
from taskclf_tray.report.days import grown_with_record, iterate_day, local_date, near_us, read_spans
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import LabelMark, SpanRecord

_LabelsSeen = tuple[LabelMark, int | None]


class TodayTally:
    """Adds up the covered time of the current local day by shown label, equal at any time to the day's report.

    Only what has changed is read: buckets by their change number, labels when their mark has moved or the growing one
    has grown. A new day is read as a whole.
    """

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._user_id = user_id
        self._day: date | None = None
        self._seen = 0
        self._labels_seen: _LabelsSeen | None = None
        self._categories = Categories(database, None)
        self._buckets: dict[int, BucketPart] = {}
        self._starts: list[int] = []
        self._spans: list[SpanRecord] = []
        self._span_starts: list[int] = []
        self._span_ends: list[int] = []
        self._totals_us: Counter[tuple[str, bool]] = Counter()

    def view(self, now: datetime, zone_name: str, taxonomy: TaxonomyConfig | None) -> TodayView:
        """The minutes of the current day in the current zone. Raises StoreError."""
        today = date_in_zone(now, zone_name)
        if taxonomy != self._categories.taxonomy:
            self._categories, self._day = Categories(self._database, taxonomy), None
        if today == self._day:
            self._follow_labels(today)
            self._follow_buckets(today)
        else:
            self._begin(today)
        return self._view()

    def totals_us(self) -> dict[tuple[str, bool], int]:
        """Covered microseconds by (UI label, whether it is the mixed name of what was rejected)."""
        return {key: total_us for key, total_us in self._totals_us.items() if total_us}

    # -- following the record ---------------------------------------------------------------------------------

    def _begin(self, today: date) -> None:
        self._day = None  # until all of it is read
        self._buckets, self._starts, self._totals_us = {}, [], Counter()
        with self._database.reading():
            self._seen = self._database.buckets.last_change()
        self._labels_seen = self._labels_mark()
        self._use_spans(read_spans(self._database, self._user_id, *near_us(today)))
        for record in iterate_day(self._database, self._user_id, today):
            self._put(uncut(record, self._categories.name(record)))
        self._day = today

    def _follow_buckets(self, today: date) -> None:
        with self._database.reading():
            newest = self._database.buckets.last_change()
            if newest == self._seen:
                return
            for record in self._database.buckets.changed_since(self._user_id, self._seen):
                if local_date(record) == today:
                    self._put(uncut(record, self._categories.name(record)))
        self._seen = newest

    def _follow_labels(self, today: date) -> None:
        """Count the buckets again whose labels have changed."""
        mark = self._labels_mark()
        if mark == self._labels_seen:
            return
        spans = read_spans(self._database, self._user_id, *near_us(today))
        touched = [bucket for changed in _changed(self._spans, spans) for bucket in self._within(changed)]
        self._count(touched, -1)
        self._use_spans(spans)
        self._count(touched, 1)
        self._labels_seen = mark

    def _labels_mark(self) -> _LabelsSeen:
        with self._database.reading():
            growing = self._database.labels.growing(self._user_id)
            mark = self._database.labels.mark(self._user_id)
        if growing is None:
            return mark, None
        return mark, grown_with_record(self._database, self._user_id, [growing])[0].end_us

    def _use_spans(self, spans: list[SpanRecord]) -> None:
        self._spans = spans
        self._span_starts = [span.start_us for span in spans]
        self._span_ends = [span.end_us for span in spans]

    # -- counting ---------------------------------------------------------------------------------------------

    def _put(self, bucket: BucketPart) -> None:
        """Count a bucket, in place of its former version."""
        before = self._buckets.get(bucket.start_us)
        if before is None:
            insort(self._starts, bucket.start_us)
        else:
            self._count([before], -1)
        self._buckets[bucket.start_us] = bucket
        self._count([bucket], 1)

    def _count(self, buckets: Iterable[BucketPart], sign: int) -> None:
        for bucket in buckets:
            first = bisect_right(self._span_ends, bucket.start_us)
            behind = bisect_left(self._span_starts, bucket.end_us)
            for piece in cut(bucket, self._spans[first:behind], self._categories.taxonomy):
                self._totals_us[piece.ui_label, piece.is_mixed] += sign * piece.covered_us

    def _within(self, interval: Interval) -> Iterator[BucketPart]:
        """The buckets that overlap an interval."""
        first = max(0, bisect_right(self._starts, interval[0]) - 1)
        for start_us in self._starts[first : bisect_left(self._starts, interval[1])]:
            if self._buckets[start_us].end_us > interval[0]:
                yield self._buckets[start_us]

    # -- what is shown ----------------------------------------------------------------------------------------

    def _view(self) -> TodayView:
        taxonomy = self._categories.taxonomy
        includes_rejected = taxonomy is not None and taxonomy.include_rejected_in_reports
        parts_us: Counter[str | None] = Counter()
        for (name, is_mixed), total_us in sorted(self.totals_us().items()):
            parts_us[None if is_mixed and not includes_rejected else name] += total_us
        minutes = apportion_minutes(parts_us)
        named = ((name, count) for name, count in minutes.items() if name is not None and count)
        return TodayView(
            tuple(
                TodayEntry(name, count, _color(name, taxonomy))
                for name, count in sorted(named, key=lambda item: (-item[1], item[0]))
            ),
            minutes.get(None, 0),
            sum(minutes.values()),
        )


def _changed(before: Sequence[SpanRecord], after: Sequence[SpanRecord]) -> list[Interval]:
    """Where another label, or none, is in force than before."""
    labels = {span.label for span in (*before, *after)}
    changed: list[Interval] = []
    for label in labels:
        old, new = (union((s.start_us, s.end_us) for s in spans if s.label == label) for spans in (before, after))
        changed += subtract(old, new) + subtract(new, old)
    return union(changed)


def _color(name: str, taxonomy: TaxonomyConfig | None) -> str | None:
    """The colour of the category; a core label has one of its own."""
    own = next((bucket.color for bucket in (taxonomy.buckets if taxonomy else ()) if bucket.name == name), None)
    return own or (LABEL_LOOKS[CoreLabel(name)].color if name in set(CoreLabel) else None)
