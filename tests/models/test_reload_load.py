"""Thousands of swaps between two policies while predicting: every answer is wholly of one of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from taskclf_tray.infer.calibration import CalibratorStore, TemperatureCalibrator, save_calibrator_store
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows
from taskclf_tray.infer.resolve import InferencePolicyReloader, ResolvedInferenceConfig
from taskclf_tray.models import bundle_cache
from taskclf_tray.models.bundle import load_model_bundle, read_metadata
from taskclf_tray.models.bundle_cache import BundleCache
from taskclf_tray.models.policy import build_inference_policy
from tests.support.forest_models import model_text, one_leaf
from tests.support.sample_rows import BUNDLE, HOME, golden_rows

ROOT = Path(__file__).parents[2]
SWAPS = 10_000 if os.environ.get("TASKCLF_FAULTS") == "long" else 2_000
ROWS = golden_rows()[:2]
NAMES = ("2026-11-22_000000_run-000A", "2026-11-22_000000_run-000B")
THRESHOLDS = (0.3, 0.6)
TEMPERATURES = (1.0, 0.5)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two models of eight leaves each, each with its own calibrator store, and no policy."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    metadata = read_metadata(BUNDLE)
    count = len(load_model_bundle(BUNDLE)[0].feature_names)
    for favourite, name in enumerate(NAMES):
        folder = shutil.copytree(BUNDLE, home / "models" / name)
        leaves = [one_leaf("2" if label == favourite else "0") for label in range(8)]
        text = model_text(*leaves, classes=8, features=count)
        names = " ".join(f"Column_{index}" for index in range(count))
        lines = [f"feature_names={names}" if line.startswith("feature_names=") else line for line in text.split("\n")]
        (folder / "model.txt").write_text("\n".join(lines))
        store = CalibratorStore(
            global_calibrator=TemperatureCalibrator(TEMPERATURES[favourite]),
            user_calibrators={},
            method="temperature",
            model_bundle_id=name,
            model_schema_hash=metadata.schema_hash,
            created_at=None,
        )
        save_calibrator_store(store, home / "artifacts" / f"store-{favourite}")
    return home / "models"


def policy_text(which: int) -> str:
    metadata = read_metadata(BUNDLE)
    policy = build_inference_policy(
        model_dir=f"models/{NAMES[which]}",
        model_schema_hash=metadata.schema_hash,
        model_label_set=metadata.label_set,
        reject_threshold=THRESHOLDS[which],
        calibrator_store_dir=f"artifacts/store-{which}",
        calibration_method="temperature",
    )
    return json.dumps(policy.model_dump())


class Writer:
    """Another process that replaces the policy, and every now and then writes half of it first."""

    def __init__(self, models: Path, folder: Path) -> None:
        self._path = models / "inference_policy.json"
        self._texts = [policy_text(0), policy_text(1)]
        for which, text in enumerate(self._texts):
            (folder / f"policy-{which}.json").write_text(text)
        arguments = [self._path, *(folder / f"policy-{which}.json" for which in (0, 1))]
        command = [sys.executable, "-m", "tests.support.policy_writer_child", *map(str, arguments)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0)

    def write(self, which: int) -> None:
        """Here and now."""
        self._path.write_text(self._texts[which])

    def next(self) -> None:
        """Have the other policy written; does not wait for it."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"\n")

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        out, _ = self._child.communicate(timeout=120)
        self.halves = int(out)


class Pair:
    """What belongs together, taken from the two configurations when nobody was writing."""

    def __init__(self, configs: list[PipelineConfig]) -> None:
        self.answers = {config.config_id: _told(config) for config in configs}

    def check(self, config: PipelineConfig) -> str:
        """Every answer of one look has the identity, model, threshold and probabilities of one configuration."""
        told = _told(config)
        assert config.config_id in self.answers, "parts of both policies in one configuration"
        assert {prediction[0] for prediction in told} == {config.config_id}
        assert told == self.answers[config.config_id]
        return config.config_id


class SecondReader(threading.Thread):
    """Predicts with the newest configuration from another thread, as a suggestion does."""

    def __init__(self, pair: Pair, served: PipelineConfig) -> None:
        super().__init__(name="second-reader")
        self.served, self.failures, self._pair, self._done = served, list[AssertionError](), pair, threading.Event()

    def __enter__(self) -> SecondReader:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(0.01):
            try:
                self._pair.check(self.served)
            except AssertionError as error:
                self.failures.append(error)


def _told(config: PipelineConfig) -> list[tuple[object, ...]]:
    return [
        (p.config_id, p.model_version, p.reject_threshold, p.core_probs, p.confidence, p.is_rejected)
        for p in decide_rows(config, ROWS)
    ]


def _pipeline(resolved: ResolvedInferenceConfig) -> PipelineConfig:
    return PipelineConfig.from_resolved(resolved, taxonomy=None)


def _both(models: Path, writer: Writer) -> list[PipelineConfig]:
    configs = []
    for which in (0, 1):
        writer.write(which)
        resolved = InferencePolicyReloader(models, 0).load()
        assert (resolved.bundle_id, resolved.reject_threshold) == (NAMES[which], THRESHOLDS[which])
        assert resolved.calibrator_store is not None
        configs.append(_pipeline(resolved))
    assert len({config.config_id for config in configs}) == 2
    return configs


def _swap_and_predict(
    reloader: InferencePolicyReloader, writer: Writer, pair: Pair, other: SecondReader
) -> tuple[set[str], int]:
    """(config ids that answered, swaps), after SWAPS."""
    config, used, swaps = other.served, set[str](), 0
    writer.next()
    while swaps < SWAPS:
        fresh = reloader.check_reload()
        if fresh is not None:
            other.served = config = _pipeline(fresh)
            swaps += 1
            for _ in range(3 if swaps % 20 == 0 else 1):  # at times several changes between two looks
                writer.next()
            if swaps % 4:  # three in four are awaited, one is met halfway
                time.sleep(0.0003)
        used.add(pair.check(config))
    return used, swaps


@pytest.mark.faults
def test_thousands_of_swaps_while_predicting(models: Path, tmp_path: Path) -> None:
    with Writer(models, tmp_path) as writer:
        pair = Pair(_both(models, writer))
        writer.write(0)
        reloader = InferencePolicyReloader(models, 0)
        with SecondReader(pair, _pipeline(reloader.load())) as other:
            used, swaps = _swap_and_predict(reloader, writer, pair, other)
    assert other.failures == []
    assert swaps == SWAPS
    assert used == set(pair.answers)
    assert writer.halves > SWAPS / 100
    assert reloader.problem_serial == 0  # no half-written file was judged


def test_a_threshold_edit_does_not_read_the_model_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = shutil.copytree(HOME, tmp_path / "home") / "models"
    time.sleep(0.15)  # what was copied just now is not kept
    reloader = InferencePolicyReloader(models, 0)
    first = reloader.load()
    read_again: list[object] = []
    monkeypatch.setattr(bundle_cache, "load_model_bundle", lambda *where, **_: read_again.append(where))
    path = models / "inference_policy.json"
    for step in range(20):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"reject_threshold": 0.5 + step / 100}))
        config = reloader.check_reload()
        assert config is not None
        assert config.model is first.model
        assert config.calibrator_store is first.calibrator_store
    assert read_again == []


def test_a_changed_part_is_read_again_and_no_more_than_two_are_kept(models: Path) -> None:
    home = models.parent
    third = shutil.copytree(models / NAMES[0], models / "third")
    time.sleep(0.15)
    parts = BundleCache()
    a, b = (parts.bundle(models / name)[0] for name in NAMES)
    assert parts.bundle(models / NAMES[0])[0] is a
    assert parts.bundle(third)[0] is not a
    assert parts.bundle(models / NAMES[0])[0] is a
    assert parts.bundle(models / NAMES[1])[0] is not b  # the third had its place
    store = parts.store(home / "artifacts/store-0")
    assert parts.store(home / "artifacts/store-0") is store
    (home / "artifacts/store-0/global.json").write_text('{"type": "identity"}')
    again = parts.store(home / "artifacts/store-0")
    assert again.digest != store.digest
    assert parts.store(home / "artifacts/store-0") is not again  # written just now: not kept yet
    parts.forget()
    assert parts.bundle(models / NAMES[0])[0] is not a
