"""What takes long comes first: at the end of a run no core waits for a long file that began late."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LONG_FILES = (
    "e2e/test_month.py",
    "e2e/test_fortnight.py",
    "e2e/test_real_desktops.py",
    "cli/test_special_files.py",
    "train/test_starter.py",
    "jobs/test_retrain_job.py",
    "e2e/test_tray_labels.py",
    "e2e/test_no_egress.py",
    "notify/test_press.py",
    "app/test_learning.py",
    "app/test_drift_watch.py",
    "e2e/test_hostile_titles.py",
    "infer/test_forest_lightgbm.py",
    "infer/test_parity_record.py",
    "faults/test_hostile_hour.py",
    "drift/test_people.py",
    "faults/test_asking_days.py",
    "e2e/test_memory.py",
    "e2e/test_tray_memory.py",
    "ui/test_sni.py",
    "record/test_recorder.py",
    "record/test_recorder_hmm.py",
    "app/test_clock_watch.py",
    "models/test_promotion.py",
    "models/test_reload_load.py",
    "train/test_train_actions.py",
    "app/test_sources.py",
    "train/test_learning_bench.py",
    "faults/test_model_damage.py",
    "infer/test_parity.py",
    "e2e/test_real_server_live.py",
    "e2e/test_real_server_errors.py",
    "app/test_asking.py",
    "cli/test_train.py",
    "cli/test_infer.py",
    "train/test_fit.py",
    "jobs/test_replay.py",
    "app/test_answer_learning.py",
    "train/test_fit_prior.py",
    "cli/test_retrain.py",
    "e2e/test_tray.py",
)
"""Files of ten seconds and more, the longest first."""


def sort(items: list[pytest.Item]) -> None:
    """Put the tests of these files first; all others keep their order."""
    places = {TESTS / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def missing(names: Sequence[str] = LONG_FILES) -> list[str]:
    """Names of files that do not exist."""
    return [name for name in names if not (TESTS / name).is_file()]
