"""Every sentence about drift: what changed, since when, in plain words and without a term of statistics.

One sentence for each kind of change, the same in a report, a notification and on the command line. Apps are named
only where the person allows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from taskclf_tray.adapters.apps import AppRegistry, shown_app
from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.drift.report import NEW_BELOW_SHARE, DayKind, DriftAlert, DriftTrigger, UserDrift

NEVER_CHECKED: Final = (
    "The record has not been checked for drift yet. The check needs a few days to compare, and then runs daily."
)
TOO_SHORT: Final = "Too little to compare: the record does not go back more than a week."
NOTHING_LATELY: Final = "Too little to compare: the last seven days have no record."
NO_DRIFT: Final = "Your work looks as it did."
INPUT_STEMS: Final = ("keys_", "clicks_", "scroll_", "mouse_", "active_seconds", "max_idle_run_", "event_density")
"""How the names of the features begin that the input watcher gives."""

_NO_VALUE: Final = ("", "None", "nan", "<NA>")
_NAME_CHARACTERS: Final = 60
_SUBJECTS: Final[Mapping[str, str]] = {
    "app_foreground_time_ratio": "how long one app stays in front",
    "app_dwell_time_seconds": "how long one app stays in front",
    "title_repeat_count_session": "how often the same window comes back",
    "session_length_so_far": "how long you work without a break",
    "idle_return_indicator": "how often you come back from a break",
    "hour_of_day": "when you work",
    "max_idle_run_seconds": "how long keyboard and mouse rest",
    "event_density": "how steadily you use keyboard and mouse",
    "active_seconds_any": "how steadily you use keyboard and mouse",
    "clicks_per_min": "how much you click",
    "scroll_events_per_min": "how much you scroll",
    "is_browser": "how much you use the browser",
    "is_editor": "how much you use an editor",
    "is_terminal": "how much you use a terminal",
}
_STEMS: Final = (
    (("keys_per_min", "active_seconds_keyboard", "backspace", "shortcut"), "how much you type"),
    (("mouse", "active_seconds_mouse", "clicks"), "how much you use the mouse"),
    (("app_switch", "app_change", "app_entropy", "top2_app"), "how often you switch apps"),
    (("title_",), "the kind of window titles"),
)


def since_when(day: date | None, today: date | None = None) -> str:
    """`since Tuesday`; the date where `today` is a week later or more; `lately` where no day is known."""
    if day is None:
        return "lately"
    return f"since {day:%A}" if today is None or 0 <= (today - day).days < 7 else f"since {day.day} {day:%B}"


def sentence(trigger: DriftTrigger, feature: str, details: Mapping[str, Any], since: str, *, names_apps: bool) -> str:
    """Say what changed.

    Args:
        trigger: which kind of change.
        feature: the column, or the label for `class_shift`.
        details: the figures of both windows, as in `DriftAlert.details`.
        since: from `since_when`.
        names_apps: whether apps and sites may be named.
    """
    before = details.get("reference_share", details.get("reference_rate", 0.0))
    after = details.get("current_share", details.get("current_rate", 0.0))
    match trigger:
        case DriftTrigger.missingness:
            return _missing(feature, since, is_lost=after > before)
        case DriftTrigger.category_shift if details["value"] in _NO_VALUE:
            return _missing(feature, since, is_lost=after > before)
        case DriftTrigger.category_shift:
            name = value_name(feature, str(details["value"])) if names_apps else None
            return _category(feature, name, since, is_new=before < NEW_BELOW_SHARE, is_more=after > before)
        case DriftTrigger.class_shift:
            return f"{feature} has been {_percent(after)} of your time {since}; before, it was {_percent(before)}."
        case DriftTrigger.reject_rate_increase:
            return (
                f"The model has not known what you do {_percent(after)} of the time {since}; "
                f"before, it was {_percent(before)}."
            )
        case DriftTrigger.entropy_spike:
            return f"The model has been much less sure of what you do {since}."
        case _:
            subject = _subject(feature)
            return f"{subject[0].upper()}{subject[1:]} has changed {since}."


def value_name(feature: str, value: str) -> str | None:
    """What a person calls an app or a kind of apps or sites; None where nothing of a name is known."""
    if feature != "app_id":
        noun = "sites" if feature == "domain_category" else "apps"
        return f"{noun} of the kind “{value.replace('_', ' ')}”"
    name = AppRegistry.default().common_name(value) or shown_app(value)
    return None if name is None else plain_text(name[:1].upper() + name[1:].replace("_", " "), _NAME_CHARACTERS)


def too_little(when: str, days: int, needed: int, kind: DayKind) -> str:
    """Why nothing can be said. `when`: "before" for the reference window, else the current one."""
    name = "working days" if kind == "weekday" else "weekend days"
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
    return lacking[0] if len(lacking) == len(users) else NO_DRIFT


def _category(feature: str, name: str | None, since: str, *, is_new: bool, is_more: bool) -> str:
    noun = {"app_id": "app", "domain_category": "kind of site"}.get(feature, "kind of app")
    if not (is_new and is_more):
        return f"You have used {name or f'one {noun}'} much {'more' if is_more else 'less'} {since}."
    if name is None:
        article = "an" if noun == "app" else "a"
        return f"You have used {article} {noun} a lot {since} that the model has not seen before."
    return f"You have used {name} a lot {since}. The model has not seen {'it' if noun == 'app' else 'them'} before."


def _missing(feature: str, since: str, *, is_lost: bool) -> str:
    if feature.startswith(INPUT_STEMS):
        if is_lost:
            return f"There has been no keyboard or mouse data {since}: is the input watcher running?"
        return f"There has been keyboard and mouse data {since}, which there was not before."
    if is_lost:
        return f"Part of the data has been missing {since}. The model has learned with it."
    return f"There has been more data {since}. The model has learned without it."


def _subject(feature: str) -> str:
    if feature in _SUBJECTS:
        return _SUBJECTS[feature]
    return next((text for stems, text in _STEMS if feature.startswith(stems)), "the way you work")


def _percent(share: Any) -> str:
    return f"{100 * float(share):.0f} %"
