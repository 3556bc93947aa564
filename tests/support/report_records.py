"""Buckets for tests of reports."""

from __future__ import annotations

import dataclasses
import functools
import json
from datetime import datetime, timedelta

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1, DecidedBy
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.store.buckets import BucketRecord, pack_row
from tests.support.sample_rows import golden_rows

MINUTE = timedelta(minutes=1)


def bucket(
    start: datetime,
    label: str = "Build",
    *,
    raw: str | None = None,
    ui: str | None = None,
    covered: float = 60.0,
    zone: str = "UTC",
    decided_by: DecidedBy = "model",
    confidence: float = 0.9,
    entropy_bits: float = 0.5,
    is_settled: bool = True,
    keys_per_min: float | None = 10.0,
    user: str = "u",
    guess: str | None = None,
) -> BucketRecord:
    """A minute whose smoothed label is `label`; `raw` is the one before smoothing, as `label` by default.

    `guess`: the most probable label; without one all are as probable.
    """
    even = 0.125 if guess is None else (1 - confidence) / 7
    probs = tuple(confidence if each == guess else even for each in LABEL_SET_V1)
    raw = label if raw is None else raw
    ui = label if ui is None else ui
    core = "Build" if raw == MIXED_UNKNOWN else raw
    prediction = WindowPrediction(
        user_id=user,
        bucket_start_ts=start,
        core_label_id=0,
        core_label_name=core,
        core_probs=probs,
        confidence=confidence,
        is_rejected=raw == MIXED_UNKNOWN,
        mapped_label_name=ui,
        mapped_probs={},
        model_version="m",
        schema_version="v3",
        label_version="labels_v1",
        smoothed_label_name=label,
        decided_by=decided_by,
        config_id="c",
        bucket_end_ts=start + MINUTE,
        model_probs=probs,
    )
    return BucketRecord(
        user_id=user,
        start_us=to_us(start),
        end_us=to_us(start + MINUTE),
        time_zone=zone,
        covered_seconds=covered,
        config_id="c",
        decided_by=decided_by,
        ui_label=ui,
        core_label=core,
        smoothed_label=label,
        is_mixed=ui in (MIXED_UNKNOWN, "Unclear"),
        is_rejected=raw == MIXED_UNKNOWN,
        confidence=confidence,
        entropy_bits=entropy_bits,
        is_settled=is_settled,
        feature_row=_packed_row(keys_per_min),
        prediction=json.dumps(prediction.pack()),
    )


@functools.cache
def _packed_row(keys_per_min: float | None) -> bytes:
    return pack_row(dataclasses.replace(golden_rows()[0], keys_per_min=keys_per_min))
