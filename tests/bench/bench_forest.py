"""How quick and how large the evaluator is, beside LightGBM: `python -m tests.bench.bench_forest`."""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import lightgbm as lgb
import numpy as np

from taskclf_tray.infer.forest import Forest

MODEL = next((Path(__file__).parents[1] / "data" / "taskclf_home" / "models").glob("*/model.txt"))


def run() -> dict[str, object]:
    """Medians on the golden bundle's model, and ratios to LightGBM with one thread."""
    forest, booster = Forest.load(MODEL), lgb.Booster(model_file=str(MODEL))
    rng = np.random.default_rng(0)
    rows = rng.random((10_000, len(forest.feature_names))) * rng.choice([1, 10, 100, 1000], len(forest.feature_names))

    def ours(count: int, repeats: int) -> float:
        return _median_us(lambda: forest.predict(rows[:count]), repeats) / count

    def theirs(count: int, repeats: int) -> float:
        return _median_us(lambda: booster.predict(rows[:count], num_threads=1), repeats) / count

    one, one_lightgbm = ours(1, 1000), theirs(1, 1000)
    many, many_lightgbm = ours(500, 9), theirs(500, 9)
    return {
        "load_ms": round(_median_us(lambda: Forest.load(MODEL), 9) / 1000, 1),
        "one_row_us": round(one, 1),
        "one_row_lightgbm_us": round(one_lightgbm, 1),
        "one_row_ratio": round(one / one_lightgbm, 2),
        "row_of_500_us": round(many, 1),
        "row_of_500_lightgbm_us": round(many_lightgbm, 1),
        "row_of_500_ratio": round(many / many_lightgbm, 2),
        "row_of_10000_us": round(ours(10_000, 3), 1),
        "largest_difference": float(np.abs(forest.predict(rows) - booster.predict(rows, num_threads=1)).max()),
        **_memory_mib(),
    }


def _median_us(call: Callable[[], object], repeats: int) -> float:
    call()
    times_ns = []
    for _ in range(repeats):
        start_ns = time.perf_counter_ns()
        call()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return statistics.median(times_ns) / 1000


def _memory_mib() -> dict[str, float]:
    """What a loaded forest keeps, and the most that loading it takes."""
    tracemalloc.start()
    forest = Forest.load(MODEL)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert forest.num_trees
    return {"kept_mib": round(kept / 2**20, 2), "load_peak_mib": round(peak / 2**20, 2)}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
