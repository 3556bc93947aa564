"""The law of parity: after every bucket, online equals batch over all rows so far (contract, section 1)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.batch import BatchInferenceResult, run_batch, run_batch_inference
from taskclf_tray.infer.pipeline import PipelineConfig, decide_rows, finish
from taskclf_tray.infer.prediction import WindowPrediction
from taskclf_tray.infer.predictor import OnlinePredictor
from tests.support.events import WORDS
from tests.support.examples import examples
from tests.support.parity_settings import USERS, settings_of_a_run
from tests.support.sample_rows import START, forest, golden_rows

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

WAYS = ["model"] * 6 + ["idle_rule", "no_window"]


word_seconds = st.dictionaries(st.sampled_from(WORDS), st.integers(1, 60), max_size=4).map(
    lambda words: tuple(sorted(words.items()))
)


@st.composite
def row_lists(draw: st.DrawFn) -> list[FeatureRow]:
    """Rows of some users, each in order of time with gaps, taken from the golden table and bent."""
    minutes = dict.fromkeys(USERS[: draw(st.integers(1, 3))], 0)
    rows = []
    for _ in range(draw(st.integers(1, 14))):
        user = draw(st.sampled_from(sorted(minutes)))
        minutes[user] += draw(st.sampled_from([1, 1, 1, 1, 2, 7]))
        start = START + timedelta(minutes=minutes[user])
        rows.append(
            replace(
                golden_rows()[draw(st.integers(0, 399))],
                user_id=user,
                bucket_start_ts=start,
                bucket_end_ts=start + timedelta(minutes=1),
                app_id=draw(st.sampled_from(["org.mozilla.firefox", "never.seen"])),
                keys_per_min=draw(st.sampled_from([None, 0.0, 80.0])),
                time_zone=draw(st.sampled_from(["UTC", "Asia/Kathmandu"])),
                decided_by=draw(st.sampled_from(WAYS)),
                word_seconds=draw(word_seconds),
            )
        )
    return rows


Record = dict[tuple[str, datetime], WindowPrediction]


def assert_equal(record: Record, rows: list[FeatureRow], batch: BatchInferenceResult) -> None:
    assert len(record) == len(rows)
    for i, row in enumerate(rows):
        kept = record[row.user_id, row.bucket_start_ts]
        assert np.array(kept.core_probs).tobytes() == batch.core_probs[i].tobytes()
        assert kept.confidence == batch.confidences[i]
        assert kept.is_rejected == batch.is_rejected[i]
        assert kept.raw_label == batch.raw_labels[i]
        assert kept.smoothed_label_name == batch.smoothed_labels[i]
        assert kept.mapped_label_name == batch.ui_labels[i]
        core_probs = dict(zip(LABEL_SET_V1, batch.core_probs[i].tolist(), strict=True))
        assert kept.mapped_probs == (core_probs if batch.mapped_probs is None else batch.mapped_probs[i])
        assert kept.ui_label == batch.ui_labels[i]


@examples(200)
@given(rows=row_lists(), run=settings_of_a_run(), basis=st.sampled_from(["utc", "local", None]))
def test_online_equals_batch_after_every_bucket(rows: list[FeatureRow], run: dict[str, Any], basis: Any) -> None:
    live = OnlinePredictor(forest(), SimpleNamespace(schema_version="v3", time_basis=basis), **run)
    record: Record = {}
    for count, row in enumerate(rows, 1):
        newest = live.predict_bucket(row)
        record |= {(p.user_id, p.bucket_start_ts): p for p in [newest, *live.take_revised()]}
        batch = run_batch_inference(forest(), rows[:count], time_basis=basis or "utc", **run)
        assert_equal(record, rows[:count], batch)
        assert live.get_segments() == batch.segments


@examples(200)
@given(rows=row_lists(), run=settings_of_a_run(), cuts=st.sets(st.integers(1, 13)))
def test_decide_and_finish_in_any_cut_equal_batch(rows: list[FeatureRow], run: dict[str, Any], cuts: set[int]) -> None:
    config = PipelineConfig(model=forest(), **run)
    decided: list[WindowPrediction] = []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        decided += decide_rows(config, rows[first:last], before=rows[:first], after=rows[last:])
        saved = json.dumps([prediction.pack() for prediction in decided])  # a restart at every cut
        decided = [WindowPrediction.unpack(values) for values in json.loads(saved)]
    record: Record = {}
    for user in {row.user_id for row in rows}:
        own = [p for p in decided if p.user_id == user]
        done = finish(
            own,
            smooth_window=config.smooth_window,
            resolver_of=lambda _config_id: config.resolver,
            transitions_of=lambda _config_id: config.transitions,
        )
        record |= {(p.user_id, p.bucket_start_ts): p for p in done}
    assert_equal(record, rows, run_batch_inference(forest(), rows, **run))


@examples(60)
@given(
    rows=row_lists(), run=settings_of_a_run(), chunk_rows=st.integers(1, 14), basis=st.sampled_from(["utc", "local"])
)
def test_a_batch_in_chunks_of_rows_or_columns_gives_the_same(
    rows: list[FeatureRow], run: dict[str, Any], chunk_rows: int, basis: Any
) -> None:
    config = PipelineConfig(model=forest(), time_basis=basis, **run)
    whole = run_batch(config, rows)
    beside = {name: [getattr(row, name) for row in rows] for name in ("decided_by", "time_zone", "word_seconds")}
    frame = pd.DataFrame([row.as_dict() for row in rows]).assign(**beside)
    columns = {name: frame[name].tolist() for name in frame}
    told: list[tuple[int, int]] = []
    for features in (rows, frame, columns):
        told.clear()
        part = run_batch(config, features, chunk_rows=chunk_rows, on_progress=lambda *far: told.append(far))
        assert told[-1] == (len(rows), len(rows))
        assert len(told) == -(-len(rows) // chunk_rows)
        assert part.core_probs.tobytes() == whole.core_probs.tobytes()
        assert part.confidences.tobytes() == whole.confidences.tobytes()
        for name in ("raw_labels", "smoothed_labels", "mapped_labels", "ui_labels", "segments"):
            assert getattr(part, name) == getattr(whole, name)
        assert part.mapped_probs == whole.mapped_probs
