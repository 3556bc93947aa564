"""How sure the model was on one day: a line of numbers that stays on this machine (contract, section 11)."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.store.buckets import BucketRecord, unpack_row

_DECIMALS = 6
_SAFE_ID = re.compile(r"[0-9A-Fa-f-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DayTelemetry:
    """One user's day.

    `core_label_*` count the answers before smoothing, rejected ones included. Means and `reject_rate` are over the
    buckets that the model decided, None without any; the entropy is that of the eight probabilities, in bits.
    `missing_input_share`: of all buckets, those no sample of keyboard or mouse touched.
    """

    date: date
    bucket_count: int
    core_label_counts: dict[str, int]
    core_label_shares: dict[str, float]
    decided_by_counts: dict[str, int]
    mean_confidence: float | None
    reject_rate: float | None
    mean_entropy_bits: float | None
    missing_input_share: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, shares and means rounded to 6 decimals."""
        answer = asdict(self)
        answer["date"] = self.date.isoformat()
        answer["core_label_shares"] = {name: round(v, _DECIMALS) for name, v in self.core_label_shares.items()}
        for name in ("mean_confidence", "reject_rate", "mean_entropy_bits", "missing_input_share"):
            answer[name] = None if answer[name] is None else round(answer[name], _DECIMALS)
        return answer


def day_telemetry(day: date, records: Sequence[BucketRecord]) -> DayTelemetry:
    """The telemetry of a day's buckets. Raises ValueError without any."""
    if not records:
        raise ValueError("a day without buckets has no telemetry")
    labels = Counter(record.core_label for record in records)
    by_model = [record for record in records if record.decided_by == "model"]
    without_input = sum(unpack_row(record.feature_row).keys_per_min is None for record in records)
    return DayTelemetry(
        date=day,
        bucket_count=len(records),
        core_label_counts={label: labels[label] for label in LABEL_SET_V1},
        core_label_shares={label: labels[label] / len(records) for label in LABEL_SET_V1},
        decided_by_counts=dict(sorted(Counter(record.decided_by for record in records).items())),
        mean_confidence=_mean([record.confidence for record in by_model]),
        reject_rate=_mean([float(record.is_rejected) for record in by_model]),
        mean_entropy_bits=_mean([record.entropy_bits for record in by_model]),
        missing_input_share=without_input / len(records),
    )


def telemetry_name(user_id: str) -> str:
    """The file's name. An id that is no UUID or hex text never becomes part of a path: its hash does."""
    safe = user_id if _SAFE_ID.fullmatch(user_id) else hashlib.sha256(user_id.encode()).hexdigest()[:32]
    return f"telemetry_{safe}.jsonl"


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
