"""Stages 2–9 on chosen answers: reject, idle rule, no window, smoothing across gaps, the taxonomy in force."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.calibrator_files import load_calibrator_store
from taskclf_tray.infer.calibrators import NOT_FINITE, CalibratorStore, IdentityCalibrator, TemperatureCalibrator
from taskclf_tray.infer.pipeline import (
    PipelineConfig,
    context_buckets,
    decide_raw,
    decide_rows,
    finish,
    make_config_id,
    redecide,
)
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy import TaxonomyBucket, TaxonomyConfig, TaxonomyResolver
from taskclf_tray.infer.taxonomy_config import default_taxonomy
from tests.support.pipeline_configs import config_of, letters
from tests.support.sample_rows import HOME, FakeModel, forest, golden, golden_rows, told_row, vocabularies

CODE_AND_REST = TaxonomyConfig(
    buckets=(
        TaxonomyBucket(name="Code", core_labels=("Build", "Debug")),
        TaxonomyBucket(
            name="Rest", core_labels=tuple(label for label in LABEL_SET_V1 if label not in ("Build", "Debug"))
        ),
    )
)


def served(config: PipelineConfig, rows: list[FeatureRow]) -> list[WindowPrediction]:
    return finish(
        decide_rows(config, rows), smooth_window=config.smooth_window, resolver_of=lambda _config_id: config.resolver
    )


def smoothed(predictions: list[WindowPrediction]) -> str:
    return " ".join(p.smoothed_label_name for p in predictions)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_golden_predictions(method: str) -> None:
    directory = {"temperature": "calibrator_store", "isotonic": "calibrator_store_isotonic"}[method]
    config = PipelineConfig(
        model=forest(),
        cat_encoders=vocabularies(),
        calibrator_store=load_calibrator_store(HOME / "artifacts" / directory),
        reject_threshold=0.9,
        taxonomy=CODE_AND_REST,
    )
    expected = golden(f"calibrated_{method}")
    predictions = decide_rows(config, golden_rows())
    np.testing.assert_allclose([p.core_probs for p in predictions], expected, rtol=0, atol=1e-9)
    assert [p.core_label_id for p in predictions] == expected.argmax(axis=1).tolist()
    assert [p.is_rejected for p in predictions] == (expected.max(axis=1) < 0.9).tolist()
    for prediction in predictions:
        assert sum(prediction.mapped_probs.values()) == pytest.approx(1.0, abs=1e-12)
    uncalibrated = decide_rows(replace_store(config), golden_rows())
    np.testing.assert_allclose([p.core_probs for p in uncalibrated], golden("raw_proba"), rtol=0, atol=1e-9)


def replace_store(config: PipelineConfig) -> PipelineConfig:
    return PipelineConfig(model=config.model, cat_encoders=config.cat_encoders)


def test_one_row_has_the_bits_it_has_in_a_batch() -> None:
    store = load_calibrator_store(HOME / "artifacts/calibrator_store_isotonic")
    config = config_of(model=forest(), cat_encoders=vocabularies(), calibrator_store=store, taxonomy=CODE_AND_REST)
    rows = golden_rows()[:40]
    assert [decide_rows(config, [row])[0] for row in rows] == decide_rows(config, rows)


def test_equal_to_the_threshold_passes_and_below_is_rejected() -> None:
    rows = [told_row(0, "Build", 0.55), told_row(5, "Build", 0.549)]
    passed, rejected = decide_rows(config_of(), rows)
    assert (passed.is_rejected, passed.raw_label) == (False, "Build")
    assert (rejected.is_rejected, rejected.raw_label, rejected.core_label_name) == (True, MIXED_UNKNOWN, "Build")
    assert rejected.reject_threshold == 0.55


def test_no_threshold_rejects_nothing_and_a_users_own_comes_first() -> None:
    rows = [told_row(0, "Build", 0.3), told_row(0, "Build", 0.3, user_id="bob")]
    assert [p.is_rejected for p in decide_rows(config_of(reject_threshold=None), rows)] == [False, False]
    own = config_of(per_user_reject_thresholds={"bob": 0.2})
    assert [p.is_rejected for p in decide_rows(own, rows)] == [True, False]
    only_own = config_of(reject_threshold=None, per_user_reject_thresholds={"bob": 0.9})
    assert [p.is_rejected for p in decide_rows(only_own, rows)] == [False, True]


def test_equal_probabilities_take_the_lower_label() -> None:
    decided = decide_raw(config_of(), np.full((1, 8), 0.125), ["ann"])
    assert decided.label_ids.tolist() == [0]
    assert decided.raw_labels() == [MIXED_UNKNOWN]


def test_store_before_calibrator() -> None:
    rows = [told_row(0, "Build", 0.9)]
    store = CalibratorStore(IdentityCalibrator())
    both = config_of(calibrator=TemperatureCalibrator(3.0), calibrator_store=store)
    assert decide_rows(both, rows)[0].confidence == pytest.approx(0.9)
    assert decide_rows(config_of(calibrator=TemperatureCalibrator(3.0)), rows)[0].confidence < 0.6


def test_smoothing_and_its_gaps() -> None:
    assert smoothed(served(config_of(), letters("BMB"))) == "Build Build Build"
    assert smoothed(served(config_of(), letters("BM.B"))) == "Build Meet Build"
    assert smoothed(served(config_of(), letters("B.MB"))) == "Build Meet Build"


def test_a_rejected_row_through_smoothing_and_taxonomy() -> None:
    rescued = served(config_of(taxonomy=CODE_AND_REST), letters("BmB"))[1]
    assert (rescued.is_rejected, rescued.core_label_name) == (True, "Meet")
    assert (rescued.smoothed_label_name, rescued.mapped_label_name, rescued.ui_label) == ("Build", "Code", "Code")
    alone = served(config_of(taxonomy=CODE_AND_REST), letters("m"))[0]
    assert (alone.smoothed_label_name, alone.ui_label) == (MIXED_UNKNOWN, MIXED_UNKNOWN)
    for prediction in (rescued, alone):
        assert sum(prediction.mapped_probs.values()) == pytest.approx(1.0, abs=1e-12)


def test_without_taxonomy_the_smoothed_label_is_shown() -> None:
    prediction = served(config_of(), letters("BMB"))[1]
    assert (prediction.mapped_label_name, prediction.ui_label) == ("Build", "Build")
    assert list(prediction.mapped_probs) == list(LABEL_SET_V1)


def test_the_idle_rule_decides_and_keeps_the_models_answer() -> None:
    row = told_row(0, "Meet", 0.3, decided_by="idle_rule")
    prediction = decide_rows(config_of(taxonomy=CODE_AND_REST), [row])[0]
    assert prediction.core_probs == [1.0, *[0.0] * 7]
    assert (prediction.core_label_name, prediction.confidence, prediction.is_rejected) == ("BreakIdle", 1.0, False)
    assert prediction.decided_by == "idle_rule"
    assert prediction.ui_label == "Rest"
    assert max(prediction.model_probs) == pytest.approx(0.3)


def test_no_window_is_mixed_whatever_the_model_is_sure_of() -> None:
    row = told_row(0, "Meet", 0.99, decided_by="no_window")
    for config in (config_of(), config_of(reject_threshold=None)):
        prediction = decide_rows(config, [row])[0]
        assert (prediction.is_rejected, prediction.raw_label) == (True, MIXED_UNKNOWN)
        assert (prediction.core_label_name, prediction.confidence) == ("Meet", pytest.approx(0.99))


@pytest.mark.parametrize("surety", [0.9, 0.3])
@pytest.mark.parametrize("threshold", [0.55, None])
def test_redecide_is_as_if_it_had_been_so_from_the_start(surety: float, threshold: float | None) -> None:
    config = config_of(taxonomy=CODE_AND_REST, reject_threshold=threshold)
    model = config.model
    assert isinstance(model, FakeModel)
    ways = ["model", "idle_rule", "no_window"]
    fresh = {way: decide_rows(config, [told_row(0, "Meet", surety, decided_by=way)])[0] for way in ways}
    model.calls.clear()
    for way in ways:
        for other in ways:
            there = redecide(fresh[way], other, config.resolver)  # type: ignore[arg-type]
            assert there == fresh[other]
            assert redecide(there, way, config.resolver) == fresh[way]  # type: ignore[arg-type]
    assert model.calls == []


def test_each_bucket_is_mapped_by_the_taxonomy_it_was_predicted_with() -> None:
    rows = letters("BBB")
    before = decide_rows(config_of(taxonomy=CODE_AND_REST, config_id="old"), rows[:2])
    after = decide_rows(config_of(taxonomy=default_taxonomy(), config_id="new"), rows[2:])
    resolvers = {"old": TaxonomyResolver(CODE_AND_REST), "new": TaxonomyResolver(default_taxonomy())}
    finished = finish([*before, *after], resolver_of=resolvers.get)
    assert [p.ui_label for p in finished] == ["Code", "Code", "Build"]


@pytest.mark.parametrize("window", [1, 3, 5, 7])
def test_a_tail_with_context_is_finished_as_the_whole(window: int) -> None:
    config = config_of(taxonomy=CODE_AND_REST)
    decided = decide_rows(config, letters("BBMbMM.RBBRMM..bbBMRRRMBM"))

    def run(predictions: list[WindowPrediction]) -> list[WindowPrediction]:
        return finish(predictions, smooth_window=window, resolver_of=lambda _config_id: config.resolver)

    whole = run(decided)
    context = context_buckets(window)
    for first in range(len(decided)):
        begin = max(0, first - context)
        assert run(decided[begin:])[first - begin :] == whole[first:]
    assert run(whole) == whole


def test_config_id_names_the_combination() -> None:
    ids = {
        make_config_id("a", None, 3),
        make_config_id("b", None, 3),
        make_config_id("a", CODE_AND_REST, 3),
        make_config_id("a", default_taxonomy(), 3),
        make_config_id("a", None, 5),
    }
    assert len(ids) == 5
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in ids)


def test_from_resolved() -> None:
    resolved = SimpleNamespace(
        model=FakeModel(),
        metadata=SimpleNamespace(schema_version="v3", time_basis=None),
        cat_encoders=None,
        calibrator=None,
        calibrator_store=None,
        reject_threshold=0.7,
        per_user_reject_thresholds={"ann": 0.8},
        model_version="bundle@hash",
        config_digest="d",
    )
    config = PipelineConfig.from_resolved(resolved, taxonomy=CODE_AND_REST, smooth_window=5)
    assert (config.time_basis, config.smooth_window, config.threshold_for("ann")) == ("utc", 5, 0.8)
    assert config.config_id == make_config_id("d", CODE_AND_REST, 5)
    prediction = decide_rows(config, [told_row(0, "Build")])[0]
    assert (prediction.model_version, prediction.config_id) == ("bundle@hash", config.config_id)


def test_prediction_survives_json_exactly() -> None:
    for prediction in served(config_of(taxonomy=CODE_AND_REST), [*letters("BmM"), told_row(9, "Meet", 1 / 3)]):
        assert WindowPrediction.unpack(json.loads(json.dumps(prediction.pack()))) == prediction
    with pytest.raises(ValueError, match="values"):
        WindowPrediction.unpack([1])


def test_prediction_for_people() -> None:
    answer = decide_rows(config_of(taxonomy=CODE_AND_REST), [told_row(0, "Build", 0.3)])[0].to_dict()
    assert json.loads(json.dumps(answer)) == answer
    assert answer["bucket_start_ts"] == "2026-03-02T08:00:00+00:00"
    assert answer["core_probs"][0] == 0.1
    assert (answer["raw_label"], answer["ui_label"]) == (MIXED_UNKNOWN, MIXED_UNKNOWN)


def test_a_model_with_another_answer_is_refused() -> None:
    model = SimpleNamespace(predict=lambda matrix: np.ones((len(matrix), 3)))
    with pytest.raises(ValueError, match="eight labels"):
        decide_rows(config_of(model=model), [told_row(0, "Build")])


def test_even_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        config_of(smooth_window=4)
    assert decide_rows(config_of(), [told_row(0, "Build")])[0].model_copy().smoothed_label_name == "Build"


def test_the_live_path_loads_nothing_heavy() -> None:
    script = (
        "import sys, taskclf_tray.infer.online, taskclf_tray.infer.batch, taskclf_tray.infer.taxonomy_file,"
        " taskclf_tray.infer.calibrator_files; import numpy as np;"
        "from taskclf_tray.infer.calibrators import TemperatureCalibrator;"
        "TemperatureCalibrator(2.0).calibrate(np.full((3, 8), 0.125));"
        "bad = {'pandas', 'sklearn', 'lightgbm', 'pyarrow', 'numpy.random', 'scipy'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


class NoNumbers:
    """A calibrator of another program that divides by zero where the first label is sure."""

    def calibrate(self, core_probs: Any) -> Any:
        return np.where(core_probs[:, :1] > 0.5, np.nan, core_probs)


@pytest.mark.parametrize("changes", [{"calibrator": NoNumbers()}, {"calibrator_store": CalibratorStore(NoNumbers())}])
def test_a_calibrator_without_numbers_leaves_the_models_own(
    changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    raw = np.array([[0.9, 0.1, *[0.0] * 6], [0.1, 0.9, *[0.0] * 6], [math.nan] * 8])
    raw[2, 0] = 0.7
    config = config_of(**changes)
    for _ in range(2):
        decided = decide_raw(config, raw, ["u"] * 3)
        assert decided.core_probs[:2].tolist() == raw[:2].tolist()
        assert decided.core_probs[2].tolist() == [0.125] * 8
        assert decided.is_rejected.tolist() == [False, False, True]
    assert [record.message for record in caplog.records] == [NOT_FINITE]
