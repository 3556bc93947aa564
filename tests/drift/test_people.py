"""The promise in small: quiet weeks make no alarm, and what is planted is found by its third working day.

`tests/bench/bench_drift.py` measures the same on many people, by the check at the end of every day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from starter_rows import FIRST_MONDAY
from taskclf_tray.drift.check import run_drift_check
from taskclf_tray.drift.report import DriftReport
from tests.bench.bench_drift import Tally, check_at, table_of
from tests.bench.drift_people import Life
from tests.support.drift_frames import MONDAY, Week, check_arguments, week

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

SEEDS = range(10)
THREE_DAYS = (3, 4, 7, 8, 9)
"""Thursday and Friday as ever, and Monday to Wednesday with whatever began there."""
BEGAN = MONDAY + timedelta(days=14)


def _check(reference: Week, current: Week) -> DriftReport:
    arguments, keywords = check_arguments(reference, current)
    return run_drift_check(*arguments, **keywords)


def _new_job(of: Week) -> Week:
    """Other programs for other work, on some days more than on others."""
    programs = {"code": "excel", "firefox": "firefox", "slack": "outlook"}
    labels = {"Build": "Write", "Write": "Meet"}
    frame = of.frame.assign(
        app_id=of.frame["app_id"].map(programs),
        app_category=of.frame["app_category"].replace({"editor": "office", "chat": "mail"}),
        keys_per_min=of.frame["keys_per_min"] - 1,
    )
    return replace(of, frame=frame, labels=[labels.get(label, label) for label in of.labels])


def _new_program(of: Week) -> Week:
    return replace(of, frame=of.frame.assign(app_id=of.frame["app_id"].replace("code", "zed")))


def _broken_watcher(of: Week) -> Week:
    return replace(of, frame=of.frame.assign(keys_per_min=np.nan, clicks_per_min=np.nan, mouse_distance=np.nan))


def _holidays(of: Week) -> Week:
    """Half the hours, and little of what the model knows."""
    rows = np.flatnonzero(of.frame.groupby(of.frame["bucket_start_ts"].dt.date).cumcount() < 180)
    return Week(
        of.frame.iloc[rows].assign(app_id="steam", app_category="games"),
        ["Mixed/Unknown" if k % 2 else of.labels[row] for k, row in enumerate(rows.tolist())],
        of.probs[rows],
        of.confidences[rows],
    )


@pytest.mark.parametrize("change", [_new_job, _new_program, _broken_watcher, _holidays])
def test_nine_of_ten_drifts_are_found_within_three_days(change: Callable[[Week], Week]) -> None:
    found = 0
    for seed in SEEDS:
        before, after = week(100 + seed), week(200 + seed, first=BEGAN - timedelta(days=7), days=THREE_DAYS)
        is_late = (after.frame["bucket_start_ts"] >= BEGAN).to_numpy()
        early, late = _part(after, ~is_late), change(_part(after, is_late))
        alerts = _check(before, _joined(early, late)).alerts
        found += bool(alerts)
        assert {alert.since for alert in alerts} <= {BEGAN.date() + timedelta(days=k) for k in range(-4, 3)}
    assert found >= 9


def test_a_person() -> None:
    """A simulated developer, through the shipped model: a quiet week, and the same week otherwise."""
    life = Life("developer", 2000)
    monday = FIRST_MONDAY + timedelta(weeks=2)
    for k in (2, 4):
        assert check_at(life, monday + timedelta(days=k)).alerts == []
    for drift in ("new job", "input broken", "holidays"):
        report = check_at(life.drifting(drift, monday), monday + timedelta(days=2))
        assert report.alerts, drift
        assert report.headline is not None
        assert report.headline.since in {monday + timedelta(days=k) for k in range(3)}, drift


def test_the_table_says_what_was_counted() -> None:
    tally = Tally(quiet_weeks=40, false_alarms=1, naive_alarms=40)
    tally.found_after["new job"] = [(2, 4)] * 9 + [(99, 99)]
    table = table_of(tally)
    assert "| 40 | 1 | 0.5 (0.01 to 2.63) | alarms in 40 |" in table
    assert "| new job | 10 | 90 % | 90 % | 56 % to 100 % | 0 % |" in table
    assert "holidays" not in table
    assert "| all | 10 |" in table


def _part(of: Week, is_kept: np.ndarray) -> Week:
    rows = np.flatnonzero(is_kept)
    return Week(of.frame.iloc[rows], [of.labels[k] for k in rows], of.probs[rows], of.confidences[rows])


def _joined(early: Week, late: Week) -> Week:
    return Week(
        pd.concat([early.frame, late.frame], ignore_index=True),
        early.labels + late.labels,
        np.concatenate([early.probs, late.probs]),
        np.concatenate([early.confidences, late.confidences]),
    )
