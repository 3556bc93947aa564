"""What Retrain costs: `python -m tests.bench.bench_retrain [--minutes N]`, in seconds and MiB.

Working days of a simulated developer with every watcher, 40,000 minutes; the person labels 16 minutes of every 20 with
what most of them are. A process of its own makes the challenger and evaluates it. `cpu_seconds` is its processor time.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from starter_rows import FIRST_MONDAY, WATCHED, simulated_rows
from taskclf_tray.adapters.normalise import Normaliser
from taskclf_tray.core.types import FeatureRow, LabelSpan
from taskclf_tray.simulation.person import SimulatedPerson
from taskclf_tray.train.dataset_sources import PackedBucket, labelled_dataset
from taskclf_tray.train.evaluate import evaluate
from taskclf_tray.train.fit_prior import Prior
from taskclf_tray.train.retrain import TrainingConfig, make_challenger
from taskclf_tray.train.weak import weak_or_unlabelled

MINUTES: Final = 40_000
PERSON: Final = ("developer", 9101)
LABELLED: Final = 16
EVERY: Final = 20


def recorded(minutes: int) -> tuple[list[PackedBucket], list[LabelSpan]]:
    """So many minutes of one person's working days, and the labels of four fifths of them."""
    person, normaliser = SimulatedPerson(*PERSON), Normaliser("3d" * 32)
    buckets: list[PackedBucket] = []
    spans: list[LabelSpan] = []
    day = FIRST_MONDAY
    while len(buckets) < minutes:
        start, end = person.working_day(day)
        rows = simulated_rows(person, normaliser, WATCHED["everything"], start, end)
        rows = [row for row in rows if row.decided_by != "no_window"][: minutes - len(buckets)]
        buckets += map(PackedBucket.of, rows)
        spans += _labels(rows, person.truth(start, end))
        day = end.date() + timedelta(days=1)
    return buckets, spans


def _labels(rows: Sequence[FeatureRow], truth: Sequence[LabelSpan]) -> Iterator[LabelSpan]:
    for at in range(0, len(rows) - EVERY, EVERY):
        start, end = rows[at].bucket_start_ts, rows[at + LABELLED - 1].bucket_end_ts
        shares = Counter[str]()
        for span in truth:
            overlap = (min(span.end_ts, end) - max(span.start_ts, start)).total_seconds()
            if overlap > 0:
                shares[span.label] += round(overlap)
        if shares and end - start <= timedelta(minutes=EVERY):
            yield LabelSpan(start, end, shares.most_common(1)[0][0])


def measured(file: Path) -> dict[str, float]:
    """Make a challenger of the minutes in a file, in this process."""
    minutes = pickle.loads(file.read_bytes())
    began, cpu = time.monotonic(), time.process_time()
    dataset = labelled_dataset(*minutes, weak=weak_or_unlabelled)
    del minutes
    challenger = make_challenger(dataset, Prior.starter(), TrainingConfig())
    evaluation = evaluate(challenger.held_out, challenger.answers)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "minutes": len(dataset),
        "labelled_minutes": int((~dataset.is_weak).sum()),
        "accuracy": round(evaluation.figures.accuracy, 4),
    }


def main() -> None:
    """The figures as JSON."""
    parser = argparse.ArgumentParser(description="What Retrain costs.")
    parser.add_argument("--minutes", type=int, default=MINUTES)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.file is not None:
        print(json.dumps(measured(chosen.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "minutes.pickle"
        file.write_bytes(pickle.dumps(recorded(chosen.minutes)))
        command = [sys.executable, "-m", "tests.bench.bench_retrain", "--file", str(file)]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(json.dumps(json.loads(found.stdout), indent=2))


if __name__ == "__main__":
    main()
