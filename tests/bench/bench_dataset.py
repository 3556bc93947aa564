"""From recorded minutes and labels to a dataset: `python -m tests.bench.bench_dataset`. Wanted: below a second."""

from __future__ import annotations

import json
import time

from taskclf_tray.train.dataset_sources import labelled_dataset
from taskclf_tray.train.weak import weak_label
from tests.support.stored_days import buckets_and_spans


def seconds_for(minutes: int, spans: int, *, with_rules: bool, repeats: int = 3) -> float:
    """The best of some times, in processor time."""
    asked = buckets_and_spans(minutes, spans)
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        labelled_dataset(*asked, weak=weak_label if with_rules else None)
        best = min(best, time.process_time() - began)
    return round(best, 3)


def main() -> None:
    """The whole size, a quarter of it, and the whole with rules for what nobody labelled."""
    whole = seconds_for(40_000, 2_000, with_rules=False)
    quarter = seconds_for(10_000, 500, with_rules=False)
    figures = {
        "seconds_40000_minutes_2000_labels": whole,
        "seconds_with_weak_labels": seconds_for(40_000, 2_000, with_rules=True),
        "ratio_to_a_quarter": round(whole / quarter, 2),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
