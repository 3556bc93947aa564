"""What a drift report means to the person: a handful of stories.

A report may hold thirty alerts about one change: a new app moves the clicks, the switches and the labels too. So
alerts become stories, all that is found together is one drift, and of a drift one story is told, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from taskclf_tray.drift.report import NEW_BELOW_SHARE, DriftTrigger
from taskclf_tray.drift.wording import INPUT_STEMS, NOTHING_LATELY, sentence, since_when

StoryKind = Literal[
    "no_input", "new_app", "rejects", "classes", "app_shift", "category", "unsure", "habits", "data", "input_back"
]
"""The kinds of stories; what says most to a person comes first."""

CAUSES: Final[frozenset[StoryKind]] = frozenset({"no_input", "new_app"})
"""Stories that name a cause: one of another drift is not explained by the drift that lasts."""
_ORDER: Final[Mapping[str, int]] = {
    kind: place
    for place, kind in enumerate(
        ("no_input", "new_app", "rejects", "classes", "app_shift", "category", "unsure", "habits", "data", "input_back")
    )
}


@dataclass(frozen=True, slots=True)
class Story:
    """One change to tell.

    `subject`: an app id or a label. `alert`: of the report, as JSON. `is_begin_seen`: the days before `since` are in
    the window, and unlike it; else the change may have begun earlier.
    """

    kind: StoryKind
    subject: str
    since: date | None
    before: float
    after: float
    alert: Mapping[str, Any]
    is_begin_seen: bool = True

    @property
    def key(self) -> str:
        """The same for the same story on another day."""
        return f"new_app:{self.subject}" if self.kind == "new_app" else self.kind


def stories_of(report: Mapping[str, Any]) -> list[Story]:
    """The stories of a report (as JSON), one per key, the most telling first.

    A new kind of app is no story of its own beside that of the app.
    """
    found: dict[str, Story] = {}
    of_app = any("app_id" in alert["affected_features"] for alert in report["alerts"])
    first = min((user["current_days"][0] for user in report["users"] if user["current_days"]), default=None)
    for alert in report["alerts"]:
        if of_app and "app_category" in alert["affected_features"]:
            continue
        story = _story(alert, first)
        found.setdefault(story.key, story)
    return sorted(found.values(), key=lambda story: _ORDER[story.kind])


def too_little_data(report: Mapping[str, Any]) -> str | None:
    """Why a report can say nothing; None when it can."""
    users = report["users"]
    if not users:
        return NOTHING_LATELY
    return None if any(user["too_little_data"] is None for user in users) else str(users[0]["too_little_data"])


def _story(alert: Mapping[str, Any], first_day: str | None) -> Story:
    details, feature = alert["details"], str(alert["affected_features"][0])
    before = float(details.get("reference_share", details.get("reference_rate", 0.0)))
    after = float(details.get("current_share", details.get("current_rate", 0.0)))
    since = None if alert["since"] is None else date.fromisoformat(alert["since"])
    kind = _kind(str(alert["trigger"]), feature, before, after)
    subject = feature if kind == "classes" else str(details.get("value", ""))
    return Story(kind, subject, since, before, after, alert, alert["since"] != first_day)


def _kind(trigger: str, feature: str, before: float, after: float) -> StoryKind:
    match trigger:
        case "missingness" if feature.startswith(INPUT_STEMS):
            return "no_input" if after > before else "input_back"
        case "missingness":
            return "data"
        case "category_shift" if feature == "app_id":
            return "new_app" if before < NEW_BELOW_SHARE and after > before else "app_shift"
        case "category_shift":
            return "category"
        case "class_shift":
            return "classes"
        case "reject_rate_increase":
            return "rejects"
        case "entropy_spike":
            return "unsure"
        case _:
            return "habits"


def words(story: Story, today: date, *, names_apps: bool) -> str:
    """The story in a sentence or two. `today`: the day on which it is told; `names_apps`: whether apps may be named."""
    alert = story.alert
    trigger, feature = DriftTrigger(alert["trigger"]), str(alert["affected_features"][0])
    return sentence(trigger, feature, alert["details"], since_when(story.since, today), names_apps=names_apps)
