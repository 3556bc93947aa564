"""The drift report as others see it: the names they call, the file, and the sentences."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taskclf_tray.drift.report import DriftReport, DriftTrigger, write_drift_report
from taskclf_tray.drift.wording import sentence, since_when
from taskclf_tray.infer import monitor
from tests.support.drift_frames import MONDAY, check_arguments, week

NEXT_MONDAY = MONDAY + timedelta(days=7)


@pytest.fixture(scope="module")
def report() -> DriftReport:
    """Of a week in which nearly everything is another."""
    current = week(2, first=NEXT_MONDAY)
    frame = current.frame.assign(app_id="com.figma.Figma", keys_per_min=99.0, clicks_per_min=np.nan)
    changed = replace(
        current, frame=frame, labels=["Mixed/Unknown"] * len(frame), probs=np.full((len(frame), 8), 0.125)
    )
    arguments, keywords = check_arguments(week(1), changed)
    return monitor.run_drift_check(*arguments, **keywords, entropy_multiplier=1.2)  # type: ignore[no-any-return]


def test_the_names_and_arguments_others_call() -> None:
    def arguments(function: Any) -> tuple[list[str], list[str]]:
        parameters = inspect.signature(function).parameters.values()
        return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD], [
            p.name for p in parameters if p.kind is p.KEYWORD_ONLY
        ]

    assert arguments(monitor.run_drift_check) == (
        ["ref_features_df", "cur_features_df", "ref_labels", "cur_labels"],
        [
            "ref_probs",
            "cur_probs",
            "cur_confidences",
            "user_ids",
            "psi_threshold",
            "ks_alpha",
            "reject_increase_threshold",
            "entropy_multiplier",
            "class_shift_threshold",
            "reject_label",
        ],
    )
    assert arguments(monitor.auto_enqueue_drift_labels) == (
        ["drift_report", "cur_features_df", "queue_path"],
        ["cur_confidences", "limit"],
    )
    assert arguments(write_drift_report) == (["report", "path"], [])
    defaults = inspect.signature(monitor.run_drift_check).parameters
    assert [
        defaults[name].default
        for name in ("psi_threshold", "ks_alpha", "reject_increase_threshold", "class_shift_threshold")
    ] == [0.2, 0.05, 0.10, 0.15]
    assert (defaults["entropy_multiplier"].default, defaults["reject_label"].default) == (2.0, "Mixed/Unknown")
    with pytest.raises(AttributeError, match="no attribute 'run_drift'"):
        monitor.run_drift  # noqa: B018 - the access is the test


def test_reading_a_report_loads_nothing_heavy() -> None:
    code = (
        "import sys, taskclf_tray.drift.report; print([m for m in ('scipy', 'pandas', 'sqlite3') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_every_kind_of_change_at_once(report: DriftReport) -> None:
    assert {alert.trigger for alert in report.alerts} == set(DriftTrigger)
    assert report.headline is report.alerts[0]
    assert report.headline.trigger is DriftTrigger.missingness
    assert report.any_critical
    assert all(alert.timestamp == report.timestamp for alert in report.alerts)
    assert report.timestamp == datetime(2026, 3, 13, 15, 40, tzinfo=UTC)


def test_the_file_holds_all_of_it(report: DriftReport, tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    assert write_drift_report(report, path) == path
    read = json.loads(path.read_text(), parse_constant=pytest.fail)  # no NaN: that is not JSON
    assert read["any_critical"] is True
    assert read["summary"] == report.summary
    assert len(read["alerts"]) == len(report.alerts)
    first = read["alerts"][0]
    assert (first["trigger"], first["severity"], first["since"]) == ("missingness", "warning", "2026-03-09")
    assert first["affected_features"] == ["clicks_per_min"]
    assert read["users"][0]["current_days"] == [f"2026-03-{day:02}" for day in range(9, 14)]
    assert read["users"][0]["current_reject_rate"] == 1.0


def test_a_report_that_cannot_be_written_leaves_the_old_one(report: DriftReport, tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text("old")
    broken = report.model_copy(update={"users": [replace(report.users[0], user_id=object())]})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_drift_report(broken, path)
    assert path.read_text() == "old"
    with pytest.raises(OSError):
        write_drift_report(report, path / "below a file" / "drift.json")


@pytest.mark.parametrize(
    ("trigger", "feature", "details", "expected"),
    [
        (
            "missingness",
            "keys_per_min",
            (0, 1),
            "There has been no keyboard or mouse data since Tuesday: is the input watcher",
        ),
        ("missingness", "mouse_distance", (1, 0), "There has been keyboard and mouse data since Tuesday, which"),
        ("missingness", "title_length", (0, 1), "Part of the data has been missing since Tuesday. "),
        (
            "category_shift",
            "app_id",
            (0, 0.5),
            "You have used an app a lot since Tuesday that the model has not seen before.",
        ),
        ("category_shift", "app_id", (0.2, 0.5), "You have used one app much more since Tuesday."),
        ("category_shift", "domain_category", (0.5, 0.2), "You have used one kind of site much less since Tuesday."),
        ("class_shift", "Meet", (0.1, 0.4), "Meet has been 40 % of your time since Tuesday; before, it was 10 %."),
        (
            "reject_rate_increase",
            "",
            (0.1, 0.4),
            "The model has not known what you do 40 % of the time since Tuesday; ",
        ),
        ("entropy_spike", "", (1, 2), "The model has been much less sure of what you do since Tuesday."),
        ("feature_psi", "keys_per_min", (1, 2), "How much you type has changed since Tuesday."),
        ("feature_ks", "app_switch_count_last_5m", (1, 2), "How often you switch apps has changed since Tuesday."),
        ("feature_ks", "hour_of_day", (1, 2), "When you work has changed since Tuesday."),
        ("feature_ks", "of_the_future", (1, 2), "The way you work has changed since Tuesday."),
    ],
)
def test_sentences(trigger: str, feature: str, details: tuple[float, float], expected: str) -> None:
    names = {"reference_share": details[0], "current_share": details[1], "value": "com.figma.Figma"}
    names |= {"reference_rate": details[0], "current_rate": details[1]}
    since = since_when(date(2026, 3, 10))
    assert sentence(DriftTrigger(trigger), feature, names, since, names_apps=False).startswith(expected)
    assert "lately" in sentence(DriftTrigger(trigger), feature, names, since_when(None), names_apps=False)


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        ("app_id", "com.figma.Figma", "You have used Figma a lot since Tuesday. The model has not seen it before."),
        ("app_id", "unknown.my_tool", "You have used My tool a lot since Tuesday. The model has not seen it before."),
        (
            "app_category",
            "chat",
            "You have used apps of the kind “chat” a lot since Tuesday. The model has not seen them before.",
        ),
        (
            "domain_category",
            "video",
            "You have used sites of the kind “video” a lot since Tuesday. The model has not seen them before.",
        ),
        ("app_id", "nan", "Part of the data has been missing since Tuesday. The model has learned with it."),
    ],
)
def test_sentences_with_names(feature: str, value: str, expected: str) -> None:
    details = {"reference_share": 0.0, "current_share": 0.5, "value": value}
    since = since_when(date(2026, 3, 10))
    assert sentence(DriftTrigger.category_shift, feature, details, since, names_apps=True) == expected
