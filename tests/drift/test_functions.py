"""The documents' functions about drift, and snapshots: borders by hand, nothing from nothing."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taskclf_tray.core.drift import (
    detect_class_shift,
    detect_entropy_spike,
    detect_reject_rate_increase,
    feature_drift_report,
)
from taskclf_tray.core.telemetry import TelemetryStore, compute_telemetry
from taskclf_tray.infer.smooth import Segment
from taskclf_tray.report.daily import build_daily_report

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MIXED = "Mixed/Unknown"


def labels(mixed: int, other: int) -> list[str]:
    return [MIXED] * mixed + ["Build"] * other


def test_the_reject_rate_is_flagged_from_the_threshold_on() -> None:
    found = detect_reject_rate_increase(labels(2, 8), labels(3, 7))
    assert (found.ref_rate, found.cur_rate, found.increase, found.is_flagged) == (0.2, 0.3, 0.1, True)
    assert not detect_reject_rate_increase(labels(2, 8), labels(29, 71)).is_flagged
    assert detect_reject_rate_increase(["x"], ["y"], reject_label="y").is_flagged
    for empty in (([], labels(1, 0)), (labels(0, 1), [])):
        assert not detect_reject_rate_increase(*empty).is_flagged


def test_entropy_is_flagged_above_twice_the_reference() -> None:
    sure, unsure = np.array([[0.9, 0.1]] * 3), np.array([[0.5, 0.5]] * 3)
    found = detect_entropy_spike(sure, unsure)
    assert found.ref_mean_entropy == pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))
    assert found.cur_mean_entropy == pytest.approx(math.log(2))
    assert (found.ratio > 2, found.is_flagged) == (True, True)
    assert not detect_entropy_spike(sure, unsure, spike_multiplier=found.ratio).is_flagged
    certain = np.array([[1.0, 0.0]])
    assert detect_entropy_spike(certain, certain).ratio == 1.0
    assert detect_entropy_spike(certain, unsure).ratio == math.inf
    assert not detect_entropy_spike(np.empty((0, 2)), unsure).is_flagged


def test_a_class_is_shifted_beyond_the_threshold() -> None:
    found = detect_class_shift(labels(1, 9), labels(3, 7))
    assert (found.ref_dist, found.cur_dist) == ({"Build": 0.9, MIXED: 0.1}, {"Build": 0.7, MIXED: 0.3})
    assert (found.max_shift, found.shifted_classes, found.is_flagged) == (0.2, ["Build", MIXED], True)
    assert not detect_class_shift(labels(1, 9), labels(3, 7), threshold=0.2).is_flagged
    assert not detect_class_shift([], labels(1, 0)).is_flagged


def test_features_are_compared_with_open_bins_and_an_effect_size() -> None:
    rng = np.random.default_rng(5)
    before = pd.DataFrame({"a": rng.normal(size=4000), "b": rng.normal(size=4000), "c": np.nan})
    after = pd.DataFrame({"a": rng.normal(100, 1, size=4000), "b": rng.normal(0.08, 1, size=4000), "c": np.nan})
    found = feature_drift_report(before, after, ["a", "b", "c"])
    assert found.flagged_features == ["a"]  # all of it beyond the reference's range
    assert found.results[1].ks_p_value < 0.05  # thousands of rows make anything significant
    assert not found.results[1].is_drifted
    assert (found.results[2].psi, found.results[2].ks_p_value) == (0.0, 1.0)
    assert feature_drift_report(before, after, []).results == []
    with pytest.raises(ValueError, match="no column d"):
        feature_drift_report(before, after, ["d"])


def test_a_snapshot_counts_what_is_known() -> None:
    frame = pd.DataFrame(
        {
            "user_id": "u",
            "bucket_start_ts": [NINE, NINE + timedelta(minutes=1)],
            "keys_per_min": [None, 3.0],
            "schema_version": "v2",
        }
    )
    found = compute_telemetry(frame, labels=["Build", MIXED], confidences=[0.5, 0.7], core_probs=[[0.5, 0.5]] * 2)
    assert (found.user_id, found.window_start, found.window_end) == ("u", NINE, NINE + timedelta(minutes=1))
    assert (found.feature_missingness, found.reject_rate) == ({"keys_per_min": 0.5}, 0.5)
    assert found.confidence_stats is not None
    assert (found.confidence_stats.mean, found.confidence_stats.std) == (0.6, 0.1)
    assert found.mean_entropy == round(math.log(2), 6)
    assert (found.class_distribution, found.schema_version) == ({"Build": 0.5, MIXED: 0.5}, "features_v2")
    empty = compute_telemetry(pd.DataFrame())
    assert (empty.total_windows, empty.user_id, empty.confidence_stats) == (0, None, None)
    with pytest.raises(ValueError, match="labels has 1 values for 2 rows"):
        compute_telemetry(frame, labels=["Build"])


def test_a_store_appends_behind_a_torn_line_and_takes_no_user_for_a_path(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "telemetry")
    snapshot = compute_telemetry(pd.DataFrame({"user_id": ["../evil"]}))
    path = store.append(snapshot)
    assert path.parent == tmp_path / "telemetry"
    assert "evil" not in path.name
    with path.open("a") as file:
        file.write('{"torn')
    store.append(snapshot)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["user_id"] for line in (lines[0], lines[2])] == ["../evil"] * 2


def test_a_report_of_segments_is_of_the_local_day() -> None:
    evening = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    ends = [evening + timedelta(minutes=minutes) for minutes in (0, 10, 12, 15)]
    segments = [
        Segment(ends[0], ends[1], "Build", 10),
        Segment(ends[1], ends[2], MIXED, 2),
        Segment(ends[2], ends[3], "BreakIdle", 3),
    ]
    report = build_daily_report(segments, raw_labels=["A", "B", "B"], smoothed_labels=["A"], time_zone="Asia/Tokyo")
    assert report.date.isoformat() == "2026-03-03"
    assert (report.flap_rate_raw, report.flap_rate_smoothed) == (1 / 3, 0.0)
    assert report.core_label_seconds == {"Build": 600.0, "BreakIdle": 180.0}
    assert (report.rejected_seconds, report.covered_seconds, report.context_switches) == (120.0, 900.0, 2)
    assert report.longest_focus is not None
    assert report.longest_focus.label == "Build"
    with pytest.raises(ValueError, match="no segment"):
        build_daily_report([])
