"""The public models survive JSON, and fill in what holds by default."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from taskclf_tray.core.types import FeatureRow
from taskclf_tray.drift.report import DriftAlert, DriftReport, DriftTrigger
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.taxonomy import TaxonomyConfig, default_taxonomy
from taskclf_tray.models.policy import InferencePolicy
from taskclf_tray.models.registry import ActivePointer
from tests.support.sample_rows import golden_frame, golden_rows

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def predicted(**changes: Any) -> WindowPrediction:
    """A prediction of nine o'clock: Build at 0.8, unless changed."""
    fields = {
        "user_id": "u",
        "bucket_start_ts": NINE,
        "core_label_id": 1,
        "core_label_name": "Build",
        "core_probs": [0.2, 0.8],
        "confidence": 0.8,
        "is_rejected": False,
        "mapped_label_name": "Code",
        "mapped_probs": {"Code": 1.0},
        "model_version": "m",
        "schema_version": "v3",
    }
    return WindowPrediction(**(fields | changes))


@pytest.mark.parametrize(
    "value",
    [
        InferencePolicy(model_dir="models/x", model_schema_hash="h", model_label_set=["b", "a"], mine=[1]),
        predicted(core_probs=[0.0, 1.0], confidence=1.0),
        default_taxonomy(),
        DriftReport(
            alerts=[DriftAlert(trigger=DriftTrigger.class_shift, severity="critical", timestamp=NINE)], timestamp=NINE
        ),
        golden_rows()[0],
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_public_model_survives_json(value: Any) -> None:
    again = type(value).model_validate(json.loads(value.model_dump_json()))
    assert again == value
    assert type(value).model_validate(value.model_dump()) == value
    assert value.model_copy() == value


def test_lists_are_lists() -> None:
    policy = InferencePolicy(model_dir="models/x", model_schema_hash="h", model_label_set=("b", "a"))  # type: ignore[arg-type]
    assert policy.model_label_set == ["b", "a"]
    prediction = predicted(
        core_label_id=0,
        core_label_name="BreakIdle",
        core_probs=(1.0, 0.0),
        confidence=1.0,
        mapped_label_name="Break",
        mapped_probs={},
    )
    assert prediction.core_probs == [1.0, 0.0]
    assert TaxonomyConfig.model_validate({"buckets": [{"name": "A", "core_labels": ["Meet"]}]}).buckets[
        0
    ].core_labels == ["Meet"]
    assert ActivePointer(model_dir="models/x", selected_at="now").model_dump() == {
        "model_dir": "models/x", "selected_at": "now", "policy_version": 1, "model_id": None, "reason": None,
    }  # fmt: skip


def test_a_prediction_fills_in_what_holds_for_a_bucket_alone() -> None:
    prediction = predicted(is_rejected=True)
    assert (prediction.smoothed_label_name, prediction.decided_by) == ("Mixed/Unknown", "model")
    assert prediction.bucket_end_ts == NINE.replace(minute=1)
    assert prediction.model_probs == [0.2, 0.8]


def test_any_report_with_a_critical_alert_is_critical() -> None:
    alert = DriftAlert(trigger=DriftTrigger.feature_psi, severity="critical", timestamp=NINE)
    assert DriftReport(alerts=[alert]).any_critical
    assert not DriftReport().any_critical


def test_a_row_dumps_the_columns_of_its_schema_and_comes_back_from_a_frame() -> None:
    row = golden_rows()[3]
    dumped = row.model_dump()
    assert set(golden_frame().columns) <= set(dumped)
    records = golden_frame().to_dict("records")
    again = FeatureRow.model_validate(records[3])
    assert again.model_copy(update={"source_ids": ()}) == row
    older = {name: value for name, value in row.as_dict("v2").items() if not name.startswith("title_char")}
    assert FeatureRow.model_validate(older).app_id == row.app_id
    with pytest.raises(ValueError, match="bucket_end_ts is missing"):
        FeatureRow.model_validate({name: value for name, value in records[3].items() if name != "bucket_end_ts"})
