"""The inference documents' kind of code, on real files, with LightGBM's Booster, LabelEncoders and DataFrames."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from taskclf_tray.adapters.activitywatch import AWEvent, parse_aw_export
from taskclf_tray.core.drift import detect_class_shift, detect_entropy_spike, feature_drift_report
from taskclf_tray.core.inference_policy import (
    InferencePolicy,
    PolicyValidationError,
    build_inference_policy,
    load_inference_policy,
    remove_inference_policy,
    save_inference_policy,
    validate_policy,
)
from taskclf_tray.core.model_io import load_model_bundle
from taskclf_tray.core.telemetry import TelemetryStore, compute_telemetry
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.features.build import build_features_from_aw_events
from taskclf_tray.infer.batch import (
    predict_labels,
    predict_proba,
    read_segments_json,
    run_batch_inference,
    write_predictions_csv,
    write_segments_json,
)
from taskclf_tray.infer.calibration import Calibrator, IdentityCalibrator, load_calibrator, load_calibrator_store
from taskclf_tray.infer.feature_state import OnlineFeatureState
from taskclf_tray.infer.monitor import auto_enqueue_drift_labels, run_drift_check, write_drift_report
from taskclf_tray.infer.online import OnlinePredictor
from taskclf_tray.infer.resolve import (
    ActiveModelReloader,
    InferencePolicyReloader,
    ModelResolutionError,
    resolve_inference_config,
    resolve_model_dir,
)
from taskclf_tray.infer.taxonomy import TaxonomyResolver, load_taxonomy
from taskclf_tray.labels.queue import ActiveLabelingQueue
from taskclf_tray.model_registry import SelectionPolicy, resolve_active_model, write_active_atomic
from taskclf_tray.report.daily import build_daily_report
from taskclf_tray.report.export import export_report_json
from tests.support.drift_frames import week
from tests.support.sample_rows import BUNDLE, HOME, golden, golden_frame, vocabularies

EXPORT = Path(__file__).parents[1] / "data" / "real_watchers" / "aw-buckets-export_default-settings_290s.json"
SECRET = "0" * 63 + "1"


@cache
def booster() -> lightgbm.Booster:
    return lightgbm.Booster(model_file=str(BUNDLE / "model.txt"))


def label_encoder(values: Sequence[str]) -> Any:
    """As training with scikit-learn leaves it."""
    from sklearn.preprocessing import LabelEncoder  # 1.6 s, for who needs it

    return LabelEncoder().fit(values)


@cache
def label_encoders() -> dict[str, Any]:
    """One for each column."""
    return {column: label_encoder(values) for column, values in vocabularies().items()}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HOME, tmp_path / "home")) / "models"


def test_a_policy_after_tuning(models: Path) -> None:
    remove_inference_policy(models)
    _, metadata, _ = load_model_bundle(models / BUNDLE.name)
    policy = build_inference_policy(
        model_dir=f"models/{BUNDLE.name}",
        model_schema_hash=metadata.schema_hash,
        model_label_set=list(metadata.label_set),
        reject_threshold=0.7,
        calibrator_store_dir="artifacts/calibrator_store",
        calibration_method="temperature",
        source="tune-reject",
    )
    validate_policy(policy, models)
    path = save_inference_policy(policy, models)
    assert load_inference_policy(models) == policy == InferencePolicy.model_validate(json.loads(path.read_text()))
    served = resolve_inference_config(models)
    assert (served.reject_threshold, served.policy, served.per_user_reject_thresholds) == (0.7, policy, None)
    assert isinstance(served.calibrator, IdentityCalibrator)
    assert isinstance(served.calibrator, Calibrator)
    assert served.calibrator_store is not None
    with pytest.raises(PolicyValidationError):
        validate_policy(policy.model_copy(update={"model_schema_hash": "0" * 12}), models)
    assert remove_inference_policy(models) is True
    assert load_inference_policy(models) is None


def test_a_policy_is_made_of_three_values() -> None:
    policy = InferencePolicy(model_dir="models/x", model_schema_hash="h", model_label_set=["b"], reject_threshold=0.6)
    assert (policy.policy_version, policy.source, policy.calibrator_store_dir) == ("v1", "manual", None)
    assert policy.model_label_set == ["b"]


@pytest.mark.parametrize("encoders", ["lists", "LabelEncoder"])
def test_a_batch_with_calibrators_and_taxonomy(encoders: str, models: Path, tmp_path: Path) -> None:
    home = models.parent
    result = run_batch_inference(
        booster(),
        golden_frame(),
        cat_encoders=label_encoders() if encoders == "LabelEncoder" else vocabularies(),
        reject_threshold=0.9,
        taxonomy=load_taxonomy(home / "configs" / "user_taxonomy.yaml"),
        calibrator_store=load_calibrator_store(home / "artifacts" / "calibrator_store_isotonic"),
    )
    np.testing.assert_allclose(result.core_probs, golden("calibrated_isotonic"), rtol=0, atol=1e-9)
    assert result.mapped_labels is not None
    assert result.mapped_probs is not None
    assert all(sum(probs.values()) == pytest.approx(1.0) for probs in result.mapped_probs)
    path = write_predictions_csv(
        golden_frame(),
        result.smoothed_labels,
        tmp_path / "predictions.csv",
        confidences=result.confidences,
        is_rejected=result.is_rejected,
        mapped_labels=result.mapped_labels,
        core_probs=result.core_probs,
    )
    with path.open(newline="") as file:
        assert [line["mapped_label"] for line in csv.DictReader(file)] == result.mapped_labels
    segments = tmp_path / "segments.json"
    write_segments_json(result.segments, segments)
    assert read_segments_json(segments) == result.segments
    assert write_predictions_csv(golden_frame(), labels=result.raw_labels, path=tmp_path / "two.csv").exists()


def test_a_batch_with_one_calibrator_and_no_taxonomy() -> None:
    calibrator = load_calibrator(HOME / "artifacts" / "calibrator_store" / "global.json")
    result = run_batch_inference(booster(), golden_frame(), cat_encoders=label_encoders(), calibrator=calibrator)
    assert (result.mapped_labels, result.mapped_probs) == (None, None)
    assert not result.is_rejected.any()


def test_probabilities_and_labels_with_label_encoders() -> None:
    probs = predict_proba(booster(), golden_frame(), label_encoders())
    assert probs.tobytes() == predict_proba(booster(), golden_frame(), vocabularies()).tobytes()
    np.testing.assert_allclose(probs, golden("raw_proba"), rtol=0, atol=1e-9)
    of_labels = label_encoder(LABEL_SET_V1)
    labels = predict_labels(booster(), golden_frame(), of_labels, label_encoders(), reject_threshold=0.5)
    assert labels == [
        LABEL_SET_V1[row.argmax()] if row.max() >= 0.5 else "Mixed/Unknown" for row in probs
    ]  # fmt: skip
    kept = OnlinePredictor(booster(), load_model_bundle(BUNDLE)[1], cat_encoders=label_encoders())
    assert kept.predict_bucket(golden_frame().iloc[0].to_dict()).core_probs == pytest.approx(probs[0].tolist())


def test_the_schema_is_taken_from_the_frame() -> None:
    """A frame of v1 that says so, for a model that was trained on v1."""
    from taskclf_tray.core.schema import SCHEMAS

    columns = list(SCHEMAS["v1"].model_columns)
    frame = golden_frame()[[*dict.fromkeys([*columns, "user_id", "bucket_start_ts"])]].assign(schema_version="v1")
    rng = np.random.default_rng(0)
    data = lightgbm.Dataset(rng.normal(size=(200, len(columns))), np.arange(200) % 8, feature_name=columns)
    params = {"objective": "multiclass", "num_class": 8, "num_leaves": 4, "verbose": -1, "num_threads": 1}
    model = lightgbm.train(params, data, 2)
    for schema_version in (None, "v1"):
        assert predict_proba(model, frame, vocabularies(), schema_version=schema_version).shape == (400, 8)
    assert len(predict_labels(model, frame, LABEL_SET_V1, vocabularies())) == 400
    assert len(run_batch_inference(model, frame, cat_encoders=vocabularies()).raw_labels) == 400
    mixed = pd.concat([frame.head(1), frame.head(1).assign(schema_version="v2")])
    with pytest.raises(ValueError, match="several schemas: v1, v2"):
        predict_proba(model, mixed, vocabularies())


def test_an_online_loop_by_hand(tmp_path: Path) -> None:
    """Export, rows, rolling context, predictions, segments, report and telemetry, as the documents' loop does it."""
    events = parse_aw_export(EXPORT, title_salt=SECRET)
    assert isinstance(events, list)
    assert all(isinstance(event, AWEvent) for event in events)
    rows = build_features_from_aw_events(events, input_events=events.input, schema_version="v3")
    assert {row.user_id for row in rows} == {"default-user"}
    assert all(row.source_ids for row in rows)
    served = resolve_inference_config(HOME / "models")
    predictor = OnlinePredictor(
        booster(),
        served.metadata,
        cat_encoders=label_encoders(),
        calibrator=served.calibrator,
        calibrator_store=served.calibrator_store,
        per_user_reject_thresholds=served.per_user_reject_thresholds,
    )
    state = OnlineFeatureState()
    predictions = []
    for row in rows:
        state.push(row)
        prediction = predictor.predict_bucket(row.model_copy(update=state.get_context()))
        assert f"{prediction.mapped_label_name}" == prediction.smoothed_label_name
        assert isinstance(prediction.core_probs, list)
        assert sum(prediction.mapped_probs.values()) == pytest.approx(1.0)
        assert prediction.is_rejected == (prediction.confidence < 0.55)
        predictions.append(prediction)
    segments = predictor.get_segments()
    report = build_daily_report(
        segments,
        raw_labels=[p.core_label_name for p in predictions],
        smoothed_labels=[p.smoothed_label_name for p in predictions],
    )
    path = export_report_json(report, tmp_path / f"report_{report.date}.json")
    assert json.loads(path.read_text())["bucket_count"] == len(rows)
    assert 0 <= report.flap_rate_smoothed <= report.flap_rate_raw <= 1
    frame = pd.DataFrame([row.model_dump() for row in rows])
    snapshot = compute_telemetry(
        frame,
        labels=[p.smoothed_label_name for p in predictions],
        confidences=[p.confidence for p in predictions],
        core_probs=[p.core_probs for p in predictions],
    )
    assert (snapshot.total_windows, snapshot.user_id) == (len(rows), "default-user")
    assert snapshot.feature_missingness["backspace_ratio"] == 1.0
    store = TelemetryStore(tmp_path / "telemetry")
    lines = store.append(snapshot).read_text() and store.append(snapshot).read_text().splitlines()
    assert [json.loads(line)["total_windows"] for line in lines] == [len(rows)] * 2
    again = run_batch_inference(
        booster(), frame, cat_encoders=label_encoders(), calibrator_store=served.calibrator_store
    )
    assert again.raw_labels == [p.core_label_name for p in predictions]


def test_a_drift_check_with_auto_enqueue_and_report(tmp_path: Path) -> None:
    reference, current = week(1), week(2, first=week(1).frame["bucket_start_ts"].iloc[0] + pd.Timedelta(days=7))
    changed = current.frame.assign(keys_per_min=current.frame["keys_per_min"] * 10 + 40)
    labels = ["Mixed/Unknown" if k % 2 else label for k, label in enumerate(current.labels)]
    report = run_drift_check(
        reference.frame,
        changed,
        reference.labels,
        labels,
        ref_probs=reference.probs,
        cur_probs=current.probs,
        cur_confidences=current.confidences,
    )
    assert report.any_critical
    assert report.feature_report is not None
    assert "keys_per_min" in report.feature_report.flagged_features
    assert report.reject_rate_drift is not None
    assert report.reject_rate_drift.is_flagged
    assert report.reject_rate_drift.increase == pytest.approx(0.5, abs=0.1)
    assert report.entropy_drift is not None
    assert not report.entropy_drift.is_flagged
    assert report.class_shift is not None
    assert report.telemetry_snapshot is not None
    assert report.telemetry_snapshot.total_windows == len(changed)
    path = tmp_path / "labels_v1" / "queue.json"
    count = auto_enqueue_drift_labels(report, changed, path, cur_confidences=current.confidences, limit=50)
    assert 0 < count <= 50
    listed = json.loads(path.read_text())
    assert {entry["reason"] for entry in listed} == {"drift"}
    assert len(listed) == count
    everyone = report.model_copy(
        update={"alerts": [alert.model_copy(update={"affected_user_ids": []}) for alert in report.alerts]}
    )
    other = tmp_path / "other.json"
    assert auto_enqueue_drift_labels(everyone, changed, other, cur_confidences=current.confidences) == count
    assert auto_enqueue_drift_labels(report.model_copy(update={"alerts": []}), changed, other) == 0
    written = json.loads(write_drift_report(report, tmp_path / "drift.json").read_text())
    assert set(written) >= {
        "alerts", "feature_report", "reject_rate_drift", "entropy_drift", "class_shift", "telemetry_snapshot",
        "summary", "any_critical",
    }  # fmt: skip
    by_row = feature_drift_report(reference.frame, changed, ["keys_per_min", "title_char_count"])
    assert by_row.flagged_features[0] == "keys_per_min"
    assert detect_class_shift(reference.labels, labels).is_flagged
    assert not detect_entropy_spike(reference.probs, current.probs).is_flagged


def test_the_queue_by_hand(tmp_path: Path) -> None:
    start = pd.Timestamp("2026-03-02T09:00Z")
    queue = ActiveLabelingQueue(tmp_path / "queue.json", max_asks_per_day=20)
    frame = pd.DataFrame(
        {
            "user_id": ["u", "u"],
            "bucket_start_ts": [start, start + pd.Timedelta(minutes=10)],
            "bucket_end_ts": [start + pd.Timedelta(minutes=1), start + pd.Timedelta(minutes=11)],
            "confidence": [0.2, 0.9],
            "predicted_label": ["Build", "Meet"],
        }
    )
    assert queue.enqueue_low_confidence(frame, threshold=0.55) == 1
    drifted = {"user_id": "u", "bucket_start_ts": start + pd.Timedelta(hours=1)}
    assert queue.enqueue_drift([drifted | {"bucket_end_ts": start + pd.Timedelta(minutes=61)}]) == 1
    first, second = queue.get_pending(limit=5)
    assert (first.confidence, second.confidence, second.reason) == (0.2, None, "drift")
    done = queue.mark_done(first.request_id, status="labeled")
    assert done is not None
    assert done.status == "labeled"
    assert len(queue.get_pending()) == 1
    queue.close()


def test_models_are_resolved_and_reloaded(models: Path) -> None:
    bundle, report = resolve_active_model(models)
    assert bundle is not None
    assert (bundle.path, bundle.model_id, report) == (models / BUNDLE.name, BUNDLE.name, None)
    reloader, policies = ActiveModelReloader(models), InferencePolicyReloader(models)
    assert (reloader.check_reload(), policies.check_reload()) == (None, None)
    broken = models / "2026-12-01_000000_run-0001"
    broken.mkdir()
    (models / "active.json").unlink()
    bundle, report = resolve_active_model(models, SelectionPolicy())
    assert bundle is not None
    assert report is not None
    assert [(item.model_id, "metadata.json" in item.reason) for item in report.excluded] == [(broken.name, True)]
    pointer = write_active_atomic(models, bundle, SelectionPolicy(), reason="by hand")
    assert (pointer.model_dir, pointer.policy_version) == (f"models/{BUNDLE.name}", 1)
    assert pointer.model_dump()["reason"]["note"] == "by hand"
    assert resolve_model_dir(None, models, SelectionPolicy()) == models / BUNDLE.name
    shutil.rmtree(models / BUNDLE.name)
    with pytest.raises(ModelResolutionError) as caught:
        resolve_inference_config(models)
    assert caught.value.message.startswith("No model can be served")
    assert caught.value.report is not None
    assert ModelResolutionError("nothing").report is None


def test_a_taxonomy_by_core_label() -> None:
    resolver = TaxonomyResolver(load_taxonomy(HOME / "configs" / "user_taxonomy.yaml"))
    probs = golden("raw_proba")
    result = resolver.resolve(int(probs[0].argmax()), probs[0])
    assert result.mapped_label in resolver.bucket_names
    rejected = resolver.resolve(int(probs[0].argmax()), probs[0], is_rejected=True)
    assert (rejected.mapped_label, rejected.mapped_probs) == ("Mixed/Unknown", result.mapped_probs)
    many = resolver.resolve_batch(probs.argmax(axis=1), probs, is_rejected=probs.max(axis=1) < 0.5)
    assert many[0] == result
    assert [one.mapped_label == "Mixed/Unknown" for one in many] >= (probs.max(axis=1) < 0.5).tolist()


class Recorded:
    """A Booster that notes with how many threads it is asked."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    __module__ = "lightgbm.basic"

    def predict(self, matrix: np.ndarray, **options: Any) -> np.ndarray:
        self.options.append(options)
        return np.full((len(matrix), 8), 1 / 8)

    def model_to_string(self) -> str:
        return "tree"


def test_a_booster_predicts_single_rows_with_one_thread_and_names_the_model_by_its_text() -> None:
    model, metadata = Recorded(), load_model_bundle(BUNDLE)[1]
    predictor = OnlinePredictor(model, metadata, cat_encoders=vocabularies())
    prediction = predictor.predict_bucket(golden_frame().iloc[0].to_dict())
    run_batch_inference(model, golden_frame(), cat_encoders=vocabularies())
    assert model.options == [{"num_threads": 1}, {}]
    assert prediction.model_version != metadata.dataset_hash
    assert len(prediction.model_version) == 64
    forest = load_model_bundle(BUNDLE)[0]
    served = OnlinePredictor(forest, metadata, cat_encoders=vocabularies())
    assert served.predict_bucket(golden_frame().iloc[0].to_dict()).model_version == forest.sha256
