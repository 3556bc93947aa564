"""Why a recorded minute has its label: the person's word, the idle rule, the model with its reasons, or smoothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from taskclf_tray.core.errors import LabelError
from taskclf_tray.core.time import US_PER_SECOND, from_us, to_us
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.attribution import Attribution
from taskclf_tray.infer.head import CONTEXT_BUCKETS
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.reasons import Reasons, reasons_for
from taskclf_tray.labels.categories import Categories
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.labels import SpanRecord

_LONGEST_BUCKET_US: Final = 60 * US_PER_SECOND
_SAME_PROBABILITY: Final = 0.005
_LONGEST_IDLE_US: Final = 24 * 3600 * US_PER_SECOND


class Because(StrEnum):
    """What decided the label on screen."""

    SAID = "said"
    IDLE = "idle"
    NO_WINDOW = "no_window"
    REJECTED = "rejected"
    SMOOTHED = "smoothed"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Why:
    """One minute explained.

    `label` is the name on screen, `prediction` the stored one. `reasons` speak for the most probable label of the
    model, None where no model decided. `is_of_now`: what is served today gives the minute the stored probability; else
    another model decided then, and the reasons are what today's makes of it. `idle_since`: when the time away began.
    `said`: the person's label.
    """

    because: Because
    label: str
    app_id: str
    prediction: WindowPrediction
    reasons: Reasons | None
    is_of_now: bool
    idle_since: datetime | None = None
    said: SpanRecord | None = None


def why_minute(
    database: Database,
    user_id: str,
    at: datetime,
    config: PipelineConfig,
    attribution: Callable[[], Attribution],
) -> Why:
    """Explain the recorded minute at a moment.

    Args:
        database: the record.
        user_id: whose.
        at: a moment inside the minute.
        config: the configuration that is served.
        attribution: makes the explaining form of its model; called only where the model decided.

    Raises:
        LabelError: no minute is recorded there.
        StoreError: the record cannot be read.
        ModelFormatError: the model does not hold what an explanation needs.
    """
    at_us = to_us(at)
    with database.reading():
        around = database.buckets.between(user_id, at_us - 2 * CONTEXT_BUCKETS * _LONGEST_BUCKET_US,
                                          at_us + 2 * CONTEXT_BUCKETS * _LONGEST_BUCKET_US)  # fmt: skip
        spans = database.labels.between(user_id, at_us, at_us + 1)
    record = next((one for one in around if one.start_us <= at_us < one.end_us), None)
    if record is None:
        raise LabelError("Nothing is on record of that minute.", "Name a time at which the app was recording.")
    because = Because.SAID if spans else _because(record)
    reasons = None
    if record.decided_by == "model":
        before, after = _context(around, record)
        reasons = reasons_for(config, attribution(), record.known_row(), before=before, after=after)
    prediction, is_idle = WindowPrediction.of(record), because is Because.IDLE
    return Why(
        because,
        spans[0].label if spans else Categories(database, config.taxonomy).ui_label(record),
        record.row().app_id,
        prediction,
        reasons,
        reasons is not None and _agrees(prediction, reasons),
        _idle_since(database, user_id, record) if is_idle else None,
        spans[0] if spans else None,
    )


def _agrees(prediction: WindowPrediction, reasons: Reasons) -> bool:
    """Whether the explained probability is the stored one: the same model, head and calibrators."""
    stored = prediction.model_probs[LABEL_SET_V1.index(reasons.label)]
    return abs(stored - reasons.probability) < _SAME_PROBABILITY


def _because(record: BucketRecord) -> Because:
    if record.decided_by != "model":
        return Because.IDLE if record.decided_by == "idle_rule" else Because.NO_WINDOW
    raw = WindowPrediction.of(record).raw_label
    if record.smoothed_label != raw:
        return Because.SMOOTHED
    return Because.REJECTED if record.is_rejected else Because.MODEL


def _context(around: Sequence[BucketRecord], record: BucketRecord) -> tuple[list[FeatureRow], list[FeatureRow]]:
    """The contiguous rows before and after a minute that a head takes into account."""
    by_start, by_end = ({getattr(one, side): one for one in around} for side in ("start_us", "end_us"))
    before: list[FeatureRow] = []
    after: list[FeatureRow] = []
    first = last = record
    while len(before) < CONTEXT_BUCKETS and first.start_us in by_end:
        first = by_end[first.start_us]
        before.insert(0, first.known_row())
    while len(after) < CONTEXT_BUCKETS and last.end_us in by_start:
        last = by_start[last.end_us]
        after.append(last.known_row())
    return before, after


def _idle_since(database: Database, user_id: str, record: BucketRecord) -> datetime:
    """The start of the idle minutes that lead up to this one."""
    with database.reading():
        before = database.buckets.between(user_id, record.start_us - _LONGEST_IDLE_US, record.start_us)
    start_us = record.start_us
    for one in reversed(before):
        if one.decided_by != "idle_rule" or one.end_us != start_us:
            break
        start_us = one.start_us
    return from_us(start_us)
