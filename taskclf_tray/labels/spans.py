"""The label store: the person's labels, durable after every call and undoable for a day."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, cast, get_args

from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.intervals import subtract
from taskclf_tray.core.plain_text import printable
from taskclf_tray.core.time import US_PER_SECOND, as_utc, from_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, LabelSpan
from taskclf_tray.labels.blocks import MIN_BLOCK_SECONDS
from taskclf_tray.labels.overlay import Edit, erase_interval, is_person, join_touching, overlay
from taskclf_tray.labels.presence import EXCURSION
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import ChangeKind, LabelChange, Provenance, SpanRecord
from taskclf_tray.store.requests import LabelRequest, RequestStatus

UNDO_DAYS: Final = 1
FUTURE_MINUTES: Final = 5
"""How far a span may end in the future, because clocks differ a little."""

GROWS_FOR: Final = EXCURSION + timedelta(minutes=1)
"""A growing label ends after this much other work, a slow poll included."""

_UNDO_US: Final = timedelta(days=UNDO_DAYS) // timedelta(microseconds=1)
_FAR_US: Final = 1 << 62
_KINDS: Final[dict[Provenance, ChangeKind]] = {
    "manual": "label", "answer": "answer", "import": "import", "auto": "auto",
}  # fmt: skip
_BY_FOLDED: Final = {label.casefold(): label for label in LABEL_SET_V1}


class LabelStore:
    """The labels of one user. Every write is one transaction: on disk when the call returns, or not at all.

    A new label trims, splits or covers older ones; an automatic one never covers a label of the person. A write closes
    the requests whose blocks the person has labelled completely. Raises StoreError, and LabelError for an impossible
    span.
    """

    def __init__(self, database: Database, user_id: str) -> None:
        self._database = database
        self._labels = database.labels
        self._requests = database.requests
        self._user_id = user_id

    # -- writing ----------------------------------------------------------------------------------------------

    def add(
        self,
        start: datetime,
        end: datetime,
        label: str,
        *,
        at: datetime,
        provenance: Provenance = "manual",
        confidence: float | None = None,
        is_growing: bool = False,
    ) -> int:
        """Label [start, end); returns the id of the change, 0 when an automatic label found no room.

        Args:
            start: aware start.
            end: aware end, exclusive.
            label: a core label, in any case.
            at: the present.
            provenance: where the label came from.
            confidence: from 0 to 1, for an automatic label.
            is_growing: the end will follow the block by `grow`; only one span grows at a time.

        Raises:
            LabelError: the span is impossible.
            StoreError: the record cannot be written.
        """
        span = self._span(LabelSpan(start, end, label, provenance, confidence=confidence), at, is_growing=is_growing)
        with self._database.transaction():
            existing = self._labels.between(self._user_id, span.start_us, span.end_us)
            older = self._labels.growing(self._user_id) if is_growing else None
            if older is not None and older not in existing:
                existing.append(older)
            edit = overlay(existing, [span], stops_growth=is_growing)
            if not edit:
                return 0
            return self._change(_KINDS[provenance], span.start_us, span.end_us, span.label, at, edit)

    def answer(self, request_id: str, label: str, *, at: datetime) -> LabelChange | None:
        """Label the block of a request, except where the person labelled parts of it before.

        Returns None, and writes nothing, when the request is not pending. The change's label is None when nothing of
        the block was left to label.
        """
        label = core_label(label)
        with self._database.transaction():
            request = self._waiting(request_id)
            if request is None:
                return None
            start_us, end_us = request.start_us, request.end_us
            span = SpanRecord(0, self._user_id, start_us, end_us, label, "answer", None, to_us(at))
            edit = overlay(self._labels.between(self._user_id, start_us, end_us), [span], gives_way=True)
            given = label if edit else None
            self._change("answer", start_us, end_us, given, at, edit, closed_request=(request_id, "labeled"))
            return self._labels.newest_change(self._user_id)

    def skip(self, request_id: str, *, at: datetime) -> bool:
        """Close a request without a label, for good; False when it is not pending."""
        with self._database.transaction():
            request = self._waiting(request_id)
            if request is None:
                return False
            nothing = Edit([], [])
            self._change(
                "skip", request.start_us, request.end_us, None, at, nothing, closed_request=(request_id, "skipped")
            )
            return True

    def erase(self, start: datetime, end: datetime, *, at: datetime) -> bool:
        """Remove every label from [start, end); False when there was none."""
        start_us, end_us = _period(start, end)
        with self._database.transaction():
            existing = self._labels.between(self._user_id, start_us, end_us)
            if existing:
                edit = erase_interval(existing, start_us, end_us)
                self._change("erase", start_us, end_us, _only_label(existing), at, edit)
            return bool(existing)

    def merge(self, start: datetime, end: datetime, *, at: datetime) -> bool:
        """Join touching spans of one label that lie wholly inside; False when there are none."""
        start_us, end_us = _period(start, end)
        with self._database.transaction():
            existing = self._labels.between(self._user_id, start_us, end_us)
            edit = join_touching([span for span in existing if start_us <= span.start_us and span.end_us <= end_us])
            if edit:
                self._change("merge", edit.made[0].start_us, edit.made[-1].end_us, _only_label(edit.made), at, edit)
            return bool(edit)

    def import_spans(self, spans: Sequence[LabelSpan], *, at: datetime) -> int:
        """Lay spans on the existing ones, later over earlier, as one change; all or nothing.

        Returns the number of spans; equal existing ones stay. Raises LabelError for a span of another user.
        """
        new = [self._span(span, at) for span in spans]
        if not new:
            return 0
        start_us, end_us = min(span.start_us for span in new), max(span.end_us for span in new)
        with self._database.transaction():
            existing = self._labels.between(self._user_id, start_us, end_us)
            edit = overlay(existing, new).without_sames()
            if edit:
                self._change("import", start_us, end_us, _only_label(new), at, edit)
        return len(new)

    def undo(self, *, at: datetime) -> LabelChange | None:
        """Undo the newest change: labels and requests are as before it. None when none can be undone."""
        with self._database.transaction():
            change = self.undoable(at)
            if change is None:
                return None
            self._labels.undo(change.id, to_us(at))
            self._requests.reopen(change.id)
            self._close_labelled(change.start_us, change.end_us)
            self._labels.forget(self._user_id, to_us(at) - _UNDO_US)
            return dataclasses.replace(change, undone_us=to_us(at))

    # -- the span that grows with its block -------------------------------------------------------------------

    def growing(self) -> SpanRecord | None:
        """Return the span whose end follows its block."""
        with self._database.reading():
            return self._labels.growing(self._user_id)

    def grow(self, until: datetime) -> None:
        """Move the end of the growing span forward, at most to the next span, where it stops growing.

        This is no change of its own: undoing the label removes all of it.
        """
        until_us = to_us(until)
        span = self.growing()
        if span is None or until_us <= span.end_us:
            return
        with self._database.transaction():
            span = self._labels.growing(self._user_id)  # another process may have been faster
            if span is None or until_us <= span.end_us:
                return
            barrier_us = self._labels.barrier(span)
            is_free = barrier_us is None or until_us < barrier_us
            end_us = until_us if barrier_us is None else min(until_us, barrier_us)
            self._labels.grow(span.id, end_us, is_growing=is_free)
            self._close_labelled(span.start_us, end_us)

    def stop_growing(self, *, at: datetime | None = None) -> None:
        """Stop the growing span, at `at` if its block ended earlier than was known, but never before the label was
        given.
        """
        if self.growing() is None:
            return
        with self._database.transaction():
            while (span := self._labels.growing(self._user_id)) is not None:
                end_us = (
                    span.end_us if at is None else min(span.end_us, max(to_us(at), span.created_us, span.start_us + 1))
                )
                self._labels.stop(span.id, end_us)

    # -- reading ----------------------------------------------------------------------------------------------

    def undoable(self, now: datetime) -> LabelChange | None:
        """Return the change that `undo` would undo: the newest one, if it is at most a day old."""
        with self._database.reading():
            change = self._labels.newest_change(self._user_id)
        return None if change is None or to_us(now) - change.at_us > _UNDO_US else change

    def between(self, start: datetime, end: datetime) -> list[SpanRecord]:
        """Return the spans in force that overlap [start, end), in order of time."""
        with self._database.reading():
            return self._labels.between(self._user_id, to_us(start), to_us(end))

    def everything(self) -> Iterator[SpanRecord]:
        """Iterate over all spans in force, in order of time."""
        with self._database.reading():
            return iter(self._labels.between(self._user_id, -_FAR_US, _FAR_US))

    def label_at(self, moment: datetime) -> SpanRecord | None:
        """Return the span in force at a moment."""
        with self._database.reading():
            found = self._labels.between(self._user_id, to_us(moment), to_us(moment) + 1)
        return found[0] if found else None

    def waiting(self, now: datetime) -> list[LabelRequest]:
        """Return the blocks that wait for a label, oldest first.

        A block of the last day is left out while its unlabelled rest is too short to ask about, because labels begin
        and end by the second and blocks by the minute.
        """
        with self._database.reading():
            pending = self._requests.pending(self._user_id)
            recent_us = to_us(now) - _UNDO_US
            return [r for r in pending if r.end_us < recent_us or not self._is_nearly_labelled(r)]

    def _is_nearly_labelled(self, request: LabelRequest) -> bool:
        spans = self._labels.between(self._user_id, request.start_us, request.end_us)
        labelled = [(span.start_us, span.end_us) for span in spans if is_person(span)]
        left_us = sum(
            end_us - start_us for start_us, end_us in subtract([(request.start_us, request.end_us)], labelled)
        )
        return left_us < MIN_BLOCK_SECONDS * US_PER_SECOND and 2 * left_us < request.end_us - request.start_us

    def order(self) -> tuple[str, ...]:
        """Return the eight labels, the person's most frequent first, then in label order."""
        with self._database.reading():
            counts = self._labels.counts(self._user_id)
        return tuple(sorted(LABEL_SET_V1, key=lambda label: -counts.get(label, 0)))

    # -- parts of a write -------------------------------------------------------------------------------------

    def _waiting(self, request_id: str) -> LabelRequest | None:
        request = self._requests.get(request_id)
        return request if request and request.status == "pending" and request.user_id == self._user_id else None

    def _change(
        self,
        kind: ChangeKind,
        start_us: int,
        end_us: int,
        label: str | None,
        at: datetime,
        edit: Edit,
        closed_request: tuple[str, RequestStatus] | None = None,
    ) -> int:
        change_id = self._labels.begin(self._user_id, to_us(at), kind, start_us, end_us, label)
        self._labels.take(change_id, (span.id for span in edit.taken))
        self._labels.make(change_id, edit.made)
        if closed_request is not None:
            self._requests.close(*closed_request, change_id)
        self._close_labelled(start_us, end_us)
        self._labels.forget(self._user_id, to_us(at) - _UNDO_US)
        return change_id

    def _close_labelled(self, start_us: int, end_us: int) -> None:
        """Close the requests whose blocks the person labelled completely; undoing one of the spans reopens them."""
        for request in self._requests.pending(self._user_id):
            if request.start_us < end_us and request.end_us > start_us:
                spans = self._labels.between(self._user_id, request.start_us, request.end_us)
                labelled = [span for span in spans if is_person(span)]
                if not subtract(
                    [(request.start_us, request.end_us)], [(span.start_us, span.end_us) for span in labelled]
                ):
                    newest = max(self._labels.maker(span.id) for span in labelled)
                    self._requests.close(request.request_id, "labeled", newest)

    def _span(self, span: LabelSpan, at: datetime, *, is_growing: bool = False) -> SpanRecord:
        """Return the span in its stored form. Raises LabelError."""
        if span.user_id not in (None, self._user_id):
            raise LabelError("The label belongs to another user.", "Import it as your own, or leave it out.")
        span = checked_span(span, at)
        return SpanRecord(
            0, self._user_id, to_us(span.start_ts), to_us(span.end_ts), span.label, cast(Provenance, span.provenance),
            span.confidence, to_us(at), is_growing=is_growing,
        )  # fmt: skip


def is_ongoing(span: SpanRecord, moment: datetime) -> bool:
    """Whether a growing span also covers this later moment, although its end was moved a while ago.

    A span that stayed open because no app was running does not.
    """
    return span.is_growing and moment - from_us(span.end_us) <= GROWS_FOR


def extend_growing(spans: Sequence[SpanRecord], moment: datetime) -> list[SpanRecord]:
    """Return the spans, in order of time and disjoint, with the growing one extended to this moment."""
    reached = list(spans)
    for at, span in enumerate(spans):
        if is_ongoing(span, moment):
            barrier_us = spans[at + 1].start_us if at + 1 < len(spans) else _FAR_US
            end_us = max(span.end_us, min(to_us(moment), barrier_us))
            reached[at] = dataclasses.replace(span, end_us=end_us)
    return reached


def core_label(text: str) -> str:
    """Return the core label of this name in any case. Raises LabelError, which names the eight."""
    label = _BY_FOLDED.get(text.strip().casefold())
    if label is None:
        raise LabelError(f"{_shown(text)} is not one of the eight labels.", f"They are {', '.join(LABEL_SET_V1)}.")
    return label


def checked_span(span: LabelSpan, now: datetime) -> LabelSpan:
    """Return the span with the label's exact name and times in UTC. Raises LabelError for an impossible span."""
    label = core_label(span.label)
    _period(span.start_ts, span.end_ts)
    if span.end_ts > now + timedelta(minutes=FUTURE_MINUTES):
        raise LabelError(
            f"The label would end in the future, at {_clock(span.end_ts)}.",
            "Is its time zone right? A time without an offset counts as UTC.",
        )
    if span.confidence is not None and not 0.0 <= span.confidence <= 1.0:
        raise LabelError(f"The confidence {span.confidence} is not between 0 and 1.", "Leave it out, or correct it.")
    if span.provenance not in get_args(Provenance):
        raise LabelError(
            f"{_shown(span.provenance)} is not a provenance of labels.", f"Known are {', '.join(get_args(Provenance))}."
        )
    return dataclasses.replace(span, start_ts=as_utc(span.start_ts), end_ts=as_utc(span.end_ts), label=label)


def label_span(record: SpanRecord) -> LabelSpan:
    """Convert a stored span."""
    return LabelSpan(
        from_us(record.start_us), from_us(record.end_us), record.label, record.provenance, record.user_id,
        record.confidence,
    )  # fmt: skip


def _period(start: datetime, end: datetime) -> tuple[int, int]:
    start_us, end_us = to_us(start), to_us(end)
    if start_us >= end_us:
        raise LabelError(
            f"The label would end at {_clock(end)}, not after its start at {_clock(start)}.", "Check the two times."
        )
    return start_us, end_us


def _only_label(spans: Sequence[SpanRecord]) -> str | None:
    labels = {span.label for span in spans}
    return labels.pop() if len(labels) == 1 else None


def _clock(moment: datetime) -> str:
    return as_utc(moment).strftime("%Y-%m-%d %H:%M UTC")


def _shown(text: str) -> str:
    return f"“{printable(text)}”"
