"""What holds of every drift check, whatever the weeks: of its statistics, and of its report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskclf_tray.drift.check import run_drift_check
from taskclf_tray.drift.report import DriftReport
from taskclf_tray.drift.statistics import (
    Resampling,
    adjusted,
    ks_of_values,
    population_stability_index,
    psi_of_values,
    tail_probability,
)
from tests.support.drift_frames import MONDAY, Week, check_arguments, week

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

NEXT_MONDAY = MONDAY + timedelta(days=7)
FEW = settings(max_examples=8)
MANY = settings(max_examples=40)

SEEDS = st.integers(0, 10_000)
COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(any)
VALUES = st.lists(st.integers(-40, 40).map(float), min_size=1, max_size=60).map(np.array)


def _check(reference: Week, current: Week, **options: Any) -> DriftReport:
    arguments, keywords = check_arguments(reference, current)
    return run_drift_check(*arguments, **{**keywords, **options})


def _taken(of: Week, rows: npt.NDArray[np.int64]) -> Week:
    """These rows, in this order."""
    return Week(
        of.frame.iloc[rows].reset_index(drop=True), [of.labels[k] for k in rows], of.probs[rows], of.confidences[rows]
    )


@st.composite
def weeks(draw: st.DrawFn, first: Any = MONDAY) -> Week:
    """Short days and long ones, alike or not, some of whose numbers are missing."""
    made = week(
        draw(SEEDS),
        first=first,
        days=sorted(draw(st.sets(st.integers(0, 6), min_size=2))),
        minutes=draw(st.sampled_from([61, 150, 300])),
        day_spread=draw(st.sampled_from([0.0, 0.3, 2.0])),
        memory=draw(st.sampled_from([0.0, 0.95, 0.999])),
    )
    missing = np.random.default_rng(draw(SEEDS)).random(len(made.frame)) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return replace(made, frame=made.frame.assign(clicks_per_min=made.frame["clicks_per_min"].mask(missing)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Week, Week]:
    """Quiet ones and drifting ones."""
    reference, current = draw(weeks()), draw(weeks(NEXT_MONDAY))
    change = draw(st.sampled_from(["nothing", "program", "hands"]))
    if change == "program":
        current = replace(current, frame=current.frame.assign(app_id="blender"))
    if change == "hands":
        current = replace(current, frame=current.frame.assign(keys_per_min=current.frame["keys_per_min"] + 9))
    return reference, current


# -- the report -----------------------------------------------------------------------------------------------


@FEW
@given(weeks())
def test_the_same_data_in_and_no_alert_out(made: Week) -> None:
    assert _check(made, made).alerts == []
    later = replace(made, frame=made.frame.assign(bucket_start_ts=made.frame["bucket_start_ts"] + timedelta(days=7)))
    assert _check(made, later).alerts == []


@FEW
@given(pairs(), SEEDS)
def test_the_order_of_rows_does_not_matter(pair: tuple[Week, Week], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = [_taken(of, rng.permutation(len(of.frame))) for of in pair]
    assert _check(*shuffled).model_dump() == _check(*pair).model_dump()


@FEW
@given(pairs())
def test_rows_that_are_there_twice_count_once(pair: tuple[Week, Week]) -> None:
    doubled = [_taken(of, np.tile(np.arange(len(of.frame)), 2)) for of in pair]
    assert _check(*doubled).model_dump() == _check(*pair).model_dump()


@FEW
@given(pairs(), st.integers(1, 300))
def test_weeks_later_the_same_is_found(pair: tuple[Week, Week], count: int) -> None:
    by = timedelta(weeks=count)
    moved = [replace(of, frame=of.frame.assign(bucket_start_ts=of.frame["bucket_start_ts"] + by)) for of in pair]
    found, later = _check(*pair).alerts, _check(*moved).alerts
    assert [(a.trigger, a.affected_features, a.effect, a.p_value, a.text) for a in found] == [
        (a.trigger, a.affected_features, a.effect, a.p_value, a.text) for a in later
    ]
    assert [a.since and a.since + by for a in found] == [a.since for a in later]


@FEW
@given(pairs(), st.sampled_from(["Asia/Tokyo", "America/New_York", "Asia/Kathmandu"]))
def test_the_same_hours_in_another_zone_are_the_same_days(pair: tuple[Week, Week], zone: str) -> None:
    """What counts is the person's own clock (over both weeks no clock is changed)."""
    there = [
        replace(
            of,
            frame=of.frame.assign(
                bucket_start_ts=of.frame["bucket_start_ts"].dt.tz_localize(None).dt.tz_localize(zone), time_zone=zone
            ),
        )
        for of in (pair[0], pair[1])
    ]
    if zone == "America/New_York":  # where it is, on the Sunday between them: 2026-03-08
        there = [replace(of, frame=of.frame[of.frame["bucket_start_ts"].dt.hour > 3]) for of in there]
    here, elsewhere = _check(*pair), _check(*there)
    assert [a.model_copy(update={"timestamp": here.timestamp}).model_dump() for a in elsewhere.alerts] == [
        a.model_dump() for a in here.alerts
    ]
    assert elsewhere.users == here.users


@FEW
@given(pairs())
def test_every_form_of_the_same_rows_gives_the_same_report(pair: tuple[Week, Week]) -> None:
    """A dict of columns, moments as texts, in another zone's clock, or without a zone."""
    reference, current = pair
    expected = _check(reference, current).model_dump()
    starts = current.frame["bucket_start_ts"]
    for form in (
        [moment.isoformat() for moment in starts],
        starts.dt.tz_convert("Asia/Tokyo"),
        starts.dt.tz_localize(None),
        starts.to_numpy(dtype="datetime64[us]"),
    ):
        assert (
            _check(reference, replace(current, frame=current.frame.assign(bucket_start_ts=form))).model_dump()
            == expected
        )
    columns = {name: list(current.frame[name]) for name in current.frame}
    assert _check(reference, replace(current, frame=columns)).model_dump() == expected  # type: ignore[arg-type]


@FEW
@given(pairs())
def test_an_alert_keeps_its_promises(pair: tuple[Week, Week]) -> None:
    """It is large, a discovery, about this week, about its user, and names no program."""
    report = _check(*pair)
    days = {moment.date() for moment in pair[1].frame["bucket_start_ts"]}
    assert len({(alert.trigger, *alert.affected_features) for alert in report.alerts}) == len(report.alerts)
    for alert in report.alerts:
        assert alert.effect >= alert.threshold > 0
        assert 0 < alert.p_value <= 0.05
        assert alert.since in days
        assert alert.affected_user_ids == ["u1"]
        assert "lender" not in alert.text
    assert bool(report.alerts) <= (report.users[0].too_little_data is None)


@pytest.mark.parametrize("name", ["com.figma.Figma", "blender", "unknown.überprogramm"])
def test_names_only_where_they_are_asked_for(name: str) -> None:
    reference, current = week(1), week(2, first=NEXT_MONDAY)
    report = _check(reference, replace(current, frame=current.frame.assign(app_id=name, app_category=name)))
    shown = name.rsplit(".", 1)[-1][1:]
    assert any(shown in alert.text_with_names for alert in report.alerts)
    assert not any(shown in text for text in (report.summary, *(alert.text for alert in report.alerts)))


# -- the statistics -------------------------------------------------------------------------------------------


@MANY
@given(COUNTS, st.data())
def test_the_index_is_symmetric_and_never_negative(line: list[int], data: st.DataObject) -> None:
    other = np.array(data.draw(st.lists(st.integers(0, 500), min_size=len(line), max_size=len(line)).filter(any)))
    before, after = np.array(line, dtype=float), other.astype(float)
    index = population_stability_index(before, after)
    assert index == pytest.approx(population_stability_index(after, before))
    assert index >= 0
    assert population_stability_index(before, 3 * before) == pytest.approx(0, abs=1e-12)
    turned = population_stability_index(before[::-1], after[::-1])
    assert turned == pytest.approx(index)


@MANY
@given(VALUES, VALUES, st.sampled_from([0.5, 2.0, 1024.0]), st.integers(-50, 50))
def test_another_unit_changes_no_distance(before: Any, after: Any, unit: float, origin: int) -> None:
    assert psi_of_values(unit * before + origin, unit * after + origin) == psi_of_values(before, after)
    assert ks_of_values(unit * before + origin, unit * after + origin) == ks_of_values(before, after)


@MANY
@given(VALUES, st.sampled_from([-1000.0, 1000.0]))
def test_what_lies_outside_counts_on_both_sides(before: Any, where: float) -> None:
    assert psi_of_values(before, np.full(20, where)) > 2
    assert ks_of_values(before, np.full(20, where))[0] == 1


@MANY
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusting_makes_nothing_more_certain(p_values: list[float]) -> None:
    line = np.array(p_values)
    after = adjusted(line)
    assert (after >= line).all()
    assert (after <= 1).all()
    assert (np.diff(after[np.argsort(line, kind="stable")]) >= -1e-12).all()


@MANY
@given(SEEDS, st.integers(3, 8), st.integers(2, 7), st.sampled_from(["sum", "max"]))
def test_p_values_are_probabilities(seed: int, before: int, after: int, distance: Any) -> None:
    """Whichever cell is called the first, and however the days of a window are ordered."""
    shares = np.random.default_rng(seed).dirichlet([4.0, 2.0, 1.0], size=before + after)
    resampling = Resampling.drawn(before, after)
    p_value = resampling.p_value(shares, distance)
    assert 0 < p_value <= 1
    assert resampling.p_value(shares[:, ::-1], distance) == pytest.approx(p_value)
    even = np.repeat(shares[:1], before + after, axis=0)
    assert resampling.p_value(even, distance) == 1


@MANY
@given(SEEDS, st.floats(0, 50), st.floats(0, 50))
def test_the_further_out_the_less_likely(seed: int, one: float, other: float) -> None:
    null = np.random.default_rng(seed).exponential(1, 999)
    near, far = sorted((one, other))
    assert tail_probability(null, near) >= tail_probability(null, far) > 0


def test_pandas_is_not_needed() -> None:
    """Frames are known by their columns."""
    of = week(1)
    columns: dict[str, Any] = {name: list(of.frame[name]) for name in of.frame}
    assert not isinstance(columns, pd.DataFrame)
    assert run_drift_check(columns, columns, of.labels, of.labels).alerts == []
