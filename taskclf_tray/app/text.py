"""What the person reads in status line, menu, questions and notices: plain words, no window title, no URL."""

from __future__ import annotations

from datetime import UTC, datetime

from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.core.time import from_us, local_midnight
from taskclf_tray.report.bucket_parts import duration
from taskclf_tray.system.local_zone import local_time, local_zone_name

Message = tuple[str, str]
"""What a notification says: title and body."""

APP_NAME = "taskclf"
_NAME_CHARACTERS = 60

# -- status -------------------------------------------------------------------------------------------------


def clock(moment: datetime) -> str:
    """`14:05`, in the machine's local time."""
    return local_time(moment).strftime("%H:%M")


def name_of(label: str) -> str:
    """A label, made safe for a line: the name of a category comes from a file and may hold anything."""
    return plain_text(label, _NAME_CHARACTERS) or "?"


def live_line(ui_label: str, core_label: str, probability: float, since: datetime | None) -> str:
    """`Deep Work — Build 87 % since 14:05`; a label that is its own category appears once."""
    name = core_label if ui_label == core_label else f"{name_of(ui_label)} — {core_label}"
    line = f"{name} {round(probability * 100)} %"
    return f"{line} since {clock(since)}" if since else line


def perhaps_line(ui_label: str, core_label: str, probability: float, since: datetime | None) -> str:
    """`Perhaps Build 55 % since 14:05`: an unproven prediction of the starter model."""
    return f"Perhaps {live_line(ui_label, core_label, probability, since)}"


def own_line(ui_label: str, core_label: str, since: datetime) -> str:
    """The person's own label; without a percentage."""
    name = core_label if ui_label == core_label else f"{name_of(ui_label)} — {core_label}"
    return f"{name}, as you said, since {clock(since)}"


def unsure_line(core_label: str, probability: float) -> str:
    """A rejected prediction."""
    return f"Not sure — perhaps {core_label} ({round(probability * 100)} %)"


def away_line(since: datetime | None) -> str:
    """Nobody at the keyboard."""
    return f"Away since {clock(since)}" if since else "Away"


STARTING = "Starting…"
WAITING = "Watching — the first label comes within two minutes"
NO_MODEL = "No model — choose one under Prediction Model"
NO_WINDOW = "No window has the focus"
PRIVATE = "Private mode — nothing is read"
ATTENTION = "Something needs attention — see Advanced → Open Log"


def quiet_line(since: datetime) -> str:
    """The source responds, and has nothing new."""
    return f"No activity seen since {local_time(since).strftime('%a')} {clock(since)}"


def paused_line(until: datetime | None) -> str:
    """A pause, and when it ends."""
    if until is None:
        return "Paused"
    is_midnight = until == local_midnight(until, local_zone_name())
    return "Paused until tomorrow" if is_midnight else f"Paused until {clock(until)}"


TRAY_LOST = "The desktop session that showed the tray icon has ended."
TRAY_LOST_STEP = "Start taskclf-tray again in the new session; nothing recorded is lost."


SIMULATION_BANNER = "Simulated person: this is not your activity"


def as_line(title: str, body: str) -> str:
    """A message in one line."""
    return f"{title.removesuffix('.')}. {body}".strip()


# -- menu ---------------------------------------------------------------------------------------------------

MENU_WHY = "Why this label?"
MENU_LABEL = "Label this as"
MENU_REVIEW = "Review"
MENU_NOTHING_WAITS = "No block waits for a label"
MENU_SKIP = "Skip"
MENU_UNDO = "Undo"
MENU_TODAY = "Today"
MENU_TODAY_NOTHING = "No minute is recorded yet"
MENU_TODAY_UNSURE = "Not sure"
MENU_TODAY_TOTAL = "Total"
MENU_ASK = "Ask me"
MENU_ASK_ON = "On"
MENU_ASK_SNOOZE = "Snooze 1 hour"
MENU_ASK_NOT_TODAY = "Not again today"
MENU_PAUSE = "Pause"
MENU_PAUSE_15 = "15 minutes"
MENU_PAUSE_60 = "1 hour"
MENU_PAUSE_TOMORROW = "Until tomorrow"
MENU_RESUME = "Resume"
MENU_PRIVATE = "Private mode"
MENU_MODEL = "Prediction Model"
MENU_NO_MODELS = "No model found"
MENU_RETRAIN = "Retrain now"
MENU_STOP_RETRAINING = "Stop retraining"
MENU_ROLL_BACK = "Roll back"
MENU_MODEL_STATUS = "Status"
MENU_ADVANCED = "Advanced"
MENU_EDIT_POLICY = "Edit Inference Policy"
MENU_EDIT_CONFIG = "Edit Config"
MENU_EDIT_TAXONOMY = "Edit Taxonomy"
MENU_RELOAD = "Reload now"
MENU_OPEN_DATA = "Open Data Folder"
MENU_OPEN_LOG = "Open Log"
MENU_LOGIN = "Start at login"
MENU_QUIT = "Quit"


def menu_label(start: datetime | None) -> str:
    """`Label this as (since 14:05)`: from where on the label would hold."""
    return MENU_LABEL if start is None else f"{MENU_LABEL} (since {clock(start)})"


def menu_review(count: int) -> str:
    """The entry of the waiting blocks: `Review (3)`."""
    return f"{MENU_REVIEW} ({count})" if count else MENU_REVIEW


def review_entry(start: datetime, end: datetime, guess: str | None, probability: float | None, *, is_gap: bool) -> str:
    """One waiting block: `14:05–14:25  Build? 48 %`."""
    if is_gap:
        return f"{stretch(start, end)}  Away?"
    doubt = "" if probability is None else f" {round(probability * 100)} %"
    return f"{stretch(start, end)}  {guess or 'What was it'}?{doubt}"


def review_yes(guess: str) -> str:
    """The predicted label is right."""
    return f"Yes, {guess}"


def menu_undo(kind: str, label: str | None, start: datetime, end: datetime) -> str:
    """`Undo “Build 14:05–14:25”`."""
    what = {"skip": "Skip", "import": "Import", "erase": "Delete", "merge": "Merge"}.get(kind, label or "Labels")
    return f"{MENU_UNDO} “{what} {stretch(start, end)}”"


def today_entry(name: str, minutes: int) -> str:
    """`Deep Work  3 h 05 min`."""
    return f"{name_of(name)}  {duration(minutes)}"


def stretch(start: datetime, end: datetime) -> str:
    """`14:05–14:25`, with the day before it when it is not today."""
    local = local_time(start)
    day = "" if local.date() == local_time(datetime.now(UTC)).date() else f"{local.strftime('%d %b')} "
    return f"{day}{clock(start)}–{clock(end)}"


def menu_model(training_percent: int | None) -> str:
    """`Prediction Model`, with the progress of a training."""
    return MENU_MODEL if training_percent is None else f"{MENU_MODEL} — retraining {training_percent} %"


def model_entry(name: str, problem: str | None) -> str:
    """A bundle in the Prediction Model menu.

    `_` marks an access key in menus. Doubled it stands for itself, but GNOME's extension undoes only the first of them.
    """
    shown = name.replace("_", " ")
    return shown if problem is None else f"{shown} — {problem}"


# -- notices ------------------------------------------------------------------------------------------------


def welcome(asks_per_day: int) -> Message:
    """The notification of the first start."""
    asks = (
        f"From tomorrow on it asks what a block of time was, at most {asks_per_day} times a day."
        if asks_per_day
        else "It never asks you anything."
    )
    return (
        "taskclf is watching what kind of work you do",
        "It records, on this computer only, one label a minute and numbers about the app in front. Window titles and "
        "web addresses are never stored. At first it does not know your work and is often wrong; each label of yours "
        f"(Label this as) helps. {asks} Pause, Private mode and Ask me are in the menu.",
    )


# -- questions ------------------------------------------------------------------------------------------------

ANSWER_OTHER = "Other…"
_GAP_NAMES = {"Meet": "Meeting", "BreakIdle": "Break"}


def answer_button(label: str, *, is_gap: bool) -> str:
    """The button of a label; in everyday words for time away."""
    return _GAP_NAMES.get(label, label) if is_gap else label


def question_title(start: datetime, end: datetime, guess: str | None, *, is_gap: bool) -> str:
    """`14:05–14:25: Build?`"""
    if is_gap:
        return f"{stretch(start, end)}: where were you?"
    return f"{stretch(start, end)}: {guess or 'what was it'}?"


def question_body(*, is_gap: bool, has_buttons: bool, is_first: bool, app: str | None) -> str:
    """The text under the question. `app`: the app most in front, where notifications may name it."""
    parts = []
    if app is not None:
        parts.append(f"Mostly in {plain_text(app, _NAME_CHARACTERS)}.")
    parts.append("A meeting, a break, something else?" if is_gap else "Your answer teaches the model.")
    if not has_buttons:
        parts.append("Answer in the menu, under Review.")
    if is_first:
        parts.append("Ask me, in the menu, turns questions off and on.")
    return " ".join(parts)


def question_in_terminal(request_id: str, home: str | None) -> str:
    """How to answer in a terminal. `home`: for commands, where it is not their default."""
    where = "" if home is None else f" --home {home}"
    number = request_id[:8]
    return f"Answer: taskclf-tray queue answer {number} LABEL{where}; or: taskclf-tray queue skip {number}{where}"


def where_to_answer(start_us: int, end_us: int) -> Message:
    """Other… was pressed."""
    return (
        f"{stretch(from_us(start_us), from_us(end_us))} waits in the menu",
        "Open the tray menu, then Review: all eight labels and Skip are there.",
    )


def answered_already(start_us: int, end_us: int) -> Message:
    """An answer to a block that was labelled or skipped meanwhile."""
    return (
        f"{stretch(from_us(start_us), from_us(end_us))} is answered already",
        "It was labelled or skipped before. Nothing has changed.",
    )


def nothing_to_undo() -> Message:
    """Undo, and nothing of the last day is left to undo."""
    return "Nothing to undo", "A label can be taken back for one day."


def not_written(title: str, next_step: str) -> Message:
    """A label, an answer or a switch that could not be stored. The click can be repeated in the menu."""
    return title, f"What you just clicked was not written down. {next_step}".rstrip()


def asking_halved(cap: int) -> Message:
    """Few answers in a week."""
    times = "once" if cap == 1 else f"{cap} times"
    return (
        f"Fewer questions: at most {times} a day",
        "Most of last week's questions stayed unanswered. Blocks still wait under Review in the menu.",
    )


def asking_restored(cap: int) -> Message:
    """Answers came again."""
    return f"Questions again: at most {cap} a day", "Thank you for last week's answers."


def not_opened(path: str, *, is_folder: bool, is_copied: bool) -> Message:
    """No program would open the file or folder."""
    what = "file manager" if is_folder else "editor"
    copied = " (the path is in the clipboard)" if is_copied else ""
    return f"No {what} could be started", f"Open it yourself: {path}{copied}"


def unexpected(kind: str) -> Message:
    """A mistake of ours."""
    return (
        f"Something unexpected went wrong ({kind})",
        "The app tries again. Advanced → Open Log shows where it went wrong.",
    )


def trouble(title: str, next_step: str) -> Message:
    """Any other error with a title and a next step."""
    return title, next_step
