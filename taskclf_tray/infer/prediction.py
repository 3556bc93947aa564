"""The prediction of one bucket: the model's probabilities, the decision, and the label on screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from taskclf_tray.core.defaults import DEFAULT_BUCKET_SECONDS, MIXED_UNKNOWN
from taskclf_tray.core.time import as_utc, from_us, to_us
from taskclf_tray.core.types import LABEL_VERSION, DecidedBy

if TYPE_CHECKING:
    from taskclf_tray.store.buckets import BucketRecord

OUTPUT_DECIMALS: Final = 6
_BUCKET: Final = timedelta(seconds=DEFAULT_BUCKET_SECONDS)


def _raw_label(values: dict[str, Any]) -> str:
    return MIXED_UNKNOWN if values["is_rejected"] else str(values["core_label_name"])


class WindowPrediction(BaseModel):
    """The prediction of one bucket (contract, sections 6–8 and 14).

    `core_label_*`, `confidence` and `is_rejected` describe stage 6, before smoothing; the core label is the most
    probable one even when it is rejected. `core_probs` and `model_probs` hold eight probabilities in label order.
    `smoothed_label_name` and `mapped_*` are provisional until the smoothing window is complete. Fields with a default
    take, when omitted, the values of a single unsmoothed bucket that the model decided.

    >>> from datetime import UTC, datetime
    >>> prediction = WindowPrediction(
    ...     user_id="me",
    ...     bucket_start_ts=datetime(2026, 1, 5, 12, tzinfo=UTC),
    ...     core_label_id=1,
    ...     core_label_name="Build",
    ...     core_probs=[0.05, 0.6, 0.05, 0.1, 0.05, 0.05, 0.05, 0.05],
    ...     confidence=0.6,
    ...     is_rejected=False,
    ...     mapped_label_name="Code",
    ...     mapped_probs={"Code": 1.0},
    ...     model_version="m",
    ...     schema_version="v3",
    ... )
    >>> prediction.ui_label, prediction.raw_label, prediction.bucket_end_ts.minute
    ('Code', 'Build', 1)
    """

    model_config = ConfigDict(frozen=True)

    user_id: str
    bucket_start_ts: datetime
    core_label_id: int
    core_label_name: str
    core_probs: list[float]
    confidence: float
    is_rejected: bool
    mapped_label_name: str
    """The user bucket or the mixed name; the smoothed label when no taxonomy was in force."""
    mapped_probs: dict[str, float]
    """Probability of each user bucket in file order (of each core label without a taxonomy); sums to 1."""
    model_version: str
    schema_version: str
    label_version: str = LABEL_VERSION
    smoothed_label_name: str = Field(default_factory=_raw_label)
    decided_by: DecidedBy = "model"
    config_id: str = ""
    bucket_end_ts: datetime = Field(default_factory=lambda values: values["bucket_start_ts"] + _BUCKET)
    model_probs: list[float] = Field(default_factory=lambda values: list(values["core_probs"]))
    """The model's own calibrated answer, kept beside a bucket that the idle rule or `no_window` decided."""
    reject_threshold: float | None = None
    """The threshold that held for this row and user, None when nothing is rejected."""

    @property
    def raw_label(self) -> str:
        """The label that enters smoothing: the core label, `Mixed/Unknown` when rejected."""
        return MIXED_UNKNOWN if self.is_rejected else self.core_label_name

    @property
    def ui_label(self) -> str:
        """The label on screen: the mapped one."""
        return self.mapped_label_name

    def to_dict(self) -> dict[str, Any]:
        """Return the fields ready for JSON: times in ISO 8601, probabilities rounded to 6 decimals."""
        answer: dict[str, Any] = {name: getattr(self, name) for name in PREDICTION_FIELDS}
        for name in _TIMES:
            answer[name] = as_utc(answer[name]).isoformat()
        for name in _PROBABILITIES:
            answer[name] = [round(p, OUTPUT_DECIMALS) for p in answer[name]]
        answer["confidence"] = round(self.confidence, OUTPUT_DECIMALS)
        answer["mapped_probs"] = {name: round(p, OUTPUT_DECIMALS) for name, p in self.mapped_probs.items()}
        answer["raw_label"] = self.raw_label
        answer["ui_label"] = self.ui_label
        return answer

    def pack(self) -> list[Any]:
        """Pack every value exactly into a list for JSON (times in microseconds); `unpack` reverses it."""
        values = [getattr(self, name) for name in PREDICTION_FIELDS]
        return [to_us(value) if isinstance(value, datetime) else value for value in values]

    @classmethod
    def unpack(cls, values: Sequence[Any]) -> WindowPrediction:
        """Reverse `pack`, also after a trip through JSON. Raises ValueError for a wrong length."""
        if len(values) != len(PREDICTION_FIELDS):
            raise ValueError(f"a packed prediction has {len(PREDICTION_FIELDS)} values, not {len(values)}")
        fields: dict[str, Any] = dict(zip(PREDICTION_FIELDS, values, strict=True))
        for name in _TIMES:
            fields[name] = from_us(fields[name])
        if fields["mapped_label_name"] is None:  # as earlier versions recorded it where there was no taxonomy
            fields["mapped_label_name"] = fields["smoothed_label_name"]
        return cls(**fields)

    @classmethod
    def of(cls, record: BucketRecord) -> WindowPrediction:
        """Unpack the prediction of a stored bucket."""
        return cls.unpack(json.loads(record.prediction))


PREDICTION_FIELDS: Final[tuple[str, ...]] = tuple(WindowPrediction.model_fields)
_TIMES: Final = ("bucket_start_ts", "bucket_end_ts")
_PROBABILITIES: Final = ("core_probs", "model_probs")
