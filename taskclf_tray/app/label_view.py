"""What the views show of the person's labels: read from the database, laid over the worker's snapshot.

An unproven prediction of the starter model shows as "Perhaps ..." there, not as a plain label.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from taskclf_tray.app import text
from taskclf_tray.app.snapshot import IconState, LabelView, OwnLabel, ReviewItem, Snapshot
from taskclf_tray.core.time import from_us
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig
from taskclf_tray.infer.taxonomy_resolver import OTHER_BUCKET
from taskclf_tray.labels.asking_state import load_asking
from taskclf_tray.labels.learning import unproven_below
from taskclf_tray.labels.spans import LabelStore, is_ongoing
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord
from taskclf_tray.store.requests import LabelRequest

REVIEW_SHOWN = 5
_NEAR = timedelta(minutes=10)
_COVERED_BY_LABELS = frozenset({IconState.LIVE, IconState.UNSURE})


def read_label_view(database: Database, user_id: str, now: datetime, taxonomy: TaxonomyConfig | None) -> LabelView:
    """Read the view of this moment. Raises StoreError."""
    store = LabelStore(database, user_id)
    asking = load_asking(database, user_id)
    waiting = store.waiting(now)
    newest_first = sorted(waiting, key=lambda request: request.start_us, reverse=True)
    return LabelView(
        own=tuple(_own(span, taxonomy, now) for span in store.between(now - _NEAR, now + _NEAR)),
        review=tuple(_item(request) for request in newest_first[:REVIEW_SHOWN]),
        review_count=len(waiting),
        undo=store.undoable(now),
        order=store.order(),
        asking=asking,
        is_silent=asking.is_silent(now),
        unproven_below=unproven_below(database, user_id),
    )


def with_labels(snapshot: Snapshot, view: LabelView) -> Snapshot:
    """Overlay the snapshot with the person's own label, which counts more than the model's.

    Without one, an unproven prediction of the starter model becomes "Perhaps ...".
    """
    snapshot = dataclasses.replace(snapshot, labels=view)
    moment = snapshot.moment
    if snapshot.state not in _COVERED_BY_LABELS or moment is None:
        return snapshot
    own = next((label for label in reversed(view.own) if label.covers(moment)), None)
    if own is None:
        return _with_doubt(snapshot)
    return dataclasses.replace(
        snapshot,
        state=IconState.LIVE,
        line=text.own_line(own.ui_label, own.label, own.start),
        ui_label=own.ui_label,
        core_label=own.label,
        probability=None,
        since=own.start,
        color=own.color,
        is_own_label=True,
    )


def _with_doubt(snapshot: Snapshot) -> Snapshot:
    """Show an unproven prediction of the starter model as "Perhaps ..."."""
    ui_label, core_label, probability = snapshot.ui_label, snapshot.core_label, snapshot.probability
    if not snapshot.is_starter or snapshot.state is not IconState.LIVE:
        return snapshot
    if ui_label is None or core_label is None or probability is None or probability >= snapshot.labels.unproven_below:
        return snapshot
    line = text.perhaps_line(ui_label, core_label, probability, snapshot.since)
    return dataclasses.replace(snapshot, state=IconState.UNSURE, line=line)


def _own(span: SpanRecord, taxonomy: TaxonomyConfig | None, now: datetime) -> OwnLabel:
    """Convert a span for display, under the first category that holds its label."""
    buckets = () if taxonomy is None else taxonomy.buckets
    bucket = next((b for b in buckets if span.label in b.core_labels), None)
    ui_label = bucket.name if bucket is not None else span.label if taxonomy is None else OTHER_BUCKET
    color = None if bucket is None else bucket.color
    is_on = is_ongoing(span, now)
    return OwnLabel(from_us(span.start_us), from_us(span.end_us), span.label, ui_label, color, goes_on=is_on)


def _item(request: LabelRequest) -> ReviewItem:
    return ReviewItem(
        request.request_id,
        from_us(request.start_us),
        from_us(request.end_us),
        request.predicted_label,
        request.confidence,
        request.reason == "gap",
    )
