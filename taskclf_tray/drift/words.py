"""A drift in words a person understands. No word of statistics, and names of programs only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from taskclf_tray.drift.findings import Finding
from taskclf_tray.drift.report import DayKind, DriftAlert, DriftTrigger, UserDrift

_SUBJECTS: Final[dict[str, str]] = {
    "app_foreground_time_ratio": "how long one program stays in front",
    "app_dwell_time_seconds": "how long one program stays in front",
    "title_repeat_count_session": "how often the same window comes back",
    "session_length_so_far": "how long you work without a break",
    "idle_return_indicator": "how often you come back from a break",
    "hour_of_day": "the hours at which you work",
    "max_idle_run_seconds": "how long the hands rest",
    "event_density": "how steadily keyboard and mouse are used",
    "active_seconds_any": "how steadily keyboard and mouse are used",
    "clicks_per_min": "how much you click",
    "scroll_events_per_min": "how much you scroll",
    "is_browser": "how much you use the browser",
    "is_editor": "how much you use an editor",
    "is_terminal": "how much you use a terminal",
}
_STEMS: Final = (
    (("keys_per_min", "active_seconds_keyboard", "backspace", "shortcut"), "how much you type"),
    (("mouse", "active_seconds_mouse", "clicks"), "how much you use the mouse"),
    (("app_switch", "app_change", "app_entropy", "top2_app"), "how often you switch programs"),
    (("title_",), "the kind of window titles"),
)
_NO_VALUE: Final = ("", "None", "nan", "<NA>")
_INPUT_STEMS: Final = ("keys_", "clicks_", "scroll_", "mouse_", "active_seconds", "max_idle", "event_density")


def words(finding: Finding, *, with_names: bool) -> str:
    """One or two sentences: what changed, since when."""
    return _BY_TRIGGER[finding.trigger](finding, _since(finding.since), with_names)


def too_little(when: str, days: int, needed: int, kind: DayKind) -> str:
    """Why nothing can be said."""
    name = "working days" if kind == "weekday" else "days of a weekend"
    where = "to compare with" if when == "before" else "in the last days"
    have = "there is one" if days == 1 else f"there are {days or 'none'}"
    return f"Too little to compare: {needed} {name} with an hour of work or more are needed {where}, and {have}."


def summary_of(alerts: Sequence[DriftAlert], users: Sequence[UserDrift]) -> str:
    """The whole report in a sentence or two."""
    if alerts:
        more = len(alerts) - 1
        return alerts[0].text + (f" ({more} more {'sign' if more == 1 else 'signs'} of change.)" if more else "")
    if not users:
        return "There is nothing to compare."
    lacking = [user.too_little_data for user in users if user.too_little_data is not None]
    if len(lacking) == len(users):
        return lacking[0]
    return "Your work looks as it did."


def _since(day: date | None) -> str:
    return "lately" if day is None else f"since {day:%A}"


def _category(finding: Finding, since: str, with_names: bool) -> str:
    details = finding.details
    grows = details["current_share"] > details["reference_share"]
    if details["value"] in _NO_VALUE:
        return _lost_or_back(finding, since, is_lost=grows)
    what = _value(finding.feature, str(details["value"])) if with_names else None
    noun = "site" if finding.feature == "domain_category" else "program"
    if grows and details["reference_share"] < 0.01:
        subject = what or f"a {noun}"
        ending = "; the model has not seen that." if what else " that the model has not seen."
        return f"You use {subject} a lot {since}{ending}"
    amount = "more" if grows else "less"
    return f"You use {what or f'one kind of {noun}'} much {amount} {since}."


def _value(feature: str, value: str) -> str:
    name = value.removeprefix("unknown.").rsplit(".", 1)[-1].replace("_", " ")
    if feature == "app_id":
        return name if any(c.isupper() for c in name) else name.capitalize()
    return f"programs of the kind “{name}”" if feature == "app_category" else f"sites of the kind “{name}”"


def _missing(finding: Finding, since: str, _with_names: bool) -> str:
    return _lost_or_back(finding, since, is_lost=finding.details["current_share"] > finding.details["reference_share"])


def _lost_or_back(finding: Finding, since: str, *, is_lost: bool) -> str:
    if finding.feature.startswith(_INPUT_STEMS):
        what, them = "The keyboard and mouse counts are", "them"
    else:
        what, them = "A part of the data is", "it"
    ending = (
        f"missing {since}; the model was used to having {them}"
        if is_lost
        else f"there {since}; the model was used to doing without"
    )
    return f"{what} {ending}."


def _classes(finding: Finding, since: str, _with_names: bool) -> str:
    before, after = _percent(finding.details["reference_share"]), _percent(finding.details["current_share"])
    return f"{finding.feature} is {after} of your time {since}; before it was {before}."


def _rejects(finding: Finding, since: str, _with_names: bool) -> str:
    before, after = _percent(finding.details["reference_rate"]), _percent(finding.details["current_rate"])
    return f"The model does not know what you do {after} of the time {since}; before it was {before}."


def _entropy(_finding: Finding, since: str, _with_names: bool) -> str:
    return f"The model is much less sure of what you do {since}."


def _feature(finding: Finding, since: str, _with_names: bool) -> str:
    return f"It changed {since}: {_subject(finding.feature)}."


def _subject(feature: str) -> str:
    if feature in _SUBJECTS:
        return _SUBJECTS[feature]
    return next((text for stems, text in _STEMS if feature.startswith(stems)), "the way you work")


def _percent(share: Any) -> str:
    return f"{100 * float(share):.0f} %"


_BY_TRIGGER: Final = {
    DriftTrigger.feature_psi: _feature,
    DriftTrigger.feature_ks: _feature,
    DriftTrigger.missingness: _missing,
    DriftTrigger.category_shift: _category,
    DriftTrigger.reject_rate_increase: _rejects,
    DriftTrigger.entropy_spike: _entropy,
    DriftTrigger.class_shift: _classes,
}
