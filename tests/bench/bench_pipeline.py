"""Cost of stages 2–9: one row through the online driver, and a table through the batch driver.

`python -m tests.bench.bench_pipeline [rows]` prints JSON; `run()` returns it. Times are medians of one process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from taskclf_tray.core.smoothing import BUILT_IN_TRANSITIONS
from taskclf_tray.infer.batch import run_batch_inference
from taskclf_tray.infer.calibrator_files import load_calibrator_store
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.infer.hmm import hmm_codes
from taskclf_tray.infer.predictor import OnlinePredictor
from taskclf_tray.infer.smooth import majority_codes
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from tests.support.sample_rows import HOME, START, forest, golden_frame, golden_rows, vocabularies

_METADATA = SimpleNamespace(schema_version="v3", time_basis="local")


class _InstantModel:
    """Answers at once, so that what is left is the pipeline's own cost."""

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return np.full((len(matrix), 8), 0.125)


def run(table_rows: int = 100_000) -> dict[str, Any]:
    """Microseconds a row online (model included, and each part), and seconds for a table in one batch."""
    return {"one_row_us": _one_row(), "batch": _batch(table_rows), "smoothing_us_a_row": _smoothing(table_rows)}


def _options() -> dict[str, Any]:
    return {
        "cat_encoders": vocabularies(),
        "reject_threshold": 0.9,
        "taxonomy": load_taxonomy(HOME / "configs/user_taxonomy.yaml"),
        "calibrator_store": load_calibrator_store(HOME / "artifacts/calibrator_store_isotonic"),
    }


def _one_row() -> dict[str, float]:
    source = golden_rows()[:200]
    rows = []
    for i in range(2_000):
        start = START + timedelta(minutes=i)
        row = replace(source[i % 200], bucket_start_ts=start, bucket_end_ts=start + timedelta(minutes=1))
        rows.append(replace(row, user_id=source[0].user_id, time_zone="Europe/Berlin"))
    encoder = Encoder("v3", vocabularies(), "local")
    one = encoder.encode_rows(rows[:1])
    return {
        "all_stages": _median_us(OnlinePredictor(forest(), _METADATA, **_options()).predict_bucket, rows),
        "without_model": _median_us(OnlinePredictor(_InstantModel(), _METADATA, **_options()).predict_bucket, rows),
        "encode": _median_us(lambda row: encoder.encode_rows([row]), rows),
        "model": _median_us(lambda _row: forest().predict(one), rows[:500]),
    }


def _median_us(call: Callable[[Any], object], values: list[Any]) -> float:
    times = []
    for value in values:
        began = time.perf_counter_ns()
        call(value)
        times.append(time.perf_counter_ns() - began)
    return round(median(times) / 1000, 1)


def _batch(table_rows: int) -> dict[str, float]:
    frame = golden_frame()
    table = pd.concat([frame] * -(-table_rows // len(frame)), ignore_index=True).head(table_rows)
    table["bucket_start_ts"] = pd.Timestamp(START) + pd.to_timedelta(np.arange(table_rows) // 3, unit="min")
    began = time.perf_counter()
    run_batch_inference(_InstantModel(), table, **_options())
    seconds = time.perf_counter() - began
    return {
        "rows": table_rows,
        "seconds_without_model": round(seconds, 3),
        "us_a_row_without_model": round(seconds / table_rows * 1e6, 2),
    }


def _smoothing(table_rows: int) -> dict[str, float]:
    """Stage 7 alone, over days of an answer a minute."""
    probs = np.random.default_rng(1).dirichlet([0.3] * 8, table_rows)
    is_rejected = probs.max(axis=1) < 0.5
    codes = np.where(is_rejected, 8, probs.argmax(axis=1))
    run_of = np.arange(table_rows) // 600
    began = time.perf_counter()
    majority_codes(codes, run_of, 3)
    between = time.perf_counter()
    hmm_codes(probs, is_rejected, run_of, BUILT_IN_TRANSITIONS)
    seconds = {"majority": between - began, "hmm": time.perf_counter() - between}
    return {name: round(taken / table_rows * 1e6, 2) for name, taken in seconds.items()}


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:])), indent=2))
