"""Why a minute has its label, in one or two sentences: no title, no word of one."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from taskclf_tray.adapters.apps import shown_app
from taskclf_tray.app.text import clock, name_of
from taskclf_tray.core.time import from_us
from taskclf_tray.infer.reasons import Group, Reasons
from taskclf_tray.record.why import Because, Why

MOST_REASONS: Final = 3
_WEAK: Final = 0.25
"""A reason with less than this share of the strongest one's effect is not named."""
_NAMES: Final = MappingProxyType(
    {
        Group.TITLES: "the words in the window titles",
        Group.TYPING: "how much was typed",
        Group.MOUSE: "how the mouse was used",
        Group.ACTIVITY: "how steadily keyboard and mouse were used",
        Group.SWITCHING: "how often the window changed",
        Group.TIME: "the time of day",
        Group.AROUND: "the minutes around it",
        Group.HABIT: "how often you gave this label",
    }
)
_SAID: Final = MappingProxyType(
    {
        "manual": "you labelled it at {at}",
        "answer": "you answered so at {at}",
        "import": "a file that you imported says so",
        "auto": "it was labelled automatically",
    }
)


def why_told(why: Why) -> tuple[str, str]:
    """Return a title, such as `14:05: Build 78 %`, and what led to it."""
    start, prediction = clock(why.prediction.bucket_start_ts), why.prediction
    label, percent = name_of(why.label), f"{round(prediction.confidence * 100)} %"
    match why.because:
        case Because.SAID:
            return (
                f"{start}: {label}, as you said",
                f"{_said(why)} {_by_itself(why, 'The model alone would say')}".strip(),
            )
        case Because.IDLE:
            since = clock(why.idle_since or prediction.bucket_start_ts)
            return f"{start}: {label}", f"Nobody touched keyboard or mouse from {since} on."
        case Because.NO_WINDOW:
            return f"{start}: {label}", "No window had the focus, so there was nothing to tell the work by."
        case Because.REJECTED:
            limit = prediction.reject_threshold
            below = "" if limit is None else f", and a label is shown from {round(limit * 100)} % on"
            guess = f"{prediction.core_label_name} came first with {percent}{below}."
            return f"{start}: {label}", f"{guess} {_reasons(why)}".strip()
        case Because.SMOOTHED:
            own = _by_itself(why, "By itself it looked like")
            return f"{start}: {label}", f"The minutes around it are {label}. {own}".strip()
        case _:
            return f"{start}: {label} {percent}", _reasons(
                why
            ) or "No single thing stands out; everything together said so."


def _said(why: Why) -> str:
    assert why.said is not None
    words = _SAID[why.said.provenance].format(at=clock(from_us(why.said.created_us)))
    return f"{words[0].upper()}{words[1:]}."


def _by_itself(why: Why, beginning: str) -> str:
    if why.reasons is None:
        return ""
    reasons = why.reasons
    return f"{beginning} {reasons.label} ({round(reasons.probability * 100)} %). {_reasons(why)}".strip()


def _reasons(why: Why) -> str:
    """`What counts most is the program, Code, then how much was typed.`"""
    reasons = why.reasons
    if reasons is None:
        return ""
    first, *rest = [_named(group, why) for group in strongest(reasons)] or [""]
    if not first:
        return ""
    then = f", then {' and '.join(rest)}" if rest else ""
    of_now = "" if why.is_of_now else " That is how the model in use today sees it; another one decided then."
    other = f" for {reasons.label}" if reasons.label != why.prediction.core_label_name else ""
    return f"What counts most{other} is {first}{then}.{of_now}"


def strongest(reasons: Reasons) -> list[Group]:
    """The groups worth naming, strongest first."""
    strong = [one.group for one in reasons.found if one.effect >= _WEAK * reasons.found[0].effect]
    return strong[:MOST_REASONS]


def _named(group: Group, why: Why) -> str:
    if group is not Group.PROGRAM:
        return _NAMES[group]
    app = shown_app(why.app_id)
    return "the program in front" if app is None else f"the program ({name_of(app)})"
