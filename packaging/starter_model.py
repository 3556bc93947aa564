"""Make the starter model: `python packaging/starter_model.py --out taskclf_tray/data/starter`.

It is trained on simulated people only, so that a label shows in a person's first minutes, and marked `synthetic`, so
that any model from real labels goes before it. Same code and same LightGBM: same bytes.

Its trees are right as often as they say in the simulated world they were grown in, and far too sure elsewhere. So all
scores are divided by `TEMPERATURE`, measured in a second simulated world that works another way. The file itself holds
the divided scores, so whatever serves the bundle serves them. BreakIdle is left to the idle rule: no tree learns it,
and its score is one low constant.

The advisory reject threshold is the lowest at which 90 % of the predictions that it accepts are right in the world of
the trees. It is measured twice: on people of a *kind* the trees never met (for each persona a model is trained on the
others), and on people nobody trained on, separately for each persona and for each set of installed watchers. It
promises nothing about other worlds. The figures in metrics.json are measured on a third group of people.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from starter_rows import (
    FIRST_MONDAY,
    SCHEMA,
    WATCHED,
    Sample,
    dataset_hash,
    forget,
    matrix,
    samples_of,
    vocabularies,
)
from taskclf_tray.core.types import BREAK_IDLE_ID, LABEL_SET_V1
from taskclf_tray.infer.forest import Forest
from taskclf_tray.models.bundle import save_model_bundle
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.simulation.personas import PERSONAS
from taskclf_tray.train.fit_prior import scaled
from taskclf_tray.train.metrics import confusion_counts, macro_f1, weighted_f1

BUNDLE_NAME: Final = "2026-01-01_000000_run-0001"
CREATED_AT: Final = "2026-01-01T00:00:00+00:00"
TARGET_ACCURACY: Final = 0.90
TEMPERATURE: Final = 2.4
"""The divisor of all scores: the temperature, in tenths, at which mean probability and accuracy differ least for the
kind of person of the second world (`tests/support/second_world.py`) for whom they differ most. Measured by
`tests/train/test_second_world.py`."""
BREAK_IDLE_SCORE: Final = -6.0
"""The score of BreakIdle before the division: about 2 % of the probability, and never the most probable label."""
FORGET_RATES: Final = {"app_id": 0.3, "app_category": 0.04, "domain_category": 0.06}
TUNING_SEED: Final = 1000
REPORT_SEED: Final = 2000
"""First seeds of the people the threshold is tuned on, and of those the metrics are measured on."""

PARAMS: Final[Mapping[str, Any]] = {
    "objective": "multiclass",
    "num_class": len(LABEL_SET_V1),
    "num_leaves": 15,
    "learning_rate": 0.12,
    "min_data_in_leaf": 80,
    "feature_fraction": 0.5,
    "lambda_l2": 5.0,
    "cat_l2": 20.0,
    "cat_smooth": 30.0,
    "min_data_per_group": 200,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated and grown."""

    people: int = 12
    days_each: int = 3
    unseen_people: int = 12
    rounds: int = 60
    least_people: int = 3


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model said of people it never saw, beside the truth; model-decided buckets only."""

    truth: NDArray[np.int64]
    said: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def accuracy_and_coverage(self, threshold: float) -> tuple[float, float]:
        """Share of right answers among the accepted (1.0 when there are none), and the accepted share."""
        accepted = self.confidence >= threshold
        if not accepted.any():
            return 1.0, 0.0
        return float((self.truth == self.said)[accepted].mean()), float(accepted.mean())


def fit(samples: Sequence[Sample], words: Mapping[str, Sequence[str]], rounds: int) -> str:
    """Train on these samples without their breaks and return tempered LightGBM text.

    Rarer labels weigh more, by the root of their rarity.
    """
    samples = [sample for sample in samples if sample.label_id != BREAK_IDLE_ID]
    counts = np.bincount([s.label_id for s in samples], minlength=len(LABEL_SET_V1))
    by_label = np.sqrt(len(samples) / (len(LABEL_SET_V1) * np.maximum(counts, 1)))
    labels = np.array([s.label_id for s in samples])
    data = lgb.Dataset(
        matrix(samples, words),
        label=labels,
        weight=by_label[labels],
        feature_name=list(SCHEMA.model_columns),
        categorical_feature=list(SCHEMA.categorical_columns),
        params={"verbosity": -1, "num_threads": 1, "force_row_wise": True},
    )
    booster = lgb.train(dict(PARAMS), data, num_boost_round=rounds)
    return tempered(str(booster.model_to_string()))


def tempered(text: str) -> str:
    """Divide all scores in a LightGBM text by the temperature; BreakIdle, which has no rows, gets its constant."""
    head, of_break_idle, rest = text.split("\nTree=", 2)
    constant = re.sub(r"(?m)^leaf_value=.*$", f"leaf_value={BREAK_IDLE_SCORE!r}", of_break_idle, count=1)
    head = re.sub(r"(?m)^tree_sizes=.*\n", "", head)  # the sizes change; LightGBM writes the new ones
    changed = scaled("\nTree=".join((head, constant, rest)), 1 / TEMPERATURE)
    return str(lgb.Booster(model_str=changed).model_to_string())


def ask(model: Forest, samples: Sequence[Sample], words: Mapping[str, Sequence[str]]) -> Answers:
    """The model's answers for the buckets a model decides."""
    own = [sample for sample in samples if sample.is_models]
    probabilities = model.predict(matrix(own, words))
    return Answers(
        np.array([sample.label_id for sample in own]), probabilities.argmax(axis=1), probabilities.max(axis=1)
    )


def join(parts: Sequence[Answers]) -> Answers:
    """All answers in one."""
    return Answers(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.said for part in parts]),
        np.concatenate([part.confidence for part in parts]),
    )


def lowest_threshold(answers: Answers, target: float) -> float:
    """The lowest threshold (in hundredths) from which on every higher one lets through at least `target` right."""
    best = 0.99
    for hundredths in range(99, 19, -1):
        if answers.accuracy_and_coverage(hundredths / 100)[0] < target:
            break
        best = hundredths / 100
    return best


def make_starter(out: Path, size: Size = Size()) -> Path:
    """Write the bundle into `out` (what is there under its name goes) and return its directory."""
    seen = {name: samples_of(name, range(1, size.people + 1), size.days_each) for name in PERSONAS}
    tuning = {name: _unseen(name, TUNING_SEED, size) for name in PERSONAS}
    report = {name: _unseen(name, REPORT_SEED, size) for name in PERSONAS}
    everyone = [sample for samples in seen.values() for sample in samples]
    text, words = _model_of(everyone, size)
    model = Forest.from_text(text)
    new_kinds = join([_asked_without(name, seen, tuning, size) for name in PERSONAS])
    groups = [new_kinds, *(ask(model, samples, words) for samples in _by_kind(tuning).values())]
    threshold = max(lowest_threshold(answers, TARGET_ACCURACY) for answers in groups)
    answers = {name: ask(model, samples, words) for name, samples in _by_kind(report).items()}
    metadata = ModelMetadata(
        schema_version=SCHEMA.version,
        schema_hash=SCHEMA.schema_hash,
        label_set=LABEL_SET_V1,
        train_date_from=FIRST_MONDAY.isoformat(),
        train_date_to=(FIRST_MONDAY + timedelta(days=180)).isoformat(),
        params={
            **PARAMS,
            "num_boost_round": size.rounds,
            "class_weight_method": "balanced_root",
            "temperature": TEMPERATURE,
        },
        dataset_hash=dataset_hash(everyone),
        reject_threshold=threshold,
        data_provenance="synthetic",
        created_at=CREATED_AT,
        unknown_category_mask_rate=FORGET_RATES["app_id"],
        time_basis="local",
    )
    return _publish(out, text, metadata, _metrics(answers, threshold), words)


def _unseen(name: str, first_seed: int, size: Size) -> list[Sample]:
    return samples_of(name, range(first_seed, first_seed + size.unseen_people), 1)


def _by_kind(samples: Mapping[str, Sequence[Sample]]) -> dict[str, list[Sample]]:
    """The samples of each persona, and again of each set of watchers."""
    everyone = [sample for of_persona in samples.values() for sample in of_persona]
    by_watched = {name: [s for s in everyone if s.watched == name] for name in WATCHED}
    kinds = {name: list(of_persona) for name, of_persona in samples.items()} | by_watched
    return {name: of_kind for name, of_kind in kinds.items() if of_kind}


def _model_of(samples: Sequence[Sample], size: Size) -> tuple[str, dict[str, list[str]]]:
    words = vocabularies(samples, size.least_people)
    return fit(forget(samples, FORGET_RATES), words, size.rounds), words


def _asked_without(
    name: str, seen: Mapping[str, Sequence[Sample]], asked: Mapping[str, Sequence[Sample]], size: Size
) -> Answers:
    """Answers about people of this persona by a model that met the other personas only."""
    others = [sample for other, samples in seen.items() if other != name for sample in samples]
    text, words = _model_of(others, size)
    return ask(Forest.from_text(text), asked[name], words)


def _metrics(answers: Mapping[str, Answers], threshold: float) -> dict[str, Any]:
    whole = join([answers[name] for name in PERSONAS if name in answers])
    counts = confusion_counts(whole.truth, whole.said)
    parts = {**answers, "everyone": whole}
    accepted = {name: part.accuracy_and_coverage(threshold) for name, part in parts.items()}
    return {
        "macro_f1": round(macro_f1(counts), 4),
        "weighted_f1": round(weighted_f1(counts), 4),
        "confusion_matrix": counts.tolist(),
        "label_names": list(LABEL_SET_V1),
        "accuracy": round(float((whole.truth == whole.said).mean()), 4),
        "accepted_accuracy_and_coverage": {
            name: [round(accuracy, 4), round(coverage, 4)] for name, (accuracy, coverage) in accepted.items()
        },
    }


def _publish(
    out: Path, text: str, metadata: ModelMetadata, metrics: Mapping[str, Any], words: Mapping[str, Sequence[str]]
) -> Path:
    """The bundle under its one name; `save_model_bundle` names by the clock."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".starter-") as beside:
        written = save_model_bundle(text, metadata, metrics, metrics["confusion_matrix"], Path(beside), words)
        final = out / BUNDLE_NAME
        shutil.rmtree(final, ignore_errors=True)
        return written.rename(final)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the bundle and print what it can do."""
    parser = argparse.ArgumentParser(prog="starter_model.py", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder that will hold the bundle's folder")
    bundle = make_starter(parser.parse_args(arguments).out)
    metrics = json.loads((bundle / "metrics.json").read_text())
    metadata = json.loads((bundle / "metadata.json").read_text())
    report = {
        "bundle": bundle.name,
        "model_bytes": (bundle / "model.txt").stat().st_size,
        "model_sha256": hashlib.sha256((bundle / "model.txt").read_bytes()).hexdigest(),
        "reject_threshold": metadata["reject_threshold"],
        "macro_f1": metrics["macro_f1"],
        "accepted_accuracy_and_coverage": metrics["accepted_accuracy_and_coverage"],
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
