"""Telemetry of one day: statistics of the predictions as a line that stays on this machine (contract, section 11)."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from taskclf_tray.core.telemetry import safe_id
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.store.buckets import BucketRecord
from taskclf_tray.store.database import Database
from taskclf_tray.store.requests import AskRecord

_DECIMALS: Final = 6
_OUTCOMES: Final = ("answered", "skipped", "dismissed", "other", "never", "none")
"""The outcomes of asks; `none`: no reaction yet."""


@dataclass(frozen=True, slots=True)
class DayTelemetry:
    """One user's day.

    `core_label_*` count the answers before smoothing, rejected ones included. Means and `reject_rate` are over the
    buckets that the model decided, None without any; the entropy is that of the eight probabilities, in bits.
    `missing_input_share`: of all buckets, those no sample of keyboard or mouse touched; `missing_title_share`: those
    whose window had no title. `ask_count`: questions put that day, `ask_outcome_counts` what came of them.
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
    missing_title_share: float
    ask_count: int
    ask_outcome_counts: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields ready for JSON, fractions and means rounded to 6 decimals."""
        answer: dict[str, Any] = _rounded(asdict(self))
        answer["date"] = self.date.isoformat()
        return answer


def day_telemetry(day: date, records: Sequence[BucketRecord], asks: Sequence[AskRecord] = ()) -> DayTelemetry:
    """Compute the telemetry of a day's buckets and asks. Raises ValueError without a bucket."""
    if not records:
        raise ValueError("a day without buckets has no telemetry")
    labels = Counter(record.core_label for record in records)
    by_model = [record for record in records if record.decided_by == "model"]
    rows = [record.row() for record in records]
    outcomes = Counter(ask.outcome or "none" for ask in asks)
    return DayTelemetry(
        date=day,
        bucket_count=len(records),
        core_label_counts={label: labels[label] for label in LABEL_SET_V1},
        core_label_shares={label: labels[label] / len(records) for label in LABEL_SET_V1},
        decided_by_counts=dict(sorted(Counter(record.decided_by for record in records).items())),
        mean_confidence=_mean([record.confidence for record in by_model]),
        reject_rate=_mean([float(record.is_rejected) for record in by_model]),
        mean_entropy_bits=_mean([record.entropy_bits for record in by_model]),
        missing_input_share=sum(row.keys_per_min is None for row in rows) / len(rows),
        missing_title_share=sum(row.title_char_count == 0 for row in rows) / len(rows),
        ask_count=len(asks),
        ask_outcome_counts={outcome: outcomes[outcome] for outcome in _OUTCOMES},
    )


def asks_on(database: Database, user_id: str, day: date, since_us: int) -> list[AskRecord]:
    """List the asks of a local day, none of which is older than `since_us`. Raises StoreError."""
    with database.reading():
        return [ask for ask in database.asks.since(user_id, since_us) if ask.local_day == day.isoformat()]


def with_line(text: str, line: str) -> str:
    """Insert one day's line into a telemetry file, in order of date, replacing the day's old line.

    Incomplete lines (torn by a crash, damaged) are left out, because they can be written again from the record.
    """
    lines = {day: found for found in text.split("\n") if (day := line_date(found)) is not None}
    day = line_date(line)
    assert day is not None
    lines[day] = line
    return "".join(f"{lines[day]}\n" for day in sorted(lines))


def line_date(line: str | bytes) -> date | None:
    """Return the date of a line of the file; None when it is unreadable."""
    try:
        return date.fromisoformat(json.loads(line)["date"])
    except (ValueError, KeyError, TypeError):
        return None


def telemetry_name(user_id: str) -> str:
    """Return the name of a user's file; an id that is no UUID or hex text is replaced by its hash."""
    return f"telemetry_{safe_id(user_id)}.jsonl"


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, _DECIMALS) if isinstance(value, float) else value
