"""The online driver by hand: provisional, revised, bounded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskclf_tray.app import online_loop
from taskclf_tray.infer import online
from taskclf_tray.infer import predictor as predictor_module
from taskclf_tray.infer.predictor import OnlinePredictor
from tests.support.sample_rows import FakeModel, told_row

METADATA = SimpleNamespace(schema_version="v3", time_basis=None, sha256="abc")


def predictor(**changes: Any) -> OnlinePredictor:
    return OnlinePredictor(FakeModel(), METADATA, **changes)


def test_a_bucket_is_provisional_and_revised_one_bucket_later() -> None:
    live = predictor()
    assert live.predict_bucket(told_row(0, "Build")).smoothed_label_name == "Build"
    assert live.predict_bucket(told_row(1, "Meet")).smoothed_label_name == "Meet"
    assert live.take_revised() == []
    assert live.predict_bucket(told_row(2, "Build")).smoothed_label_name == "Build"
    revised = live.take_revised()
    assert [(p.bucket_start_ts.minute, p.smoothed_label_name, p.core_label_name) for p in revised] == [
        (1, "Build", "Meet")
    ]
    assert live.take_revised() == []
    assert [(s.label, s.bucket_count) for s in live.get_segments()] == [("Build", 3)]


def test_the_model_is_asked_once_a_bucket() -> None:
    live = predictor()
    for i in range(10):
        live.predict_bucket(told_row(i, "Build"))
    model = live.config.model
    assert isinstance(model, FakeModel)
    assert model.calls == [1] * 10


def test_time_goes_forward() -> None:
    live = predictor()
    live.predict_bucket(told_row(5, "Build"))
    for minute in (5, 4):
        with pytest.raises(ValueError, match="after the newest"):
            live.predict_bucket(told_row(minute, "Build"))
    assert live.predict_bucket(told_row(0, "Build", user_id="bob")).user_id == "bob"


def test_state_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "MAX_SEGMENTS_PER_USER", 20)
    monkeypatch.setattr(predictor_module, "MAX_REVISIONS", 5)
    live = predictor(smooth_window=5)
    for i in range(300):
        live.predict_bucket(told_row(i + i // 4, ["Build", "Meet", "Write"][i % 3]))
    (state,) = live._users.values()
    assert len(state.tail) == 5
    assert len(state.segments) == 20
    assert len(live.take_revised()) <= 5


def test_model_version() -> None:
    assert predictor().predict_bucket(told_row(0, "Build")).model_version == "abc"


def test_the_loop_is_found_on_demand() -> None:
    assert online.run_online_loop is online_loop.run_online_loop
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = online.nothing_such
