"""The drift check on made-up weeks: quiet ones, each kind of change, and data that is no data."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from taskclf_tray.drift.check import run_drift_check
from taskclf_tray.drift.days import days_of, read_window
from taskclf_tray.drift.report import DriftReport, DriftTrigger
from tests.support.drift_frames import MONDAY, NUMBERS, Week, check_arguments, week

NEXT_MONDAY = MONDAY + timedelta(days=7)


def _check(reference: Week, current: Week, **options: Any) -> DriftReport:
    arguments, keywords = check_arguments(reference, current)
    return run_drift_check(*arguments, **{**keywords, **options})


def _triggers(report: DriftReport) -> set[str]:
    return {alert.trigger.value for alert in report.alerts}


def _changed(current: Week, **columns: Any) -> Week:
    return replace(current, frame=current.frame.assign(**columns))


@pytest.fixture
def reference() -> Week:
    return week(1)


@pytest.fixture
def current() -> Week:
    return week(2, first=NEXT_MONDAY)


def test_quiet_weeks_have_no_alarm() -> None:
    """Minutes resemble each other and days differ, so a test of rows would find drift in every one of these weeks."""
    reports = [_check(week(2 * k + 10), week(2 * k + 11, first=NEXT_MONDAY)) for k in range(20)]
    assert sum(bool(report.alerts) for report in reports) <= 1
    naive = [any((f.ks_p_value or 1) < 0.05 for f in report.users[0].features) for report in reports]
    assert sum(naive) >= 19


@pytest.mark.parametrize("sign", [1, -1])
def test_a_feature_that_moves_out_of_range(reference: Week, current: Week, sign: int) -> None:
    moved = _changed(current, keys_per_min=current.frame["keys_per_min"] + sign * 100)
    report = _check(reference, moved)
    by_trigger = {alert.trigger: alert for alert in report.alerts}
    assert set(by_trigger) == {DriftTrigger.feature_psi, DriftTrigger.feature_ks}
    psi = by_trigger[DriftTrigger.feature_psi]
    assert psi.affected_features == ["keys_per_min"]
    assert psi.affected_user_ids == ["u1"]
    assert psi.effect > 5
    assert psi.threshold == 0.2
    assert (psi.severity, by_trigger[DriftTrigger.feature_ks].severity) == ("critical", "warning")
    assert report.any_critical
    assert psi.since == date(2026, 3, 9)
    assert psi.text == "How much you type has changed since Monday."


def test_a_drift_of_two_days_is_found_and_dated(reference: Week) -> None:
    """Wednesday and Thursday of a week that was as ever on Monday and Tuesday."""
    current = week(2, first=NEXT_MONDAY, days=(0, 1, 2, 3))
    late = current.frame["bucket_start_ts"] >= NEXT_MONDAY + timedelta(days=2)
    report = _check(reference, _changed(current, app_id=current.frame["app_id"].where(~late, "com.figma.Figma")))
    alert = report.alerts[0]
    assert (alert.trigger, alert.since) == (DriftTrigger.category_shift, date(2026, 3, 11))
    assert alert.text == "You have used an app a lot since Wednesday that the model has not seen before."
    assert alert.text_with_names == "You have used Figma a lot since Wednesday. The model has not seen it before."
    assert alert.details["value"] == "com.figma.Figma"
    assert "igma" not in report.summary


def test_one_odd_day_is_no_drift(reference: Week) -> None:
    current = week(2, first=NEXT_MONDAY)
    odd = current.frame["bucket_start_ts"].dt.day == 12
    assert _check(reference, _changed(current, app_id=current.frame["app_id"].where(~odd, "blender"))).alerts == []


def test_input_that_goes_missing_and_comes_back(reference: Week, current: Week) -> None:
    gone = _changed(current, keys_per_min=np.nan, clicks_per_min=None)
    report = _check(reference, gone)
    assert {a.affected_features[0] for a in report.alerts if a.trigger == "missingness"} == {
        "keys_per_min",
        "clicks_per_min",
    }
    assert report.alerts[0].text == (
        "There has been no keyboard or mouse data since Monday: is the input watcher running?"
    )
    back = _check(replace(gone, frame=gone.frame), week(3, first=NEXT_MONDAY + timedelta(days=7)))
    assert "There has been keyboard and mouse data since Monday" in back.alerts[0].text


def test_what_the_model_says(reference: Week, current: Week) -> None:
    """Rejects, entropy and classes, each by its own threshold."""
    rejected = replace(current, labels=["Mixed/Unknown" if k % 3 else x for k, x in enumerate(current.labels)])
    report = _check(reference, rejected)
    alert = next(alert for alert in report.alerts if alert.trigger == "reject_rate_increase")
    assert alert.severity == "critical"
    assert alert.effect > 0.5
    unsure = replace(current, probs=np.full_like(current.probs, 1 / 8))
    assert _triggers(_check(reference, unsure, entropy_multiplier=1.2)) == {"entropy_spike"}
    assert _triggers(_check(reference, unsure, entropy_multiplier=9.0)) == set()
    shifted = replace(current, labels=["Debug" if x == "Build" else x for x in current.labels])
    found = _check(reference, shifted).alerts
    assert [(alert.trigger.value, alert.severity) for alert in found] == [("class_shift", "warning")]
    assert found[0].affected_features[0] in ("Debug", "Build")
    assert _triggers(_check(reference, shifted, class_shift_threshold=0.9)) == set()
    fewer = replace(reference, labels=rejected.labels)
    assert "reject_rate_increase" not in _triggers(_check(fewer, current))


def test_the_reject_label_may_have_another_name(reference: Week, current: Week) -> None:
    labels = ["?" if k % 2 else x for k, x in enumerate(current.labels)]
    assert "reject_rate_increase" in _triggers(_check(reference, replace(current, labels=labels), reject_label="?"))


def test_weekends_are_compared_with_weekends() -> None:
    """A Saturday of another kind is no drift from a week of working days."""
    reference = week(1, days=(0, 1, 2, 3, 4))
    current = week(2, first=NEXT_MONDAY, days=(0, 1, 2, 3, 5, 6))
    weekend = current.frame["bucket_start_ts"].dt.day_of_week >= 5
    report = _check(reference, _changed(current, app_id=current.frame["app_id"].where(~weekend, "steam")))
    assert report.alerts == []
    assert len(report.users[0].current_days) == 4
    only_weekends = week(3, days=(5, 6, 12, 13))
    later = week(4, days=(19, 20, 26, 27))
    report = _check(only_weekends, _changed(later, app_id="steam"))
    assert report.users[0].day_kind == "weekend"
    assert "category_shift" in _triggers(report)


def test_too_little_data_is_said() -> None:
    few = _check(week(1, days=(0, 1)), week(2, first=NEXT_MONDAY))
    assert few.alerts == []
    assert few.summary == few.users[0].too_little_data
    assert few.summary == (
        "Too little to compare: 3 working days with an hour of work or more are needed to compare with, "
        "and there are 2."
    )
    one = _check(week(1), week(2, first=NEXT_MONDAY, days=(0,)))
    assert "needed in the last days, and there is one." in (one.users[0].too_little_data or "")
    assert one.users[0].features[0].psi is not None
    short = _check(week(1), week(2, first=NEXT_MONDAY, minutes=40))
    assert "none" in (short.users[0].too_little_data or "")


@pytest.mark.parametrize("make", [lambda: pd.DataFrame(), lambda: week(1, days=()).frame, dict])
def test_nothing_at_all(make: Any, current: Week) -> None:
    empty = run_drift_check(make(), make(), [], [])
    assert (empty.alerts, empty.users) == ([], [])
    assert empty.summary == "There is nothing to compare."
    against = run_drift_check(make(), current.frame, [], current.labels, cur_probs=current.probs)
    assert against.alerts == []
    assert against.users[0].too_little_data is not None


def test_nan_everywhere() -> None:
    def blank(of: Week) -> Week:
        nothing = np.full_like(of.probs, np.nan)
        return replace(_changed(of, **dict.fromkeys(NUMBERS, np.nan)), probs=nothing, confidences=nothing[:, 0])

    report = _check(blank(week(1)), blank(week(2, first=NEXT_MONDAY)))
    assert report.alerts == []
    assert report.users[0].features[0].psi is None
    assert report.users[0].current_mean_confidence is None


def test_without_labels_and_probabilities(reference: Week, current: Week) -> None:
    report = run_drift_check(reference.frame, current.frame, [], [])
    assert report.alerts == []
    assert report.users[0].current_reject_rate is None


def test_every_user_by_themselves(reference: Week) -> None:
    """The drift of one is nobody else's, and is not lost among them."""
    others = [week(20 + k, user=f"w{k}") for k in range(3)]
    later = [week(30 + k, user=f"w{k}", first=NEXT_MONDAY) for k in range(3)]
    moved = week(2, first=NEXT_MONDAY)
    moved = _changed(moved, app_id="blender")
    before, after = _joined([reference, *others]), _joined([moved, *later])
    report = _check(before, after)
    assert {tuple(alert.affected_user_ids) for alert in report.alerts} == {("u1",)}
    assert [user.user_id for user in report.users] == ["u1", "w0", "w1", "w2"]


def test_rows_without_a_user(reference: Week, current: Week) -> None:
    """Schema v2: nobody, or whoever `user_ids` says of the current rows."""
    before, after = (replace(of, frame=of.frame.drop(columns="user_id")) for of in (reference, current))
    moved = _changed(after, app_id="blender")
    assert "category_shift" in _triggers(_check(before, moved))
    named = _check(reference, moved, user_ids=["u1"] * len(moved.frame))
    assert named.alerts[0].affected_user_ids == ["u1"]


def test_lengths_must_agree(reference: Week, current: Week) -> None:
    for options in ({"user_ids": ["u1"]}, {"cur_probs": current.probs[:5]}, {"cur_confidences": [0.5]}):
        with pytest.raises(ValueError, match=r"values for \d+ rows"):
            _check(reference, current, **options)
    with pytest.raises(ValueError, match="labels has 1 values"):
        run_drift_check(reference.frame, current.frame, ["Build"], current.labels)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"bucket_start_ts": pd.NaT}, "row 0 has no bucket_start_ts"),
        ({"bucket_start_ts": "soon"}, "bucket_start_ts holds a value that is no time"),
        ({"bucket_start_ts": None}, "bucket_start_ts holds a value that is no time"),
        ({"time_zone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"keys_per_min": "many"}, "the column keys_per_min holds values that are not numbers"),
    ],
)
def test_a_column_that_cannot_be_read_is_named(
    reference: Week, current: Week, columns: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        _check(reference, _changed(current, **columns))


def test_arguments_that_make_no_sense(reference: Week, current: Week) -> None:
    for options in ({"ks_alpha": 0.0}, {"ks_alpha": 2.0}, {"psi_threshold": math.nan}, {"class_shift_threshold": -1.0}):
        with pytest.raises(ValueError, match=r"must (lie between|be a number)"):
            _check(reference, current, **options)
    with pytest.raises(ValueError, match="a row of probabilities for each row"):
        _check(reference, current, cur_probs=current.confidences)
    with pytest.raises(ValueError, match="no column bucket_start_ts"):
        run_drift_check(reference.frame.drop(columns="bucket_start_ts"), current.frame, [], [])
    for frame in (None, [{"user_id": "u1"}]):
        with pytest.raises(TypeError, match="must be a DataFrame or a dict of columns"):
            run_drift_check(frame, current.frame, [], [])


def test_a_day_is_the_persons_day() -> None:
    """In Tokyo Monday begins on Sunday at 15:00 UTC; rows of a rule or without a window are nobody's work."""
    starts = [datetime(2026, 3, 1, 14, tzinfo=UTC) + timedelta(minutes=k) for k in range(180)]
    decided = ["model"] * 170 + ["idle_rule"] * 10
    columns = {"bucket_start_ts": starts, "time_zone": ["Asia/Tokyo"] * 180, "decided_by": decided}
    window = read_window(columns, [])
    monday = days_of(window, "", "weekday")
    assert monday.days == (date(2026, 3, 2),)
    assert len(monday.rows) == 110
    assert days_of(window, "", "weekend").days == (date(2026, 3, 1),)


def test_the_same_input_gives_the_same_report(reference: Week, current: Week) -> None:
    moved = _changed(current, app_id="blender")
    assert _check(reference, moved).model_dump() == _check(reference, moved).model_dump()
    order = np.random.default_rng(1).permutation(len(moved.frame))
    shuffled = replace(
        moved,
        frame=moved.frame.iloc[order].reset_index(drop=True),
        labels=[moved.labels[k] for k in order],
        probs=moved.probs[order],
        confidences=moved.confidences[order],
    )
    assert [a.model_dump() for a in _check(reference, shuffled).alerts] == [
        a.model_dump() for a in _check(reference, moved).alerts
    ]


def test_figures_of_the_whole_window(reference: Week, current: Week) -> None:
    user = _check(reference, current).users[0]
    assert [feature.feature for feature in user.features] == [n for n in user_order() if n in NUMBERS]
    assert user.reference_reject_rate == pytest.approx(reference.labels.count("Mixed/Unknown") / 2000)
    assert user.current_mean_confidence == pytest.approx(current.confidences.mean())
    assert sum(user.current_class_shares.values()) == pytest.approx(1)


def user_order() -> list[str]:
    """The model's."""
    from taskclf_tray.drift.days import NUMBERS as ALL

    return list(ALL)


def test_unequal_sizes_and_many_rows() -> None:
    reference = week(1, days=[k for k in range(50) if k % 7 < 5], minutes=880)
    current = week(2, first=MONDAY + timedelta(days=56), days=(0, 1, 2), minutes=880)
    assert len(reference.frame) + len(current.frame) > 34_000
    user = _check(reference, current).users[0]
    assert (len(user.reference_days), len(user.current_days), user.too_little_data) == (36, 3, None)


def _joined(weeks: list[Week]) -> Week:
    return Week(
        pd.concat([w.frame for w in weeks], ignore_index=True),
        [label for w in weeks for label in w.labels],
        np.concatenate([w.probs for w in weeks]),
        np.concatenate([w.confidences for w in weeks]),
    )
