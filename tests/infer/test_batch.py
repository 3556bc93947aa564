"""The batch driver: order, users, models of both kinds, and the files it writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import lightgbm
import numpy as np
import pandas as pd
import pytest

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.time import to_us
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.batch import (
    cut_batch,
    predict_labels,
    predict_proba,
    read_segments_json,
    run_batch,
    run_batch_inference,
    write_predictions_csv,
    write_segments_json,
)
from taskclf_tray.infer.calibrator_files import load_calibrator_store
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.pipeline import PipelineConfig
from taskclf_tray.infer.taxonomy_config import default_taxonomy
from taskclf_tray.infer.taxonomy_file import load_taxonomy
from tests.support.sample_rows import (
    BUNDLE,
    HOME,
    START,
    FakeModel,
    forest,
    golden,
    golden_frame,
    golden_rows,
    told_row,
    vocabularies,
)


def test_frame_and_rows_and_library_agree_with_the_golden_table() -> None:
    ours = predict_proba(forest(), golden_frame(), vocabularies())
    np.testing.assert_allclose(ours, golden("raw_proba"), rtol=0, atol=1e-9)
    assert predict_proba(forest(), golden_rows(), vocabularies()).tobytes() == ours.tobytes()
    booster = lightgbm.Booster(model_file=str(BUNDLE / "model.txt"))
    np.testing.assert_allclose(predict_proba(booster, golden_frame(), vocabularies()), ours, rtol=0, atol=1e-12)


def test_predict_labels() -> None:
    rows = [told_row(0, "Build", 0.9), told_row(1, "Meet", 0.3)]
    assert predict_labels(FakeModel(), rows, LABEL_SET_V1) == ["Build", "Meet"]
    assert predict_labels(FakeModel(), rows, None, reject_threshold=0.55) == ["Build", MIXED_UNKNOWN]
    assert predict_labels(FakeModel(), rows, [f"L{i}" for i in range(8)]) == ["L1", "L4"]
    assert predict_labels(FakeModel(), [], LABEL_SET_V1, reject_threshold=0.5) == []
    with pytest.raises(ValueError, match="3 label names"):
        predict_labels(FakeModel(), rows, ["a", "b", "c"])


def test_whole_golden_table() -> None:
    result = run_batch_inference(
        forest(),
        golden_frame(),
        cat_encoders=vocabularies(),
        reject_threshold=0.9,
        taxonomy=load_taxonomy(HOME / "configs/user_taxonomy.yaml"),
        calibrator_store=load_calibrator_store(HOME / "artifacts/calibrator_store_isotonic"),
    )
    np.testing.assert_allclose(result.core_probs, golden("calibrated_isotonic"), rtol=0, atol=1e-9)
    assert len(result.raw_labels) == len(result.smoothed_labels) == len(result.mapped_probs) == 400
    assert result.mapped_labels == result.ui_labels
    assert all(abs(sum(probs.values()) - 1) < 1e-12 for probs in result.mapped_probs)
    assert sum(segment.bucket_count for segment in result.segments) == 400
    assert all(s.end_ts - s.start_ts == timedelta(minutes=s.bucket_count) for s in result.segments)


def test_users_and_times_in_any_order() -> None:
    ann = [told_row(i, label) for i, label in enumerate(["Build", "Meet", "Build", "Build"])]
    bob = [told_row(i, "Meet", user_id="bob") for i in range(4, 8)]  # begins where ann ends
    tidy = run_batch_inference(FakeModel(), [*ann, *bob])
    assert tidy.smoothed_labels == ["Build"] * 4 + ["Meet"] * 4
    assert [(s.label, s.bucket_count) for s in tidy.segments] == [("Build", 4), ("Meet", 4)]
    order = [6, 1, 4, 3, 0, 7, 2, 5]
    rows = [*ann, *bob]
    mixed = run_batch_inference(FakeModel(), [rows[i] for i in order])
    assert mixed.raw_labels == [tidy.raw_labels[i] for i in order]
    assert mixed.smoothed_labels == [tidy.smoothed_labels[i] for i in order]
    assert [(s.label, s.bucket_count) for s in mixed.segments] == [("Meet", 4), ("Build", 4)]


def test_decided_by_is_honoured_in_rows_and_columns() -> None:
    ways = ["model", "idle_rule", "no_window"]
    rows = [told_row(10 * i, "Meet", decided_by=way) for i, way in enumerate(ways)]
    frame = pd.DataFrame([row.as_dict() for row in rows]).assign(decided_by=ways)
    for features in (rows, frame):
        result = run_batch_inference(FakeModel(), features)
        assert result.raw_labels == ["Meet", "BreakIdle", MIXED_UNKNOWN]
        assert result.confidences.tolist() == pytest.approx([0.9, 1.0, 0.9])
        assert result.mapped_labels is None
        assert result.ui_labels == result.smoothed_labels


def test_a_frame_without_users_is_one_person() -> None:
    frame = golden_frame().head(50).drop(columns="user_id")
    one = run_batch_inference(forest(), frame, cat_encoders=vocabularies())
    named = run_batch_inference(forest(), golden_frame().head(50).assign(user_id="x"), cat_encoders=vocabularies())
    assert one.smoothed_labels == named.smoothed_labels
    assert one.segments == named.segments


def test_no_rows() -> None:
    taxonomy = load_taxonomy(HOME / "configs/user_taxonomy.yaml")
    for features in ([], golden_frame().head(0)):
        result = run_batch_inference(forest(), features, cat_encoders=vocabularies(), taxonomy=taxonomy)
        assert (result.raw_labels, result.segments, result.mapped_labels) == ([], [], [])
        assert result.core_probs.shape == (0, 8)


def test_mapped_probabilities_are_a_sequence() -> None:
    rows = [told_row(i, "Build") for i in range(3)]
    assert run_batch_inference(FakeModel(), rows).mapped_probs is None
    probs = run_batch_inference(FakeModel(), rows, taxonomy=default_taxonomy()).mapped_probs
    assert list(probs[0]) == list(LABEL_SET_V1)
    assert [p["Build"] for p in probs[1:]] == pytest.approx([0.9, 0.9])
    assert probs == list(probs)
    assert probs != [*probs, {}]
    with pytest.raises(IndexError):
        probs[3]


def test_predictions_csv(tmp_path: Path) -> None:
    rows = [told_row(0, "Build", 0.9), told_row(1, "Meet", 0.3)]
    result = run_batch_inference(FakeModel(), rows, reject_threshold=0.55)
    path = write_predictions_csv(
        rows,
        result.smoothed_labels,
        tmp_path / "out" / "predictions.csv",
        confidences=result.confidences,
        is_rejected=result.is_rejected,
        mapped_labels=["Code", "Mixed/Unknown"],
        core_probs=result.core_probs,
    )
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines[0] == {
        "bucket_start_ts": START.isoformat(),
        "predicted_label": "Build",
        "confidence": "0.9000",
        "is_rejected": "False",
        "mapped_label": "Code",
        "core_probs": json.dumps([0.0143, 0.9, *[0.0143] * 6]),
    }
    assert (lines[1]["predicted_label"], lines[1]["is_rejected"]) == (MIXED_UNKNOWN, "True")
    bare = write_predictions_csv(golden_frame().head(1), ["Build"], tmp_path / "bare.csv").read_text()
    assert bare.splitlines()[1] == "2026-03-02T09:00:00+00:00,Build,,,,"
    with pytest.raises(ValueError, match="zip"):
        write_predictions_csv(rows, ["Build"], path)


def test_segments_json(tmp_path: Path) -> None:
    segments = run_batch_inference(FakeModel(), [told_row(i, "Build") for i in (0, 1, 5)]).segments
    path = write_segments_json(segments, tmp_path / "segments.json")
    assert json.loads(path.read_text())[1] == {
        "start_ts": "2026-03-02T08:05:00+00:00",
        "end_ts": "2026-03-02T08:06:00+00:00",
        "label": "Build",
        "bucket_count": 1,
    }
    assert read_segments_json(path) == segments
    for text in ("{}{", '[{"label": "Build"}]', "[1]", '{"a": 1}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"segments\.json"):
            read_segments_json(path)


def test_the_dense_matrix_never_exists_as_a_whole() -> None:
    seen: list[int] = []

    class Watched(FakeModel):
        def predict(self, matrix: np.ndarray) -> np.ndarray:
            seen.append(len(matrix))
            return super().predict(matrix)

    config = PipelineConfig(model=Watched(), cat_encoders=vocabularies())
    run_batch(config, golden_frame(), chunk_rows=150)
    assert seen == [150, 150, 100]


def test_rows_are_made_when_their_chunk_is_due() -> None:
    """A sequence that unpacks its rows is sliced once for each chunk, and never asked for a row."""

    class Packed(Sequence[FeatureRow]):
        slices: ClassVar[list[tuple[int, int]]] = []

        def __len__(self) -> int:
            return 7

        def __getitem__(self, index: Any) -> Any:
            self.slices.append((index.start, index.stop))
            return [told_row(i, "Build") for i in range(7)][index]

    result = run_batch(PipelineConfig(model=FakeModel()), Packed(), chunk_rows=3)
    assert Packed.slices == [(0, 3), (3, 6), (6, 7)]
    assert [(s.label, s.bucket_count) for s in result.segments] == [("Build", 7)]


@pytest.mark.parametrize("with_taxonomy", [True, False])
def test_a_cut_keeps_each_answer_and_makes_segments_anew(with_taxonomy: bool) -> None:
    labels = ["Build"] * 5 + ["Meet"] + ["Build"] + ["Write"] * 4
    rows = [told_row(i, label, user_id=user) for user in ("bob", "ann") for i, label in enumerate(labels)]
    taxonomy = load_taxonomy(HOME / "configs/user_taxonomy.yaml") if with_taxonomy else None
    whole = run_batch_inference(FakeModel(), rows, taxonomy=taxonomy)
    start, end = (to_us(START + timedelta(minutes=i)) for i in (3, 10))
    part = cut_batch(whole, start, end)
    kept = [*range(3, 10), *range(14, 21)]
    for name in ("raw_labels", "smoothed_labels", "ui_labels"):
        assert getattr(part, name) == [getattr(whole, name)[i] for i in kept]
    assert (part.mapped_labels is None) == (not with_taxonomy)
    assert (part.mapped_probs is None) == (not with_taxonomy)
    if with_taxonomy:
        assert part.mapped_probs == [whole.mapped_probs[i] for i in kept]
    assert part.core_probs.tobytes() == whole.core_probs[kept].tobytes()
    assert list(part.users) == ["bob"] * 7 + ["ann"] * 7
    assert [(s.label, s.bucket_count) for s in part.segments] == [("Build", 4), ("Write", 3)] * 2
    assert cut_batch(whole, 0, 0).segments == []


def test_columns_of_any_kind_are_read_alike() -> None:
    frame = golden_frame().head(40)
    expected = run_batch_inference(forest(), frame, cat_encoders=vocabularies())
    nullable = frame.convert_dtypes().assign(user_id=frame["user_id"].astype("category"))
    arrays = {name: frame[name].to_numpy() for name in frame}
    moved = frame.set_axis(range(900, 940)).astype({"is_browser": object, "app_id": object})
    for features in (nullable, arrays, moved):
        result = run_batch_inference(forest(), features, cat_encoders=vocabularies())
        assert result.core_probs.tobytes() == expected.core_probs.tobytes()
        assert result.segments == expected.segments


def test_coded_texts() -> None:
    column = Categorical.of(["b", "a", "b", None])
    assert (list(column), column.values, column[1], list(column[1:3])) == (
        ["b", "a", "b", None], ("b", "a", None), "a", ["a", "b"],
    )  # fmt: skip
    assert Categorical.of(column) is column
    joined = Categorical.joined([column[:2], Categorical.repeated("c", 2), column[3:]])
    assert list(joined) == ["b", "a", "c", "c", None]
    assert list(Categorical.joined([])) == []
    assert Categorical.of(pd.Series(["x", None, "x"])).codes.tolist() == [0, 1, 0]
    assert column.table([1.0, 2.0, 3.0], np.float64).tolist() == [1.0, 2.0, 1.0, 3.0]
