"""The figures of a replay, against scikit-learn and by hand, and the page that tells them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.train.replay_figures import (
    CSV_COLUMNS,
    FIGURES,
    ReplayedMinute,
    days_of,
    figures_of,
    intervals_of,
    predictions_csv,
)
from taskclf_tray.train.replay_page import learning_curve, page, summary

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


def minute(
    number: int, *, day: int = 0, truth: str | None = "Build", said: str = "Build", **more: object
) -> ReplayedMinute:
    values = {
        "raw_label": said, "raw_confidence": 0.8, "live_label": said, "final_label": said, "is_rejected": False,
        "target_accuracy": 0.9, "truth": truth,
    } | more  # fmt: skip
    start = MONDAY + timedelta(days=day, minutes=number)
    return ReplayedMinute(bucket_start_ts=start, day=start.toordinal(), **values)  # type: ignore[arg-type]


def random_minutes(count: int, days: int, seed: int = 0) -> list[ReplayedMinute]:
    rng = np.random.default_rng(seed)
    labels = LABEL_SET_V1[:5]
    found = []
    for k in range(count):
        truth = labels[rng.integers(5)]
        said = [truth if rng.random() < 0.6 else str(rng.choice([*labels, MIXED_UNKNOWN])) for _ in range(2)]
        raw = truth if rng.random() < 0.6 else labels[rng.integers(5)]
        found.append(
            minute(
                k % (count // days), day=k // (count // days), truth=truth if rng.random() < 0.8 else None,
                raw_label=raw, raw_confidence=float(rng.uniform(0.2, 1)), live_label=said[0], final_label=said[1],
                is_rejected=bool(rng.random() < 0.3),
            )
        )  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import accuracy_score, f1_score  # 1.6 s, for who needs it

    minutes = random_minutes(300, 3, seed)
    found, known = figures_of(minutes), [m for m in minutes if m.truth]
    truth = [m.truth for m in known]
    for key, said in (
        ("", [m.final_label for m in known]),
        ("_live", [m.live_label for m in known]),
        ("_raw", [m.raw_label for m in known]),
    ):
        present = sorted({*truth, *said} - {MIXED_UNKNOWN})
        assert found[f"accuracy{key}"] == pytest.approx(accuracy_score(truth, said))
        assert found[f"macro_f1{key}"] == pytest.approx(
            f1_score(truth, said, labels=present, average="macro", zero_division=0)
        )
    accepted = [m for m in known if not m.is_rejected]
    assert found["coverage"] == pytest.approx(len(accepted) / len(known))
    assert found["kept"] == pytest.approx(accuracy_score([m.truth for m in accepted], [m.raw_label for m in accepted]))
    assert found["promised"] == pytest.approx(0.9)
    surest = sorted(known, key=lambda m: -m.raw_confidence)
    for share in (20, 60, 80):
        first = surest[: int(np.ceil(share / 100 * len(known)))]
        assert found[f"surest_{share}"] == pytest.approx(np.mean([m.raw_label == m.truth for m in first]))


def test_the_calibration_error_by_hand() -> None:
    """Fifteen minutes are fifteen bins: each is off by its own distance."""
    minutes = [minute(k, raw_confidence=0.5 + k / 100, truth="Build" if k % 2 else "Debug") for k in range(15)]
    expected = np.mean([abs((k % 2) - (0.5 + k / 100)) for k in range(15)])
    assert figures_of(minutes)["ece"] == pytest.approx(expected)


def test_changes_count_between_neighbours() -> None:
    """A minute without a truth may lie between two neighbours; after two of them nothing is a change."""
    labels = ["Build", "Debug", "Debug", None, "Build", None, None, "Write"]
    minutes = [minute(k, truth=label, said="Meet") for k, label in enumerate(labels)]
    found = figures_of(minutes)
    assert (found["flaps_truth"], found["flaps"]) == (2 / 5, 0.0)


def test_minutes_of_the_idle_rule_count_for_the_labels_shown_alone() -> None:
    idle = minute(1, truth="BreakIdle", said="BreakIdle", raw_label="Build", raw_confidence=0.99, is_models=False)
    found = figures_of([minute(0), idle])
    assert (found["accuracy"], found["accuracy_live"], found["accuracy_raw"], found["kept"]) == (1.0, 1.0, 1.0, 1.0)
    assert found["ece"] == pytest.approx(0.2)


def test_nothing_to_count_is_none() -> None:
    assert figures_of([minute(0, truth=None)]) == dict.fromkeys(FIGURES)
    rejected = figures_of([minute(0, is_rejected=True)])
    assert (rejected["kept"], rejected["coverage"], rejected["accuracy"]) == (None, 0.0, 1.0)


def test_intervals_hold_the_figure_and_are_the_same_each_time() -> None:
    minutes = random_minutes(400, 8)
    found, figures = intervals_of(minutes, resamples=100), figures_of(minutes)
    assert found == intervals_of(minutes, resamples=100)
    bounds, value = found["accuracy"], figures["accuracy"]
    assert bounds is not None
    assert value is not None
    assert bounds[0] < value < bounds[1]
    assert set(intervals_of(minutes[:50], resamples=10).values()) == {None}  # a single day


def test_each_day_has_its_own_figures() -> None:
    minutes = [minute(0), minute(1, truth=None), minute(0, day=2, said="Debug")]
    first, second = days_of(minutes)
    assert (first["day"], first["date"], first["minutes"], first["labelled_minutes"]) == (1, "2026-03-02", 2, 1)
    assert (first["accuracy"], second["accuracy"], second["day"]) == (1.0, 0.0, 2)


def test_the_csv_says_everything() -> None:
    minutes = random_minutes(20, 2)
    lines = list(csv.DictReader(io.StringIO(predictions_csv(minutes))))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert [line["truth"] or None for line in lines] == [m.truth for m in minutes]
    assert [float(line["raw_confidence"]) for line in lines] == [m.raw_confidence for m in minutes]
    assert {line["is_rejected"] for line in lines} == {"True", "False"}
    assert [datetime.fromisoformat(line["bucket_start_ts"]) for line in lines] == [m.bucket_start_ts for m in minutes]


# -- the page ------------------------------------------------------------------------------------------------------


def facts(*, is_rejected: bool, days: int = 2, **more: Any) -> dict[str, Any]:
    """Two minutes a day, one of them right."""
    minutes = [
        minute(number, day=day, said=said, is_rejected=is_rejected)
        for day in range(days)
        for number, said in enumerate(("Build", "Debug"))
    ]
    evening = {
        "day": "2026-03-02",
        "labelled_minutes": 2,
        "outcome": "promoted",
        "macro_f1": 0.7,
        "previous_macro_f1": 0.6,
    }
    return {
        "export": "export.json", "answers_per_day": None, "from_day": 1, "judged_minutes": len(minutes),
        **figures_of(minutes), "intervals_95": intervals_of(minutes, resamples=5), "days": days_of(minutes),
        "evenings": [evening] * (days - 1),
    } | more  # fmt: skip


def test_the_sentences() -> None:
    assert summary(facts(is_rejected=False)) == [
        "Its best guess would have been right about 50 % of 4 labelled minutes on 2 days (95 % interval 50 % to 50 %).",
        "The tray would have been sure enough to show the right label in 50 % of them.",
        "On the first of these days (2026-03-02) 50 % were right, on the last one (2026-03-03) 50 %.",
        "It promised to be right about 90 % of the minutes that it was sure of (100 % of all), and was right about "
        "50 %.",
    ]


def test_a_single_day_of_doubt() -> None:
    found = facts(is_rejected=True, days=1, answers_per_day=3)
    assert summary(found)[-1] == "It was never sure enough to promise anything."
    text = page(found, "curve.png")
    assert "what Retrain made of the answers to at most 3 questions a day and put in use." in text
    assert "| 2026-03-02 | 2 | 0 | 0.500 | 0.500 | 0.500 | 0.300 | 0.000 | – |  |" in text
    assert learning_curve(found).startswith(b"\x89PNG")


def test_days_that_are_only_learnt_from_are_told() -> None:
    found = facts(is_rejected=False, from_day=2)
    assert "The days before day 2 were only learnt from." in page(found, "curve.png")
    assert "| a new model was put in use (macro-F1 0.700, that in use 0.600) |" in page(found, "curve.png")
    assert learning_curve(found).startswith(b"\x89PNG")
