"""Label requests with aware times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from taskclf_tray.core.time import from_us, to_us
from taskclf_tray.store.requests import RequestReason, RequestRecord, RequestStatus


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A block in the queue for a label (contract, section 14); (user_id, bucket_start_ts) is its key.

    `confidence` is the lowest of the block's buckets, None for a gap. `predicted_label` and `second_label` are the two
    most probable labels.

    >>> from datetime import UTC, datetime
    >>> noon, later = datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 5, 12, 10, tzinfo=UTC)
    >>> LabelRequest("r1", "me", noon, later, "low_confidence", 0.41, "Build", noon).status
    'pending'
    """

    request_id: str
    user_id: str
    bucket_start_ts: datetime
    bucket_end_ts: datetime
    reason: RequestReason
    confidence: float | None
    predicted_label: str | None
    created_at: datetime
    status: RequestStatus = "pending"
    second_label: str | None = None


def from_record(record: RequestRecord) -> LabelRequest:
    """Convert a stored record into a request."""
    return LabelRequest(
        record.request_id,
        record.user_id,
        from_us(record.start_us),
        from_us(record.end_us),
        record.reason,
        record.confidence,
        record.predicted_label,
        from_us(record.created_us),
        record.status,
        record.second_label,
    )


def to_record(request: LabelRequest, local_day: str) -> RequestRecord:
    """Convert a request into a record; `local_day` (ISO) is the calendar day of the queueing."""
    return RequestRecord(
        request.request_id,
        request.user_id,
        to_us(request.bucket_start_ts),
        to_us(request.bucket_end_ts),
        request.reason,
        request.confidence,
        request.predicted_label,
        request.second_label,
        to_us(request.created_at),
        local_day,
        request.status,
    )
