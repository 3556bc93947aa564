"""Weak labels: each rule is right nearly always, and says nothing where it is not sure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.train.dataset import NO_LABEL
from taskclf_tray.train.dataset_sources import from_rows
from taskclf_tray.train.weak import weak_label
from tests.support.labelled import MEET, row, simulated_days

pytestmark = pytest.mark.no_cover  # many repetitions, at half the time

BREAK = LABEL_SET_V1.index("BreakIdle")


def away(category: str, locked_seconds: float = 0.0) -> FeatureRow:
    return row(0, decided_by="idle_rule", app_category=category, locked_seconds=locked_seconds)


def test_a_locked_screen_is_a_break_whatever_is_behind_it() -> None:
    assert weak_label(away("meeting", 60.0)) == BREAK
    assert weak_label(away("meeting", 59.0)) == NO_LABEL


@pytest.mark.parametrize(("category", "label"), [("editor", BREAK), ("terminal", BREAK), ("browser", NO_LABEL)])
def test_away_is_a_break_where_nobody_can_listen_or_read(category: str, label: int) -> None:
    assert weak_label(away(category)) == label


@pytest.mark.parametrize(("share", "label"), [(1.0, MEET), (0.95, MEET), (0.9, NO_LABEL)])
def test_a_meeting_program_all_the_minute_is_a_meeting(share: float, label: int) -> None:
    meeting = row(0, decided_by="model", app_category="meeting", app_foreground_time_ratio=share)
    assert weak_label(meeting) == label
    assert weak_label(replace(meeting, app_category="chat")) == NO_LABEL
    assert weak_label(replace(meeting, decided_by="no_window")) == NO_LABEL


@pytest.mark.parametrize(("persona", "days"), [("developer", 3), ("manager", 2)])
def test_the_rules_are_right_about_simulated_people(persona: str, days: int) -> None:
    rows, truth = simulated_days(persona, days)
    made = from_rows(rows, truth)
    said = [(weak_label(r), int(label)) for r, label in zip(made.rows(), made.labels, strict=True)]
    right = [weak == label for weak, label in said if weak != NO_LABEL]
    assert len(right) >= 10
    assert sum(right) >= 0.97 * len(right)
