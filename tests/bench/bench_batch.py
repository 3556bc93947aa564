"""A batch against the bare model, on one matrix in one run: time, and memory beside the input.

`python -m tests.bench.bench_batch [--rows N]` prints JSON; `run()` returns it. The model is a LightGBM Booster with
the same number of threads both times; the whole job reads the frame, the bare one a matrix that was encoded before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from taskclf_tray.infer.batch import run_batch_inference
from taskclf_tray.infer.calibrator_files import load_calibrator_store
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from tests.support.sample_rows import BUNDLE, HOME, START, golden_frame, vocabularies

DEFAULT_ROWS = 200_000
FULL_ROWS = 1_000_000
TARGET_RATIO = 1.3
STRANGERS = 5  # people without a calibrator of their own, beside the three of the golden table
REPEATS = 3
THREADS = os.cpu_count() or 1


def run(rows: int = DEFAULT_ROWS) -> dict[str, Any]:
    """Seconds and their ratio (the best of each), MiB and their ratio; each measured in a process of its own."""
    return {
        "rows": rows,
        "threads": THREADS,
        **_in_a_process("time", rows),
        **_in_a_process("memory", rows),
        "target_ratio": TARGET_RATIO,
    }


def _in_a_process(what: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.bench_batch", "--rows", str(rows), "--only", what]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(answer.stdout))


def make_frame(rows: int) -> pd.DataFrame:
    """The golden table over and over with noise on its numbers; eight people, each minute after minute."""
    random = np.random.default_rng(20260302)
    source = golden_frame()
    rows_of = random.integers(0, len(source) - 30, -(-rows // 30))
    taken = (rows_of[:, None] + np.arange(30)).ravel()[:rows]  # half hours of the table, so that labels come in runs
    frame = source.take(taken).reset_index(drop=True)
    for name in frame.columns[frame.dtypes == np.float64]:
        noise = random.normal(1.0, 0.05, rows)
        frame[name] = frame[name] * noise
    people = [*sorted(source["user_id"].unique()), *(f"stranger-{i}" for i in range(STRANGERS))]
    person = np.arange(rows) * len(people) // rows
    frame["user_id"] = pd.Series(np.array(people, dtype=object)[person], dtype=source["user_id"].dtype)
    frame["bucket_start_ts"] = pd.Timestamp(START) + pd.to_timedelta(np.arange(rows), unit="min")
    return frame


def options() -> dict[str, Any]:
    """Personal isotonic calibrators, a taxonomy, a threshold."""
    return {
        "cat_encoders": vocabularies(),
        "reject_threshold": 0.9,
        "taxonomy": load_taxonomy(HOME / "configs/user_taxonomy.yaml"),
        "calibrator_store": load_calibrator_store(HOME / "artifacts/calibrator_store_isotonic"),
    }


class _Library:
    """The Booster with a fixed number of threads."""

    def __init__(self) -> None:
        self._booster = lightgbm.Booster(model_file=str(BUNDLE / "model.txt"))

    def predict(self, matrix: np.ndarray) -> Any:
        return self._booster.predict(matrix, num_threads=THREADS)


def measure_time(rows: int) -> dict[str, Any]:
    """Turn about, so that a slow spell of the machine meets both."""
    frame, model, extras = make_frame(rows), _Library(), options()
    matrix = Encoder("v3", vocabularies()).encode_frame(frame)
    model.predict(matrix[:1000])
    bare, whole = [], []
    for _ in range(REPEATS):
        bare.append(_seconds(lambda: model.predict(matrix)))
        whole.append(_seconds(lambda: run_batch_inference(model, frame, **extras)))
    return {
        "bare_predict_seconds": round(min(bare), 2),
        "batch_seconds": round(min(whole), 2),
        "ratio": round(min(whole) / min(bare), 3),
        "ratios": [round(w / b, 3) for w, b in zip(whole, bare, strict=True)],
    }


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure_memory(rows: int) -> dict[str, Any]:
    """Peak of the resident memory during the batch above what was resident before it, results included."""
    frame, model, extras = make_frame(rows), _Library(), options()
    run_batch_inference(model, frame.head(1000), **extras)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status_mib("VmRSS")
    result = run_batch_inference(model, frame, **extras)
    peak = _status_mib("VmHWM")
    assert len(result.raw_labels) == rows
    frame_mib = float(frame.memory_usage().sum()) / 2**20
    return {
        "frame_mib": round(frame_mib),
        "extra_mib": round(peak - before),
        "extra_to_frame": round((peak - before) / frame_mib, 3),
    }


def _status_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description="A batch against the bare model.")
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS, help=f"the target is meant for {FULL_ROWS}")
    parser.add_argument("--only", choices=("time", "memory"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    measure = {"time": measure_time, "memory": measure_memory, None: run}[chosen.only]
    print(json.dumps(measure(chosen.rows), indent=2))


if __name__ == "__main__":
    main()
