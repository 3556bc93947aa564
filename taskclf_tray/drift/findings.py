"""The answers of a drift check: which are discoveries, sure enough for how much was asked, and how they are told.

A person is told in plain words: no word of statistics, and names of programs only when asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

import numpy as np

from taskclf_tray.drift.report import DayKind, DriftAlert, DriftTrigger, UserDrift
from taskclf_tray.drift.statistics import adjusted

CLOCK: Final = "hour_of_day"
"""It runs the same way every day, so that it rarely turns says nothing about how well a day is known."""

Hypothesis = tuple[DriftTrigger, str]
_FAMILIES: Final[Mapping[DriftTrigger, str]] = {
    DriftTrigger.feature_psi: "numbers",
    DriftTrigger.feature_ks: "numbers",
    DriftTrigger.missingness: "missing",
    DriftTrigger.category_shift: "categories",
    DriftTrigger.reject_rate_increase: "model",
    DriftTrigger.entropy_spike: "model",
    DriftTrigger.class_shift: "model",
}
"""Questions among which false discoveries are counted together: seventy about numbers drown three about the model."""
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


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least effects that count, and the false-discovery rate. Raises ValueError for what is none."""

    psi: float
    false_discovery_rate: float
    reject_increase: float
    entropy_multiplier: float
    class_shift: float

    def __post_init__(self) -> None:
        if not 0 < self.false_discovery_rate <= 1:
            raise ValueError(f"ks_alpha must lie between 0 and 1, not at {self.false_discovery_rate}")
        for least in (self.psi, self.reject_increase, self.entropy_multiplier, self.class_shift):
            if not 0 <= least < math.inf:
                raise ValueError(f"a threshold must be a number from 0 on, not {least}")


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """The answer to one question: `effect` against `threshold`, both in the question's unit."""

    trigger: DriftTrigger
    feature: str
    effect: float
    threshold: float
    p_value: float
    since: date | None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> Hypothesis:
        """What was asked, of whichever days."""
        return self.trigger, self.feature

    @property
    def family(self) -> str:
        """The questions it is counted with. *When* somebody works is asked apart from how."""
        family = _FAMILIES[self.trigger]
        return "clock" if self.feature == CLOCK and family == "numbers" else family

    @property
    def is_large(self) -> bool:
        """Whether the effect is large enough to matter."""
        return self.effect >= self.threshold

    @property
    def strength(self) -> float:
        """The effect in units of its threshold."""
        return self.effect / self.threshold if self.threshold > 0 else self.effect


def discoveries(looks: Sequence[Sequence[Finding]]) -> list[Finding]:
    """All answers with p-values adjusted for the questions of the family, and for how often each was asked."""
    adjusted_answers: list[Finding] = []
    for look in looks:
        families: dict[str, list[Finding]] = {}
        for answer in look:
            families.setdefault(answer.family, []).append(answer)
        for members in families.values():
            p_values = np.minimum(1.0, len(looks) * adjusted(np.array([answer.p_value for answer in members])))
            adjusted_answers += [
                replace(answer, p_value=p_value) for answer, p_value in zip(members, p_values.tolist(), strict=True)
            ]
    return adjusted_answers


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
