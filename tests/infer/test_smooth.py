"""Rolling majority, segments and hysteresis: golden vectors, hand-computed gaps, and laws."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.infer.smooth import (
    Segment,
    flap_rate,
    majority_codes,
    merge_short_segments,
    rolling_majority,
    segmentize,
)

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data/golden_smoothing.json").read_text())
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def segments_of(text: str) -> list[Segment]:
    """`AAB..A` as segments: a letter a minute, a dot is a missing bucket."""
    kept = [(START + i * MINUTE, letter) for i, letter in enumerate(text) if letter != "."]
    return segmentize([start for start, _ in kept], [letter for _, letter in kept])


def drawn(segments: list[Segment]) -> str:
    """Segments as `A2 B1 | A1`: label and buckets, a bar at a gap."""
    words = []
    for before, segment in zip([None, *segments], segments, strict=False):
        if before is not None and before.end_ts != segment.start_ts:
            words.append("|")
        words.append(f"{segment.label}{segment.bucket_count}")
    return " ".join(words)


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_golden(case: dict[str, Any]) -> None:
    first = datetime.fromisoformat(case["first_bucket"])
    starts = [first + i * MINUTE for i in range(len(case["labels"]))]
    smoothed = rolling_majority(case["labels"], case["window"])
    assert smoothed == case["smoothed"]
    segments = segmentize(starts, smoothed, 60)
    as_lists = [[s.start_ts.isoformat(), s.end_ts.isoformat(), s.label, s.bucket_count] for s in segments]
    assert as_lists == case["segments"]
    merged = merge_short_segments(segments)
    assert [[s.start_ts.isoformat(), s.end_ts.isoformat(), s.label, s.bucket_count] for s in merged] == case["merged"]
    assert flap_rate(case["labels"]) == case["flap_rate"]


@pytest.mark.parametrize(
    ("labels", "window", "smoothed"),
    [
        ("", 3, ""),
        ("A", 3, "A"),
        ("ABA", 3, "AAA"),
        ("ABC", 3, "ABC"),  # its own label is as common as any: it stays
        ("AB", 3, "AB"),  # shortened at both ends
        ("ABCAB", 1, "ABCAB"),
        ("AABCC", 5, "AAACC"),  # B has A twice and C twice around it: A is seen first
        ("CCBAA", 5, "CCCAA"),
    ],
)
def test_majority_by_hand(labels: str, window: int, smoothed: str) -> None:
    assert "".join(rolling_majority(list(labels), window)) == smoothed


def by_the_book(labels: Sequence[str], window: int) -> list[str]:
    """The rule, word for word."""
    answer = []
    for i, own in enumerate(labels):
        seen = [labels[j] for j in range(i - window // 2, i + window // 2 + 1) if 0 <= j < len(labels)]
        most = max(seen.count(label) for label in seen)
        common = [label for label in seen if seen.count(label) == most]
        answer.append(own if own in common else common[0])
    return answer


@given(labels=st.lists(st.sampled_from("ABCD"), max_size=40), window=st.sampled_from([1, 3, 5, 7, 9]))
def test_majority_by_loop_and_by_arrays_is_the_rule(labels: list[str], window: int) -> None:
    assert rolling_majority(labels, window) == by_the_book(labels, window)
    codes = np.array(["ABCD".index(label) for label in labels], dtype=np.int64)
    smoothed = majority_codes(codes, np.zeros(len(codes), dtype=np.int64), window)
    assert ["ABCD"[code] for code in smoothed.tolist()] == by_the_book(labels, window)


def test_majority_of_many_labels_takes_arrays() -> None:
    labels = [f"L{i * i % 7}" for i in range(2_000)]
    assert rolling_majority(labels, 5) == by_the_book(labels, 5)


@given(runs=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=6))
def test_majority_never_crosses_a_run(runs: list[list[int]]) -> None:
    run_of = np.array([i for i, run in enumerate(runs) for _ in run], dtype=np.int64)
    joined = np.array([code for run in runs for code in run], dtype=np.int64)
    alone = [code for run in runs for code in map(int, by_the_book([str(c) for c in run], 5))]
    assert majority_codes(joined, run_of, 5).tolist() == alone


@pytest.mark.parametrize("window", [0, 2, 4, -1, -3])
def test_even_windows_are_refused(window: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        rolling_majority(["A"], window)


@pytest.mark.parametrize(
    ("minutes", "segments", "merged"),
    [
        ("", "", ""),
        ("A", "A1", "A1"),
        ("AA.AA", "A2 | A2", "A2 | A2"),  # a gap parts one label
        ("AAAB.BAAA", "A3 B1 | B1 A3", "A4 | B1 A3"),  # the first of a run stays, the last joins the one before
        ("AAABAAA", "A3 B1 A3", "A4 A3"),  # tie: the earlier; equal neighbours stay two
        ("AAABAAAA", "A3 B1 A4", "A3 A5"),
        ("ABAAA", "A1 B1 A3", "A5"),  # B joins the longer, then the first has its own label beside it
        ("ABBB", "A1 B3", "A1 B3"),
        ("ABCD", "A1 B1 C1 D1", "A4"),
    ],
)
def test_segments_by_hand(minutes: str, segments: str, merged: str) -> None:
    assert drawn(segments_of(minutes)) == segments
    assert drawn(merge_short_segments(segments_of(minutes))) == merged


def merged_by_the_book(segments: list[Segment]) -> list[Segment]:
    """The rule as the contract words it, with a full search before every move."""
    now = list(segments)
    while True:
        move = next(((i, to) for i in range(len(now)) if (to := target(now, i)) is not None), None)
        if move is None:
            return now
        first, second = sorted(move)
        a, b = now[first], now[second]
        count = a.bucket_count + b.bucket_count
        now[first : second + 1] = [Segment(a.start_ts, b.end_ts, now[move[1]].label, count)]


def target(now: list[Segment], i: int) -> int | None:
    segment = now[i]
    if segment.bucket_count >= 3:
        return None
    before = i - 1 if i > 0 and now[i - 1].end_ts == segment.start_ts else None
    after = i + 1 if i + 1 < len(now) and now[i + 1].start_ts == segment.end_ts else None
    for neighbour in (before, after):
        if neighbour is not None and now[neighbour].label == segment.label:
            return neighbour
    if before is None or after is None:
        return before
    return after if now[after].bucket_count > now[before].bucket_count else before


@settings(max_examples=300)
@given(minutes=st.text(alphabet="AAABBC.", max_size=60))
def test_hysteresis_is_the_rule_and_keeps_every_minute(minutes: str) -> None:
    segments = segments_of(minutes)
    merged = merge_short_segments(segments)
    assert merged == merged_by_the_book(segments)
    assert sum(s.bucket_count for s in merged) == len(minutes.replace(".", ""))
    assert all(s.end_ts - s.start_ts == s.bucket_count * MINUTE for s in merged)
    assert merge_short_segments(merged) == merged


def test_hysteresis_is_linear() -> None:
    segments = segments_of("AB" * 20_000)
    began = time.process_time()
    assert len(merge_short_segments(segments)) == 1
    assert time.process_time() - began < 2.0


def test_segmentize_wants_one_label_a_bucket() -> None:
    with pytest.raises(ValueError, match="zip"):
        segmentize([START], [])


def test_flap_rate() -> None:
    assert flap_rate([]) == 0.0
    assert flap_rate(["A"]) == 0.0
    assert flap_rate(["A", "B", "B", "A"]) == 0.5
