"""The overlap rule of labels: which span counts where spans overlap.

A person's label counts over an automatic one, whenever either was given; among equals the later counts.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from taskclf_tray.store.labels import SpanRecord

_AUTO, _GIVES_WAY, _PERSON = range(3)


@dataclass(frozen=True, slots=True)
class Edit:
    """The spans that a change removes, and those that it makes."""

    taken: list[SpanRecord]
    made: list[SpanRecord]

    def __bool__(self) -> bool:
        return bool(self.taken or self.made)

    def without_sames(self) -> Edit:
        """Drop the spans that would be replaced by equal ones."""
        both = {_content(span) for span in self.taken} & {_content(span) for span in self.made}
        return Edit(
            [span for span in self.taken if _content(span) not in both],
            [span for span in self.made if _content(span) not in both],
        )


def is_person(span: SpanRecord) -> bool:
    """Whether a person gave the label (directly, in an answer, or in a file)."""
    return span.provenance != "auto"


def overlay(
    existing: Sequence[SpanRecord], new: Sequence[SpanRecord], *, gives_way: bool = False, stops_growth: bool = False
) -> Edit:
    """Lay new spans, the later over the earlier, on existing spans (disjoint).

    A growing span that is cut grows on only in the part with its end.

    Args:
        existing: the present spans, disjoint and in order of time.
        new: the new spans.
        gives_way: the new spans count only where no person gave a label.
        stops_growth: no existing span grows on.
    """
    spans = [*existing, *new]
    ranks = [_rank(span) for span in existing] + [_GIVES_WAY if gives_way else _rank(span) for span in new]
    parts: list[list[SpanRecord]] = [[] for _ in spans]
    for start, end, i in visible_parts([(s.start_us, s.end_us, rank) for s, rank in zip(spans, ranks, strict=True)]):
        grows = spans[i].is_growing and end == spans[i].end_us and not (stops_growth and i < len(existing))
        parts[i].append(dataclasses.replace(spans[i], start_us=start, end_us=end, is_growing=grows))
    changed = [i for i in range(len(spans)) if i >= len(existing) or parts[i] != [spans[i]]]
    return Edit(
        taken=[spans[i] for i in changed if i < len(existing)],
        made=sorted((part for i in changed for part in parts[i]), key=lambda part: part.start_us),
    )


def erase_interval(existing: Sequence[SpanRecord], start_us: int, end_us: int) -> Edit:
    """Remove [start, end) from the spans that overlap it."""
    made = []
    for span in existing:
        if span.start_us < start_us:
            made.append(dataclasses.replace(span, end_us=start_us, is_growing=False))
        if span.end_us > end_us:
            made.append(dataclasses.replace(span, start_us=end_us))
    return Edit(list(existing), made)


def join_touching(existing: Sequence[SpanRecord]) -> Edit:
    """Join touching spans of one label; labels of the person and automatic ones stay apart."""
    runs: list[list[SpanRecord]] = []
    for span in existing:
        if runs and _can_join(runs[-1][-1], span):
            runs[-1].append(span)
        else:
            runs.append([span])
    long = [run for run in runs if len(run) > 1]
    return Edit([span for run in long for span in run], [_one_of(run) for run in long])


def visible_parts(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the visible parts (start, end, index into `spans`) of spans (start, end, rank), in order of time.

    At each moment the highest rank counts, among equals the later in the list. O(n log n).
    """
    order = sorted(range(len(spans)), key=lambda i: spans[i][0])
    moments = sorted({moment for start, end, _ in spans for moment in (start, end)})
    parts: list[tuple[int, int, int]] = []
    open_ones: list[tuple[int, int]] = []  # (-rank, -index): the top is seen
    at = 0
    for now, until in pairwise(moments):
        while at < len(order) and spans[order[at]][0] == now:
            heapq.heappush(open_ones, (-spans[order[at]][2], -order[at]))
            at += 1
        while open_ones and spans[-open_ones[0][1]][1] <= now:
            heapq.heappop(open_ones)
        if not open_ones:
            continue
        top = -open_ones[0][1]
        if parts and parts[-1][1:] == (now, top):
            parts[-1] = (parts[-1][0], until, top)
        else:
            parts.append((now, until, top))
    return parts


def _rank(span: SpanRecord) -> int:
    return _PERSON if is_person(span) else _AUTO


def _content(span: SpanRecord) -> tuple[object, ...]:
    return (span.start_us, span.end_us, span.label, span.provenance, span.confidence)


def _can_join(left: SpanRecord, right: SpanRecord) -> bool:
    return left.end_us == right.start_us and left.label == right.label and is_person(left) == is_person(right)


def _one_of(run: Sequence[SpanRecord]) -> SpanRecord:
    """Join spans; of different provenances the result is `manual`, because the person joined them."""
    provenances = {span.provenance for span in run}
    confidences = {span.confidence for span in run}
    return dataclasses.replace(
        run[-1],
        start_us=run[0].start_us,
        provenance=run[0].provenance if len(provenances) == 1 else "manual",
        confidence=run[0].confidence if len(confidences) == 1 else None,
        created_us=min(span.created_us for span in run),
    )
