"""What a drift report means to the person: a handful of stories, and their words.

A report may hold thirty alerts about one change: a new program moves the clicks, the switches and the labels too. So
alerts become stories, all that is found together is one drift, and of a drift one story is told, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from taskclf_tray.adapters.apps import AppRegistry, shown_app
from taskclf_tray.core.plain_text import plain_text

StoryKind = Literal[
    "no_input", "new_app", "rejects", "classes", "app_shift", "category", "unsure", "habits", "data", "input_back"
]
"""What says most to a person comes first."""

CAUSES: Final[frozenset[StoryKind]] = frozenset({"no_input", "new_app"})
"""Stories that name a cause: one of another drift is not explained by the drift that lasts."""
_ORDER: Final[Mapping[str, int]] = {
    kind: place
    for place, kind in enumerate(
        ("no_input", "new_app", "rejects", "classes", "app_shift", "category", "unsure", "habits", "data", "input_back")
    )
}
_INPUT: Final = ("keys_", "clicks_", "scroll_", "mouse_", "active_seconds_", "max_idle_run_", "event_density")
_NAME_CHARACTERS: Final = 60
_NEW_BELOW_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Story:
    """`subject`: an app id or a label. `plain`: the check's own words, which name no program.

    `is_begin_seen`: the days before `since` are in the window, and unlike it; else it may have begun earlier.
    """

    kind: StoryKind
    subject: str
    since: date | None
    before: float
    after: float
    plain: str
    is_begin_seen: bool = True

    @property
    def key(self) -> str:
        """Stories of one key are the same story, whatever the day."""
        return f"new_app:{self.subject}" if self.kind == "new_app" else self.kind


def stories_of(report: Mapping[str, Any]) -> list[Story]:
    """The stories of a report (as JSON), one for each key, the most telling first.

    That another kind of program is used is no story of its own beside the one of the program.
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
        return DRIFT_NOTHING_LATELY
    return None if any(user["too_little_data"] is None for user in users) else str(users[0]["too_little_data"])


def _story(alert: Mapping[str, Any], first_day: str | None) -> Story:
    details, feature = alert["details"], str(alert["affected_features"][0])
    before = float(details.get("reference_share", details.get("reference_rate", 0.0)))
    after = float(details.get("current_share", details.get("current_rate", 0.0)))
    since = None if alert["since"] is None else date.fromisoformat(alert["since"])
    kind = _kind(str(alert["trigger"]), feature, before, after)
    subject = feature if kind == "classes" else str(details.get("value", ""))
    return Story(kind, subject, since, before, after, str(alert["text"]), alert["since"] != first_day)


def _kind(trigger: str, feature: str, before: float, after: float) -> StoryKind:
    match trigger:
        case "missingness" if feature.startswith(_INPUT):
            return "no_input" if after > before else "input_back"
        case "missingness":
            return "data"
        case "category_shift" if feature == "app_id":
            return "new_app" if before < _NEW_BELOW_SHARE and after > before else "app_shift"
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


# -- words --------------------------------------------------------------------------------------------------


def words(story: Story, today: date, *, names_apps: bool) -> str:
    """The story in a sentence; `names_apps`: the person lets apps be named."""
    since = drift_since(story.since, today)
    app = app_name(story.subject) if names_apps else None
    match story.kind:
        case "no_input":
            return drift_no_input(since)
        case "input_back":
            return drift_input_back(since)
        case "new_app":
            return drift_new_app(app, since)
        case "app_shift":
            return drift_app_shift(app, since, is_more=story.after > story.before)
        case "classes":
            return drift_class(story.subject, story.before, story.after, since)
        case "rejects":
            return drift_rejects(story.before, story.after, since)
        case "unsure":
            return drift_unsure(since)
        case _:
            return story.plain


def app_name(app_id: str) -> str | None:
    """What a person calls the app, with a capital; None when nothing of a name is known."""
    name = AppRegistry.default().common_name(app_id) or shown_app(app_id)
    return None if name is None else name[:1].upper() + name[1:]


# -- drift --------------------------------------------------------------------------------------------------


def drift_since(day: date | None, today: date) -> str:
    """`since Tuesday`; the date where the weekday would be another one's too."""
    if day is None:
        return "lately"
    return f"since {day:%A}" if 0 <= (today - day).days < 7 else f"since {day.day} {day:%B}"


def drift_new_app(app: str | None, since: str) -> str:
    """An app in front that the model never learned from. `app` None: it is not to be named."""
    if app is None:
        return f"You use an app a lot {since} that the model has not seen."
    return f"You use {plain_text(app, _NAME_CHARACTERS)} a lot {since}; the model has not seen that."


def drift_app_shift(app: str | None, since: str, *, is_more: bool) -> str:
    """An app in front much more or much less than before."""
    name = "one of your apps" if app is None else plain_text(app, _NAME_CHARACTERS)
    return f"You use {name} much {'more' if is_more else 'less'} {since}."


def drift_no_input(since: str) -> str:
    """The watcher of keyboard and mouse has gone quiet."""
    return f"No keyboard or mouse data {since}: is the input watcher running?"


def drift_input_back(since: str) -> str:
    """Keyboard and mouse are watched, which the model is not used to."""
    return f"There is keyboard and mouse data {since}, which there was not before."


def drift_class(label: str, before: float, after: float, since: str) -> str:
    """The day is filled with something else than it was."""
    return f"{label} is {round(after * 100)} % of your time {since}; before, it was {round(before * 100)} %."


def drift_rejects(before: float, after: float, since: str) -> str:
    """The model abstains more often."""
    return (
        f"The model does not know what you do {round(after * 100)} % of the time {since}; "
        f"before, it was {round(before * 100)} %."
    )


def drift_unsure(since: str) -> str:
    """The model's answers have become vaguer."""
    return f"The model is much less sure of what you do {since}."


DRIFT_NEVER = "The record has not been checked for a drift yet: that wants a few days to compare, and then runs daily."
DRIFT_TOO_SHORT = "Too little to compare: the record does not go back more than a week."
DRIFT_NOTHING_LATELY = "Too little to compare: the last seven days have no record."
DRIFT_NONE = "Your work looks as it did."
