"""The golden rows: every column of every row, from raw events."""

from __future__ import annotations

import json

import pytest

from taskclf_tray.adapters.titles import TitleHasher
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.time import parse_time
from taskclf_tray.core.types import AWEvent, AWInputEvent
from taskclf_tray.features.build import build_features_from_aw_events
from tests.support.events import DATA, raw_input, raw_window

GOLDEN = json.loads((DATA / "golden_features.json").read_text(encoding="utf-8"))


def golden_events() -> tuple[list[AWEvent], list[AWInputEvent]]:
    hasher = TitleHasher(GOLDEN["secret"])
    window = [raw_window(raw, hasher, i) for i, raw in enumerate(GOLDEN["window_events"])]
    return window, [raw_input(raw, i) for i, raw in enumerate(GOLDEN["input_events"])]


@pytest.mark.parametrize("backwards", [False, True])
def test_every_column_of_every_golden_row(backwards: bool) -> None:
    window, inputs = golden_events()
    if backwards:
        window.reverse()
        inputs.reverse()
    rows = build_features_from_aw_events(window, user_id=GOLDEN["user_id"], input_events=inputs)
    assert len(rows) == len(GOLDEN["rows"]) == 68
    for row, golden in zip(rows, GOLDEN["rows"], strict=True):
        ours = row.as_dict()
        expected = dict(golden)
        for name in ("bucket_start_ts", "bucket_end_ts"):
            expected[name] = parse_time(expected[name])
        assert {name: ours[name] for name in expected} == expected


def test_the_golden_rows_leave_out_only_what_the_file_says() -> None:
    missing = {name for name, _ in SCHEMAS["v3"].row_columns} - set(GOLDEN["rows"][0])
    assert {name for name in missing if "sketch" not in name} == {"device_id", "schema_hash", "source_ids"}
