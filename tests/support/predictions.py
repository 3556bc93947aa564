"""Predictions with given probabilities."""

from __future__ import annotations

from datetime import timedelta

from taskclf_tray.infer.prediction import WindowPrediction
from tests.support.worker_rig import START

PROBS = (0.01, 0.87, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02)


def prediction(**changes: object) -> WindowPrediction:
    answer = WindowPrediction(
        user_id="u",
        bucket_start_ts=START,
        core_label_id=1,
        core_label_name="Build",
        core_probs=PROBS,
        confidence=0.87,
        is_rejected=False,
        mapped_label_name="Deep Work",
        mapped_probs={"Deep Work": 1.0},
        model_version="m",
        schema_version="v3",
        label_version="labels_v1",
        smoothed_label_name="Build",
        decided_by="model",
        config_id="c",
        bucket_end_ts=START + timedelta(minutes=1),
        model_probs=PROBS,
    )
    return answer.model_copy(update=changes)
