"""Who is seen where spans lie over one another: the one overlap rule of labels.

A person's word lies over an automatic label, whenever either was given; among their like the later lies on top.
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
    """What a change takes out of force, and what it puts there."""

    taken: list[SpanRecord]
    made: list[SpanRecord]

    def __bool__(self) -> bool:
        return bool(self.taken or self.made)

    def without_sames(self) -> Edit:
        """Leave alone what would be replaced by its like."""
        both = {_content(span) for span in self.taken} & {_content(span) for span in self.made}
        return Edit(
            [span for span in self.taken if _content(span) not in both],
            [span for span in self.made if _content(span) not in both],
        )


def is_person(span: SpanRecord) -> bool:
    """Whether a person said so (now, in an answer, or in a file)."""
    return span.provenance != "auto"


def overlay(
    lying: Sequence[SpanRecord], new: Sequence[SpanRecord], *, gives_way: bool = False, stops_growth: bool = False
) -> Edit:
    """Lay new spans, the later over the earlier, on those lying there (disjoint).

    `gives_way`: the new ones show only where no person has spoken yet. `stops_growth`: none of the old ones grows on.
    A growing span that is cut grows on only in the part that has its end.
    """
    spans = [*lying, *new]
    ranks = [_rank(span) for span in lying] + [_GIVES_WAY if gives_way else _rank(span) for span in new]
    pieces: list[list[SpanRecord]] = [[] for _ in spans]
    for start, end, i in uppermost([(s.start_us, s.end_us, rank) for s, rank in zip(spans, ranks, strict=True)]):
        grows = spans[i].is_growing and end == spans[i].end_us and not (stops_growth and i < len(lying))
        pieces[i].append(dataclasses.replace(spans[i], start_us=start, end_us=end, is_growing=grows))
    changed = [i for i in range(len(spans)) if i >= len(lying) or pieces[i] != [spans[i]]]
    return Edit(
        taken=[spans[i] for i in changed if i < len(lying)],
        made=sorted((piece for i in changed for piece in pieces[i]), key=lambda piece: piece.start_us),
    )


def without(lying: Sequence[SpanRecord], start_us: int, end_us: int) -> Edit:
    """Take everything of [start, end) away from spans that reach into it."""
    made = []
    for span in lying:
        if span.start_us < start_us:
            made.append(dataclasses.replace(span, end_us=start_us, is_growing=False))
        if span.end_us > end_us:
            made.append(dataclasses.replace(span, start_us=end_us))
    return Edit(list(lying), made)


def joined(lying: Sequence[SpanRecord]) -> Edit:
    """Make one span of touching ones with one label; what a person said and what they did not stay apart."""
    runs: list[list[SpanRecord]] = []
    for span in lying:
        if runs and _can_join(runs[-1][-1], span):
            runs[-1].append(span)
        else:
            runs.append([span])
    long = [run for run in runs if len(run) > 1]
    return Edit([span for run in long for span in run], [_one_of(run) for run in long])


def uppermost(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Pieces (start, end, index into `spans`) of what is seen of spans (start, end, rank), in order of time.

    At each moment the highest rank is seen, among equals the later in the list. O(n log n).
    """
    order = sorted(range(len(spans)), key=lambda i: spans[i][0])
    moments = sorted({moment for start, end, _ in spans for moment in (start, end)})
    pieces: list[tuple[int, int, int]] = []
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
        if pieces and pieces[-1][1:] == (now, top):
            pieces[-1] = (pieces[-1][0], until, top)
        else:
            pieces.append((now, until, top))
    return pieces


def _rank(span: SpanRecord) -> int:
    return _PERSON if is_person(span) else _AUTO


def _content(span: SpanRecord) -> tuple[object, ...]:
    return (span.start_us, span.end_us, span.label, span.provenance, span.confidence)


def _can_join(left: SpanRecord, right: SpanRecord) -> bool:
    return left.end_us == right.start_us and left.label == right.label and is_person(left) == is_person(right)


def _one_of(run: Sequence[SpanRecord]) -> SpanRecord:
    """Of different origins: said by hand, for joining them was."""
    provenances = {span.provenance for span in run}
    confidences = {span.confidence for span in run}
    return dataclasses.replace(
        run[-1],
        start_us=run[0].start_us,
        provenance=run[0].provenance if len(provenances) == 1 else "manual",
        confidence=run[0].confidence if len(confidences) == 1 else None,
        created_us=min(span.created_us for span in run),
    )
