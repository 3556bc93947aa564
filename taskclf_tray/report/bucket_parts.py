"""Buckets cut at the person's labels, and durations for display.

Inside a span a second has the label of the span, elsewhere the label of the prediction.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, TypeVar

from taskclf_tray.core.time import seconds_to_us
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_resolver import OTHER_BUCKET
from taskclf_tray.labels.categories import Shown
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.labels import SpanRecord

_MINUTE_US = 60_000_000
_HALF_US = _MINUTE_US // 2
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class BucketPart:
    """A bucket, or its part inside or outside a label of the person.

    `covered_us` is the part's portion of the bucket's covered time. `is_mixed`: it is shown under the mixed name, which
    labelled time never is.
    """

    start_us: int
    end_us: int
    covered_us: int
    core_label: str
    ui_label: str
    is_mixed: bool
    is_own: bool
    time_zone: str


def own_ui_label(core_label: str, taxonomy: TaxonomyConfig | None) -> str:
    """Return the shown name of a label that the person gave: the first category with it."""
    if taxonomy is None:
        return core_label
    return next((bucket.name for bucket in taxonomy.buckets if core_label in bucket.core_labels), OTHER_BUCKET)


def uncut(record: BucketRecord, shown: Shown | None = None) -> BucketPart:
    """Return a whole bucket as one part. `shown`: its name in today's categories; None for the stored one."""
    ui_label, is_mixed = (record.ui_label, record.is_mixed) if shown is None else shown
    return BucketPart(
        record.start_us,
        record.end_us,
        seconds_to_us(record.covered_seconds),
        record.smoothed_label,
        ui_label,
        is_mixed,
        False,
        record.time_zone,
    )


def bucket_parts(
    records: Sequence[BucketRecord],
    spans: Sequence[SpanRecord],
    taxonomy: TaxonomyConfig | None,
    shown: Sequence[Shown] | None = None,
) -> list[BucketPart]:
    """Cut the buckets at the person's spans; both are in order of time, the spans disjoint. `shown`: as in `uncut`."""
    parts: list[BucketPart] = []
    at = 0
    for record, name in zip(records, repeat(None) if shown is None else shown, strict=False):
        while at < len(spans) and spans[at].end_us <= record.start_us:
            at += 1
        over = at
        while over < len(spans) and spans[over].start_us < record.end_us:
            over += 1
        parts += cut(uncut(record, name), spans[at:over], taxonomy)
    return parts


def cut(bucket: BucketPart, spans: Sequence[SpanRecord], taxonomy: TaxonomyConfig | None) -> Iterator[BucketPart]:
    """Cut a whole bucket at the spans that overlap it.

    The position of the covered seconds inside a bucket is not stored, so they count as spread evenly. Portions are
    differences of whole microseconds along the bucket, so they add up to its total however it is cut.
    """

    def until(moment_us: int) -> int:
        return bucket.covered_us * (moment_us - bucket.start_us) // (bucket.end_us - bucket.start_us)

    def part(start_us: int, end_us: int, **own: Any) -> BucketPart:
        return replace(bucket, start_us=start_us, end_us=end_us, covered_us=until(end_us) - until(start_us), **own)

    at = bucket.start_us
    for span in spans:
        start_us, end_us = max(span.start_us, bucket.start_us), min(span.end_us, bucket.end_us)
        if at < start_us:
            yield part(at, start_us)
        ui_label = own_ui_label(span.label, taxonomy)
        yield part(start_us, end_us, core_label=span.label, ui_label=ui_label, is_mixed=False, is_own=True)
        at = end_us
    if at < bucket.end_us:
        yield part(at, bucket.end_us)


def runs(parts: Sequence[BucketPart]) -> Iterator[list[BucketPart]]:
    """Yield the runs of one core label without a gap, in order."""
    run: list[BucketPart] = []
    for part in parts:
        if run and not (part.start_us == run[-1].end_us and part.core_label == run[-1].core_label):
            yield run
            run = []
        run.append(part)
    if run:
        yield run


# -- minutes as shown --------------------------------------------------------------------------------------------


def apportion_minutes(parts_us: Mapping[K, int]) -> dict[K, int]:
    """Round each part to minutes so that they add up to the rounded sum, each less than a minute off (largest
    remainder).
    """
    minutes = {key: part // _MINUTE_US for key, part in parts_us.items()}
    left = (sum(parts_us.values()) + _HALF_US) // _MINUTE_US - sum(minutes.values())
    by_rest = sorted(parts_us, key=lambda key: -(parts_us[key] % _MINUTE_US))
    for key in by_rest[:left]:
        minutes[key] += 1
    return minutes


def duration(minutes: int) -> str:
    """`3 h 05 min`, `12 min`."""
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
