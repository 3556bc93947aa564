"""Telemetry snapshots: statistics of a model's predictions on some rows, kept as numbers on this machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from taskclf_tray.core.atomic import append_line
from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.drift_measures import label_distribution, mean_entropy
from taskclf_tray.core.frames import as_numbers, column_of, has_column, starts_us
from taskclf_tray.core.schema import CHAR3_SKETCH, NEWEST_SCHEMA, SCHEMAS, TOKEN_SKETCH
from taskclf_tray.core.time import from_us

_DECIMALS: Final = 6
_SAFE_ID: Final = re.compile(r"[0-9A-Fa-f-]{1,64}", re.ASCII)
_MEASURED: Final = tuple(
    name
    for name in SCHEMAS[NEWEST_SCHEMA].model_columns
    if name not in SCHEMAS[NEWEST_SCHEMA].categorical_columns and not name.startswith((TOKEN_SKETCH, CHAR3_SKETCH))
)


class ConfidenceStats(BaseModel):
    """Statistics of the confidences that are finite."""

    model_config = ConfigDict(frozen=True)

    mean: float
    median: float
    p5: float
    p95: float
    std: float


class TelemetrySnapshot(BaseModel):
    """Statistics of a set of feature rows and their predictions.

    Attributes:
        timestamp: when the snapshot was taken.
        total_windows: number of rows.
        user_id: the user, when all rows are of one.
        window_start: start of the first bucket.
        window_end: start of the last bucket.
        feature_missingness: fraction of rows without a value, by feature.
        confidence_stats: statistics of the confidences, None without any.
        reject_rate: fraction of rows with the reject label.
        mean_entropy: mean entropy of the probabilities in nats.
        class_distribution: fraction of rows by label.
        schema_version: `features_v3` and the like.

    >>> compute_telemetry({"keys_per_min": [12.0, None]}, labels=["Build", "Mixed/Unknown"]).reject_rate
    0.5
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    timestamp: datetime
    total_windows: int
    user_id: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    feature_missingness: dict[str, float] = {}
    confidence_stats: ConfidenceStats | None = None
    reject_rate: float = 0.0
    mean_entropy: float = 0.0
    class_distribution: dict[str, float] = {}
    schema_version: str = f"features_{NEWEST_SCHEMA}"


def compute_telemetry(
    features_df: Any,
    *,
    labels: Sequence[str] | None = None,
    confidences: Any = None,
    core_probs: Any = None,
    user_id: str | None = None,
    reject_label: str = MIXED_UNKNOWN,
    timestamp: datetime | None = None,
) -> TelemetrySnapshot:
    """Compute the snapshot of feature rows and their predictions.

    Args:
        features_df: a DataFrame, or a dict of columns, of N rows.
        labels: N predicted labels.
        confidences: N confidences, from 0 to 1.
        core_probs: (N, 8) probabilities.
        user_id: the user; by default the column's, when it holds one user.
        reject_label: the label of a rejected row.
        timestamp: when the snapshot was taken; now by default.

    Raises:
        ValueError: the lengths differ.
    """
    count = len(column_of(features_df, next(iter(features_df.keys())))) if len(features_df.keys()) else 0
    for name, values in (("labels", labels), ("confidences", confidences), ("core_probs", core_probs)):
        if values is not None and len(values) != count:
            raise ValueError(f"{name} has {len(values)} values for {count} rows")
    starts = starts_us(features_df) if count and has_column(features_df, "bucket_start_ts") else np.empty(0, np.int64)
    predicted = [] if labels is None else [str(label) for label in labels]
    return TelemetrySnapshot(
        timestamp=timestamp or datetime.now(UTC),
        total_windows=count,
        user_id=user_id or _only_user(features_df),
        window_start=from_us(int(starts.min())) if len(starts) else None,
        window_end=from_us(int(starts.max())) if len(starts) else None,
        feature_missingness=_missingness(features_df) if count else {},
        confidence_stats=_confidence_stats(confidences),
        reject_rate=round(predicted.count(reject_label) / max(1, len(predicted)), _DECIMALS),
        mean_entropy=0.0 if core_probs is None else round(mean_entropy(core_probs), _DECIMALS),
        class_distribution={name: round(part, _DECIMALS) for name, part in label_distribution(predicted).items()},
        schema_version=_schema(features_df),
    )


def _only_user(frame: Any) -> str | None:
    if not has_column(frame, "user_id"):
        return None
    users = {str(user) for user in frame["user_id"]}
    return users.pop() if len(users) == 1 else None


def _schema(frame: Any) -> str:
    versions = {str(v) for v in frame["schema_version"]} if has_column(frame, "schema_version") else {NEWEST_SCHEMA}
    return f"features_{'+'.join(sorted(versions)) or NEWEST_SCHEMA}"


def _missingness(frame: Any) -> dict[str, float]:
    columns = {name: as_numbers(frame[name], name).astype(np.float64) for name in _MEASURED if has_column(frame, name)}
    return {name: round(float(np.isnan(values).mean()), _DECIMALS) for name, values in columns.items()}


def _confidence_stats(confidences: Any) -> ConfidenceStats | None:
    if confidences is None:
        return None
    values = np.asarray(confidences, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    median, p5, p95 = np.quantile(values, [0.5, 0.05, 0.95])
    figures = {"mean": values.mean(), "median": median, "p5": p5, "p95": p95, "std": values.std()}
    return ConfidenceStats(**{name: round(float(figure), _DECIMALS) for name, figure in figures.items()})


class TelemetryStore:
    """A folder of snapshots, one JSON line each: `snapshots_<user>.jsonl`, or `snapshots_global.jsonl`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     TelemetryStore(folder).append(compute_telemetry({"keys_per_min": [12.0]})).name
    'snapshots_global.jsonl'
    """

    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)

    def append(self, snapshot: TelemetrySnapshot) -> Path:
        """Append the snapshot to its user's file, durably; returns the file. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        name = "global" if snapshot.user_id is None else safe_id(snapshot.user_id)
        path = self._directory / f"snapshots_{name}.jsonl"
        append_line(path, snapshot.model_dump_json())
        return path


def safe_id(user_id: str) -> str:
    """Return a user id that is safe in a file name: a UUID or hex text as given, otherwise its SHA-256."""
    return user_id if _SAFE_ID.fullmatch(user_id) else hashlib.sha256(user_id.encode()).hexdigest()[:32]
