"""Feature rows for tests: the golden table as `FeatureRow`s, and rows with chosen values."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from taskclf_tray.core.schema import CHAR3_SKETCH, SCHEMAS, TOKEN_SKETCH
from taskclf_tray.core.types import LABEL_SET_V1, ROW_FIELDS, FeatureRow
from taskclf_tray.infer.forest import Forest

DATA = Path(__file__).parents[1] / "data"
HOME = DATA / "taskclf_home"
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@functools.cache
def golden_frame() -> pd.DataFrame:
    """400 rows of three people (schema v3)."""
    return pd.read_parquet(DATA / "golden_predictions/rows_v3.parquet")


@functools.cache
def golden_rows() -> tuple[FeatureRow, ...]:
    """The same as rows."""
    return tuple(row_of(values) for values in golden_frame().to_dict("records"))


def golden(name: str) -> np.ndarray:
    """`raw_proba`, `calibrated_temperature` or `calibrated_isotonic`: (400, 8)."""
    return np.load(DATA / f"golden_predictions/{name}.npy")


def row_of(values: dict[str, Any]) -> FeatureRow:
    """One record of a v3 frame as a row."""
    fields = {name: _plain(values[name]) for name in ROW_FIELDS if name in values and name != "source_ids"}
    for stem in (TOKEN_SKETCH, CHAR3_SKETCH):
        bins = ((i, values[f"{stem}_{i:03d}"]) for i in range(128))
        fields[stem] = tuple((i, share) for i, share in bins if share != 0)
    return FeatureRow(**fields)


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return None if isinstance(value, float) and math.isnan(value) else value


BUNDLE = HOME / "models/2026-11-21_082102_run-9643"


@functools.cache
def forest() -> Forest:
    """The golden home's model."""
    return Forest.load(BUNDLE / "model.txt")


@functools.cache
def vocabularies() -> dict[str, list[str]]:
    """Its categorical encoders."""
    return dict(json.loads((BUNDLE / "categorical_encoders.json").read_text()))


class FakeModel:
    """Answers each row by its `app_change_count`: 8 × label + hundredths of surety, so tests choose the answers.

    `told(label, surety)` gives that number; the other labels share the rest.
    """

    def __init__(self) -> None:
        self.calls: list[int] = []
        self._column = SCHEMAS["v3"].model_columns.index("app_change_count")

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        self.calls.append(len(matrix))
        numbers = matrix[:, self._column].astype(int)
        surety = (numbers // 8 / 1000)[:, None]
        probs = np.repeat((1 - surety) / 7, 8, axis=1)
        probs[np.arange(len(matrix)), numbers % 8] = surety[:, 0]
        return probs


def told(label: str, surety: float) -> int:
    """What `app_change_count` makes `FakeModel` answer `label` with that probability (3 decimals)."""
    return round(surety * 1000) * 8 + LABEL_SET_V1.index(label)


def told_row(minute: int, label: str, surety: float = 0.9, **changes: Any) -> FeatureRow:
    """A bucket `minute` minutes after START that `FakeModel` answers with `label`."""
    start = START + timedelta(minutes=minute)
    fields: dict[str, Any] = {
        "user_id": "ann",
        "bucket_start_ts": start,
        "bucket_end_ts": start + timedelta(minutes=1),
        "app_change_count": told(label, surety),
    }
    return replace(golden_rows()[0], **{**fields, **changes})
