"""Rows and frames → the model's matrix: the two ways agree to the bit, and the rules of the contract by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.core.errors import ModelIncompatibleError
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.types import FeatureRow
from taskclf_tray.infer.encode import Encoder, MissingColumnError, Vocabulary
from tests.support.sample_rows import golden_frame, golden_rows

VOCABULARIES = {
    "app_id": ["org.mozilla.firefox", "__unknown__", "us.zoom.xos"],
    "app_category": ["meeting", "browser"],
    "domain_category": ["__unknown__", "code_hosting"],
    "user_id": ["aaaaaaaa-0000-4000-8000-000000000001"],
}
VERSIONS = ["v1", "v2", "v3"]


def frame_of(rows: list[FeatureRow], *, with_zone: bool = True) -> pd.DataFrame:
    """A v3 frame of the rows, as a table of ours holds them."""
    frame = pd.DataFrame([row.as_dict("v3") for row in rows])
    if with_zone:
        frame["time_zone"] = [row.time_zone for row in rows]
    return frame


def cell(matrix: np.ndarray, name: str, version: str = "v3", row: int = 0) -> float:
    return float(matrix[row, SCHEMAS[version].model_columns.index(name)])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("basis", ["utc", "local"])
def test_rows_and_frame_give_the_same_bits(version: str, basis: Any) -> None:
    zones = ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "UTC"]
    rows = [replace(row, time_zone=zones[i % 4]) for i, row in enumerate(golden_rows())]
    encoder = Encoder(version, VOCABULARIES, basis)
    by_row = encoder.encode_rows(rows)
    assert by_row.shape == (400, len(SCHEMAS[version].model_columns))
    frame = frame_of(rows)
    assert by_row.tobytes() == encoder.encode_frame(frame).tobytes()
    columns = {name: frame[name].tolist() for name in frame}
    assert by_row.tobytes() == encoder.encode_frame(columns).tobytes()


ODD = st.sampled_from([None, 0.0, -0.0, math.nan, math.inf, -math.inf, 1.5, -2.0, 1e300])


@settings(max_examples=40)
@given(
    number=ODD,
    other=ODD,
    is_browser=st.booleans(),
    app=st.sampled_from(["us.zoom.xos", "nobody.knows", "__unknown__", ""]),
    minutes=st.integers(0, 2_000_000),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]),
)
def test_odd_values_agree(number: Any, other: Any, is_browser: bool, app: str, minutes: int, zone: str) -> None:
    row = replace(
        golden_rows()[0],
        keys_per_min=number,
        mouse_distance_delta=other,
        is_browser=is_browser,
        app_id=app,
        bucket_start_ts=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
        time_zone=zone,
    )
    encoder = Encoder("v3", VOCABULARIES, "local")
    one = encoder.encode_rows([row])
    assert np.isfinite(one).all()
    assert one.tobytes() == encoder.encode_frame(frame_of([row])).tobytes()


def test_vocabulary_is_sorted_and_knows_the_unknown() -> None:
    assert Vocabulary(["b", "__unknown__", "a"]).codes(["a", "b", "__unknown__", "c", None, math.nan]).tolist() == [
        1.0,
        2.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ]
    assert Vocabulary(["b", "a"]).codes(["b", "c"]).tolist() == [1.0, -1.0]
    assert Vocabulary([]).code("a") == -1.0


def test_missing_and_not_finite_are_zero_not_nan() -> None:
    row = replace(golden_rows()[0], keys_per_min=None, clicks_per_min=math.nan, mouse_distance=math.inf)
    matrix = Encoder("v3", VOCABULARIES).encode_rows([row])
    assert [cell(matrix, name) for name in ("keys_per_min", "clicks_per_min", "mouse_distance")] == [0.0, 0.0, 0.0]
    assert cell(matrix, "backspace_ratio") == 0.0
    assert cell(matrix, "idle_return_indicator") == 1.0


def test_hour_and_day_follow_the_bundle_not_the_row() -> None:
    # Monday 2026-03-02 20:30 UTC is Tuesday 05:30 in Tokyo; the row's own columns are ignored
    row = replace(
        golden_rows()[0],
        bucket_start_ts=datetime(2026, 3, 2, 20, 30, tzinfo=UTC),
        time_zone="Asia/Tokyo",
        hour_of_day=99,
        day_of_week=99,
    )
    utc, local = Encoder("v3", None, "utc").encode_rows([row]), Encoder("v3", None, "local").encode_rows([row])
    assert (cell(utc, "hour_of_day"), cell(utc, "day_of_week")) == (20.0, 0.0)
    assert (cell(local, "hour_of_day"), cell(local, "day_of_week")) == (5.0, 1.0)


def test_a_frame_without_zone_keeps_its_local_hour_and_recomputes_utc() -> None:
    row = replace(golden_rows()[0], hour_of_day=3, day_of_week=6)
    frame = frame_of([row], with_zone=False)
    local, utc = Encoder("v3", None, "local").encode_frame(frame), Encoder("v3", None, "utc").encode_frame(frame)
    assert (cell(local, "hour_of_day"), cell(local, "day_of_week")) == (3.0, 6.0)
    assert (cell(utc, "hour_of_day"), cell(utc, "day_of_week")) == (9.0, 0.0)


def starts() -> Iterator[Any]:
    stamp = pd.Timestamp("2026-03-02 09:00", tz="UTC")
    yield pd.Series([stamp])
    yield pd.Series([stamp.tz_convert("Asia/Tokyo")])
    yield pd.Series([stamp.tz_localize(None)])
    yield pd.Series([stamp.to_pydatetime()], dtype=object)
    yield ["2026-03-02T10:00:00+01:00"]
    yield np.array(["2026-03-02T09:00"], dtype="datetime64[ns]")


@pytest.mark.parametrize("column", list(starts()))
def test_starts_come_in_many_forms(column: Any) -> None:
    frame = {name: [value] for name, value in golden_rows()[0].as_dict("v3").items()}
    assert cell(Encoder("v3", None).encode_frame({**frame, "bucket_start_ts": column}), "hour_of_day") == 9.0


def test_nullable_columns() -> None:
    frame = golden_frame().head(2).copy()
    frame["app_change_count"] = pd.array([None, 3], dtype="Int64")
    frame["is_browser"] = pd.array([None, True], dtype="boolean")
    matrix = Encoder("v3", VOCABULARIES).encode_frame(frame)
    assert [cell(matrix, "app_change_count", row=i) for i in (0, 1)] == [0.0, 3.0]
    assert [cell(matrix, "is_browser", row=i) for i in (0, 1)] == [0.0, 1.0]


def test_mistakes_are_named() -> None:
    frame = golden_frame().head(2)
    with pytest.raises(MissingColumnError, match="keys_per_min"):
        Encoder("v3", None).encode_frame(frame.drop(columns="keys_per_min"))
    with pytest.raises(ValueError, match="clicks_per_min"):
        Encoder("v3", None).encode_frame(frame.assign(clicks_per_min=["many", "few"]))
    with pytest.raises(ModelIncompatibleError, match="v9"):
        Encoder("v9", None)
    with pytest.raises(ValueError, match="Mars/Olympus"):
        Encoder("v3", None, "local").encode_rows([replace(golden_rows()[0], time_zone="Mars/Olympus")])


def test_no_rows() -> None:
    assert Encoder("v3", None).encode_rows([]).shape == (0, 299)
    assert Encoder("v3", None).encode_frame(golden_frame().head(0)).shape == (0, 299)
