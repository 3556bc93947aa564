"""What a question looks like as a notification."""

from __future__ import annotations

from typing import Final

from taskclf_tray.app import text
from taskclf_tray.core.time import from_us
from taskclf_tray.core.types import LABEL_SET_V1, CoreLabel
from taskclf_tray.notify.base import Button, Notice
from taskclf_tray.store.requests import RequestRecord

ASK_TAG: Final = "ask:"
LABEL_KEY: Final = "label_"
OTHER_KEY: Final = "other"
SKIP_KEY: Final = "skip"
NEVER_KEY: Final = "never"
_GAP_GUESSES: Final = (CoreLabel.MEET.value, CoreLabel.BREAK_IDLE.value)


def question_notice(request: RequestRecord, *, has_buttons: bool, is_first: bool, app: str | None) -> Notice:
    """The question about a block. `app`: the app most in front, where notifications may name it."""
    is_gap = request.reason == "gap"
    return Notice(
        text.question_title(from_us(request.start_us), from_us(request.end_us), request.predicted_label, is_gap=is_gap),
        text.question_body(is_gap=is_gap, has_buttons=has_buttons, is_first=is_first, app=app),
        _buttons(request, is_first=is_first) if has_buttons else (),
        tag=ASK_TAG + request.request_id,
    )


def label_of_key(key: str) -> str | None:
    """The label a button stands for; None for the other buttons."""
    number = key.removeprefix(LABEL_KEY)
    return LABEL_SET_V1[int(number)] if number != key and number in map(str, range(len(LABEL_SET_V1))) else None


def _buttons(request: RequestRecord, *, is_first: bool) -> tuple[Button, ...]:
    is_gap = request.reason == "gap"
    guesses = _GAP_GUESSES if is_gap else (request.predicted_label, request.second_label)
    labels = [
        Button(text.answer_button(label, is_gap=is_gap), f"{LABEL_KEY}{LABEL_SET_V1.index(label)}")
        for label in guesses
        if label in LABEL_SET_V1
    ]
    never = [Button(text.ANSWER_NEVER, NEVER_KEY)] if is_first else []  # among the first three: GNOME shows no more
    return (*labels, *never, Button(text.ANSWER_OTHER, OTHER_KEY), Button(text.ANSWER_SKIP, SKIP_KEY))
