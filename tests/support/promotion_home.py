"""A home with a model, and challengers that wait to be promoted."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from pathlib import Path

from taskclf_tray.infer.calibration import CalibratorStore, TemperatureCalibrator
from taskclf_tray.models.promotion import promote, served_now
from taskclf_tray.models.retention import staging_dir
from tests.support.sample_rows import BUNDLE, HOME

FIRST, SECOND, THIRD = (f"2026-12-0{n}_120000_run-000{n}" for n in (1, 2, 3))
STORE = CalibratorStore(TemperatureCalibrator(1.7), method="temperature", created_at="2026-12-01T12:00:00+00:00")


@functools.cache
def small_model() -> str:
    """The first trees of the golden model: quick to read, and kills want many readings."""
    import lightgbm as lgb  # two seconds that the processes which only promote need not wait

    return str(lgb.Booster(model_file=str(BUNDLE / "model.txt")).model_to_string(num_iteration=1))


def make_small(bundle: Path, **metadata: object) -> Path:
    """Put the small model into a copy of the golden bundle."""
    (bundle / "model.txt").write_text(small_model())
    known = json.loads((bundle / "metadata.json").read_text())
    sha256 = hashlib.sha256(small_model().encode()).hexdigest()
    (bundle / "metadata.json").write_text(json.dumps(known | {"sha256": sha256} | metadata))
    return bundle


def home_with(folder: Path, *, policy: bool = True, active: bool = True) -> Path:
    """The models of a copy of the golden home."""
    models = Path(shutil.copytree(HOME, folder / "home")) / "models"
    make_small(models / BUNDLE.name)
    for name, is_wanted in (("inference_policy.json", policy), ("active.json", active)):
        if not is_wanted:
            (models / name).unlink()
    return models


def stage(models: Path, name: str, *, macro_f1: float = 0.99) -> Path:
    """A bundle that would be the best model as soon as it lay beside the others."""
    staged = make_small(Path(shutil.copytree(BUNDLE, staging_dir(models) / name)))
    metrics = json.loads((staged / "metrics.json").read_text())
    (staged / "metrics.json").write_text(json.dumps(metrics | {"macro_f1": macro_f1}))
    return staged


def promoted(models: Path, name: str, threshold: float = 0.61) -> Path:
    """Staged and promoted."""
    served = served_now(models)
    replaces = None if served is None else served.bundle_id
    return promote(models, stage(models, name), STORE, reject_threshold=threshold, replaces=replaces)
