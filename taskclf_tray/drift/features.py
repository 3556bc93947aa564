"""Numeric features of two windows compared row by row, for callers who have rows and no days (contract, section 12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from taskclf_tray.core.defaults import DEFAULT_KS_ALPHA, DEFAULT_PSI_THRESHOLD
from taskclf_tray.core.drift_measures import FeatureDriftReport, FeatureDriftResult
from taskclf_tray.core.frames import as_numbers, column_of
from taskclf_tray.drift.hypotheses import LEAST_KS_DISTANCE
from taskclf_tray.drift.statistics import adjusted, ks_of_values, psi_of_values

_SAME: Final = (0.0, 0.0, 1.0)
"""What is said where a window has no value: nothing is known to have changed."""


def feature_drift_report(
    ref_df: Any,
    cur_df: Any,
    features: Sequence[str],
    *,
    psi_threshold: float = DEFAULT_PSI_THRESHOLD,
    ks_alpha: float = DEFAULT_KS_ALPHA,
) -> FeatureDriftReport:
    """PSI (open outer bins) and KS of each feature; missing values are left out.

    Drifted: a PSI above its threshold, or a KS distance of 0.2 or more that is a discovery at the false-discovery rate
    `ks_alpha` over all features. Rows are taken for independent, which minutes of one person are not: the daily check
    resamples days instead. Raises MissingColumnError, ValueError.
    """
    figures = [_figures(ref_df, cur_df, name) for name in features]
    p_values = adjusted(np.array([p_value for _, _, p_value in figures])).tolist()
    results = [
        FeatureDriftResult(name, psi, ks, p, psi > psi_threshold or (ks >= LEAST_KS_DISTANCE and found <= ks_alpha))
        for name, (psi, ks, p), found in zip(features, figures, p_values, strict=True)
    ]
    return FeatureDriftReport(results, [result.feature for result in results if result.is_drifted])


def _figures(ref_df: Any, cur_df: Any, name: str) -> tuple[float, float, float]:
    before, after = (np.array(as_numbers(column_of(frame, name), name), dtype=np.float64) for frame in (ref_df, cur_df))
    psi, (distance, p_value) = psi_of_values(before, after), ks_of_values(before, after)
    return (psi, distance, p_value) if np.isfinite([psi, distance, p_value]).all() else _SAME
