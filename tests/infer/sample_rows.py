"""Feature rows for tests: the golden table as `FeatureRow`s, and rows with chosen values."""

from __future__ import annotations

import functools
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from taskclf_tray.core.schema import CHAR3_SKETCH, TOKEN_SKETCH
from taskclf_tray.core.types import ROW_FIELDS, FeatureRow

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
