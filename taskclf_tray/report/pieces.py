"""Whose word each second of a bucket follows: the person's inside a label of theirs, else the prediction's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskclf_tray.core.time import seconds_to_us
from taskclf_tray.infer.taxonomy import OTHER_BUCKET, TaxonomyConfig
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.labels import SpanRecord


@dataclass(frozen=True, slots=True)
class Piece:
    """A bucket, or the part of one that lies inside or outside a label of the person.

    `covered_us` is its share of the bucket's covered time. `is_mixed`: the person sees it under the mixed name; what
    they labelled themselves never is.
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
    """How a label the person gave is shown: as the first category that holds it."""
    if taxonomy is None:
        return core_label
    return next((bucket.name for bucket in taxonomy.buckets if core_label in bucket.core_labels), OTHER_BUCKET)


def pieces_of(
    records: Sequence[BucketRecord], spans: Sequence[SpanRecord], taxonomy: TaxonomyConfig | None
) -> list[Piece]:
    """The buckets cut at the person's spans; both are in order of time, the spans disjoint."""
    pieces: list[Piece] = []
    at = 0
    for record in records:
        while at < len(spans) and spans[at].end_us <= record.start_us:
            at += 1
        over = at
        while over < len(spans) and spans[over].start_us < record.end_us:
            over += 1
        pieces += cut(record, spans[at:over], taxonomy)
    return pieces


def cut(record: BucketRecord, spans: Sequence[SpanRecord], taxonomy: TaxonomyConfig | None) -> Iterator[Piece]:
    """One bucket cut at the spans that overlap it.

    Where in a bucket its covered seconds lie is not stored: they count as spread evenly. Shares are differences of
    whole microseconds along the bucket, so they give its total exactly, however it is cut.
    """
    covered_us = seconds_to_us(record.covered_seconds)

    def until(moment_us: int) -> int:
        return covered_us * (moment_us - record.start_us) // (record.end_us - record.start_us)

    def piece(start_us: int, end_us: int, own: str | None) -> Piece:
        return Piece(
            start_us,
            end_us,
            until(end_us) - until(start_us),
            record.smoothed_label if own is None else own,
            record.ui_label if own is None else own_ui_label(own, taxonomy),
            record.is_mixed and own is None,
            own is not None,
            record.time_zone,
        )

    at = record.start_us
    for span in spans:
        start_us, end_us = max(span.start_us, record.start_us), min(span.end_us, record.end_us)
        if at < start_us:
            yield piece(at, start_us, None)
        yield piece(start_us, end_us, span.label)
        at = end_us
    if at < record.end_us:
        yield piece(at, record.end_us, None)


def runs(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Stretches of one core label without a gap, as they follow one another."""
    run: list[Piece] = []
    for piece in pieces:
        if run and not (piece.start_us == run[-1].end_us and piece.core_label == run[-1].core_label):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run
