"""A day's telemetry: what the model answered and how sure it was, in numbers only."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.report.telemetry import day_telemetry, line_date, telemetry_name, with_line
from tests.support.report_records import MINUTE, bucket

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_day_by_hand() -> None:
    records = [
        bucket(NINE, "Build", confidence=0.8, entropy_bits=1.0),
        bucket(NINE + MINUTE, "Build", raw=MIXED_UNKNOWN, confidence=0.4, entropy_bits=2.0, keys_per_min=None),
        bucket(NINE + 2 * MINUTE, "BreakIdle", decided_by="idle_rule", confidence=1.0, entropy_bits=0.0),
        bucket(NINE + 3 * MINUTE, MIXED_UNKNOWN, decided_by="no_window", confidence=0.3, keys_per_min=None),
    ]
    line = day_telemetry(NINE.date(), records).to_dict()
    assert line["date"] == "2026-03-02"
    assert line["bucket_count"] == 4
    assert line["core_label_counts"]["Build"] == 3
    assert line["core_label_shares"]["BreakIdle"] == 0.25
    assert sum(line["core_label_shares"].values()) == 1
    assert line["decided_by_counts"] == {"idle_rule": 1, "model": 2, "no_window": 1}
    assert (line["mean_confidence"], line["reject_rate"], line["mean_entropy_bits"]) == (0.6, 0.5, 1.5)
    assert line["missing_input_share"] == 0.5
    assert line["missing_title_share"] == 0
    assert line["ask_count"] == sum(line["ask_outcome_counts"].values()) == 0
    json.dumps(line, allow_nan=False)


def test_a_day_the_model_decided_nothing_of() -> None:
    line = day_telemetry(NINE.date(), [bucket(NINE, "BreakIdle", decided_by="idle_rule")]).to_dict()
    assert (line["mean_confidence"], line["reject_rate"], line["mean_entropy_bits"]) == (None, None, None)
    with pytest.raises(ValueError, match="without buckets"):
        day_telemetry(NINE.date(), [])


def test_no_user_id_becomes_a_path() -> None:
    uuid = "aaaaaaaa-0000-4000-8000-000000000001"
    assert telemetry_name(uuid) == f"telemetry_{uuid}.jsonl"
    hostile = ["../../etc/passwd", "a/b", "CON", "", "ä", "x" * 300, "a\n", "..", "a b", "٣"]
    names = [telemetry_name(user_id) for user_id in hostile]
    assert all(re.fullmatch(r"telemetry_[0-9a-f]{32}\.jsonl", name) for name in names)
    assert len(set(names)) == len(names)


def test_a_line_is_put_in_its_place_and_nothing_else_is_lost() -> None:
    one, two, three = (json.dumps({"date": f"2026-03-0{n}", "n": n}) for n in (1, 2, 3))
    assert with_line("", two) == f"{two}\n"
    assert with_line(f"{one}\n{three}", two) == f"{one}\n{two}\n{three}\n"
    other = json.dumps({"date": "2026-03-02", "n": 9})
    assert with_line(f"{one}\n{other}\n", two) == with_line(f"{one}\n{other}\n{two}\n", two) == f"{one}\n{two}\n"
    assert with_line(f"[]\n{one}\n7\n\0\n{{\n", two) == f"{one}\n{two}\n"
    assert line_date(b"\xff") is None
