"""Every sentence the person reads, in one file. Plain words, no title, no URL, no path longer than needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from taskclf_tray.adapters.base import BucketState, Stream, Unread
from taskclf_tray.core.defaults import DEFAULT_RETRAIN_BLOCKS, DEFAULT_RETRAIN_DAYS
from taskclf_tray.core.plain_text import plain_text
from taskclf_tray.core.time import from_us, local_midnight
from taskclf_tray.labels.learning import LastTraining
from taskclf_tray.models.metadata import ModelMetadata
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
    """A label as it may stand in a line: a category's name comes from a file and may hold anything."""
    return plain_text(label, _NAME_CHARACTERS) or "?"


def live_line(ui_label: str, core_label: str, probability: float, since: datetime | None) -> str:
    """`Deep Work — Build 87 % since 14:05`; a label that is its own category stands once."""
    name = core_label if ui_label == core_label else f"{name_of(ui_label)} — {core_label}"
    line = f"{name} {round(probability * 100)} %"
    return f"{line} since {clock(since)}" if since else line


def own_line(ui_label: str, core_label: str, since: datetime) -> str:
    """What the person said it is; no percentage, for they know."""
    name = core_label if ui_label == core_label else f"{name_of(ui_label)} — {core_label}"
    return f"{name}, as you said, since {clock(since)}"


def unsure_line(core_label: str, probability: float) -> str:
    """The model has a guess, and does not trust it."""
    return f"Not sure — perhaps {core_label} ({round(probability * 100)} %)"


def away_line(since: datetime | None) -> str:
    """Nobody at the keyboard."""
    return f"Away since {clock(since)}" if since else "Away"


STARTING = "Starting…"
WAITING = "Watching — the first label comes within two minutes"
NO_MODEL = "No model — choose one under Prediction Model"
NO_WINDOW = "No window has the focus"
PRIVATE = "Private mode — nothing is read"
ATTENTION = "Needs attention — see Advanced, Open Log"


def quiet_line(since: datetime) -> str:
    """The source answers, and has nothing new."""
    return f"No activity seen since {local_time(since).strftime('%a')} {clock(since)}"


def paused_line(until: datetime | None) -> str:
    """A pause, and when it ends."""
    if until is None:
        return "Paused"
    is_midnight = until == local_midnight(until, local_zone_name())
    return "Paused until tomorrow" if is_midnight else f"Paused until {clock(until)}"


TRAY_LOST = "The desktop session that showed the tray icon has ended."
TRAY_LOST_STEP = "Start taskclf-tray again in the new session; nothing recorded is lost."

NO_BUILTIN = "config.toml: this version has no built-in watcher; ActivityWatch is used as the source."

SIMULATION_BANNER = "Simulated person: this is not your activity"


def as_line(title: str, body: str) -> str:
    """A message where there is room for one line only."""
    return f"{title.removesuffix('.')}. {body}".strip()


# -- menu ---------------------------------------------------------------------------------------------------

MENU_LABEL = "Label this as"
MENU_REVIEW = "Review"
MENU_SKIP = "Skip"
MENU_UNDO = "Undo"
MENU_TODAY = "Today"
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
MENU_QUIT = "Quit"


def menu_label(start: datetime | None) -> str:
    """`Label this as (since 14:05)`: from where a label would hold."""
    return MENU_LABEL if start is None else f"{MENU_LABEL} (since {clock(start)})"


def menu_review(count: int) -> str:
    """The entry of the blocks that wait."""
    return f"{MENU_REVIEW} ({count})"


def review_entry(start: datetime, end: datetime, guess: str | None, probability: float | None, *, is_gap: bool) -> str:
    """One block that waits: `14:05–14:25  Build? 48 %`."""
    if is_gap:
        return f"{stretch(start, end)}  Away?"
    doubt = "" if probability is None else f" {round(probability * 100)} %"
    return f"{stretch(start, end)}  {guess or 'What was it'}?{doubt}"


def review_yes(guess: str) -> str:
    """The guess was right."""
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
    """`Prediction Model`, and how far a training is."""
    return MENU_MODEL if training_percent is None else f"{MENU_MODEL} — retraining {training_percent} %"


def model_entry(name: str, problem: str | None) -> str:
    """A bundle in the Prediction Model menu."""
    return name if problem is None else f"{name} — {problem}"


# -- notices ------------------------------------------------------------------------------------------------


def welcome(asks_per_day: int) -> Message:
    """The one notification of the first start."""
    asks = (
        f"From tomorrow on it asks what a block of time was, at most {asks_per_day} times a day."
        if asks_per_day
        else "It never asks you anything."
    )
    return (
        "taskclf is watching what kind of work you do",
        "It records, on this computer only, one label a minute and numbers about the app in front. Window titles and "
        f"web addresses are never stored. {asks} Pause, Private mode and Ask me are in the menu.",
    )


# -- questions ------------------------------------------------------------------------------------------------

ANSWER_OTHER = "Other…"
ANSWER_SKIP = "Skip"
ANSWER_NEVER = "Never ask"
_GAP_NAMES = {"Meet": "Meeting", "BreakIdle": "Break"}


def answer_button(label: str, *, is_gap: bool) -> str:
    """The button of a label; for time away in everyday words."""
    return _GAP_NAMES.get(label, label) if is_gap else label


def question_title(start: datetime, end: datetime, guess: str | None, *, is_gap: bool) -> str:
    """`14:05–14:25: Build?`"""
    if is_gap:
        return f"{stretch(start, end)}: where were you?"
    return f"{stretch(start, end)}: {guess or 'what was it'}?"


def question_body(*, is_gap: bool, has_buttons: bool, is_first: bool, app: str | None) -> str:
    """Under the question. `app`: the app most in front, where the person lets notifications name it."""
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
    """Where a terminal stands in for the notification. `home`: where it is not the one commands take by themselves."""
    where = "" if home is None else f" --home {home}"
    number = request_id[:8]
    return f"Answer: taskclf-tray queue answer {number} LABEL{where}; or: taskclf-tray queue skip {number}{where}"


def where_to_answer(start_us: int, end_us: int) -> Message:
    """Other… was pressed."""
    return (
        f"{stretch(from_us(start_us), from_us(end_us))} waits in the menu",
        "Open the tray menu, then Review: all eight labels are there.",
    )


def answered_already(start_us: int, end_us: int) -> Message:
    """An answer to a block that was labelled or skipped meanwhile."""
    return (
        f"{stretch(from_us(start_us), from_us(end_us))} needs no answer any more",
        "It was labelled or skipped before; nothing was changed.",
    )


def nothing_to_undo() -> Message:
    """Undo, and nothing younger than a day is there."""
    return "Nothing to undo", "A label can be taken back for one day."


def not_written(title: str, next_step: str) -> Message:
    """A label, an answer or a switch that could not be stored. What is in the menu can be clicked again there."""
    return title, f"What you just clicked was not written down. {next_step}".rstrip()


def asking_off() -> Message:
    """Never ask was pressed."""
    return "No more questions", "Ask me → On in the menu brings them back."


def asking_halved(cap: int) -> Message:
    """Few answers in a week."""
    times = "once" if cap == 1 else f"{cap} times"
    return (
        f"Fewer questions: at most {times} a day",
        "Most of last week's stayed unanswered. Blocks still wait under Review in the menu.",
    )


def asking_restored(cap: int) -> Message:
    """Answers came again."""
    return f"Questions again: at most {cap} a day", "Thank you for last week's answers."


# -- files and models -----------------------------------------------------------------------------------------


def threshold_changed(old: float | None, new: float | None) -> str:
    """`threshold 0.55 → 0.60`."""
    return f"threshold {_number(old)} → {_number(new)}"


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" if round(value, 2) == value else f"{value:g}"


def policy_applied(changes: list[str]) -> Message:
    """A save in the editor that was good."""
    return "Inference policy applied", ", ".join(changes) or "The file is valid; nothing that is served has changed."


def policy_refused(reason: str) -> Message:
    """A save in the editor that was not."""
    return "Inference policy not applied", f"{reason} The previous policy stays in use."


def policy_ignored(reason: str) -> Message:
    """At start: a policy that cannot be used; something else is served."""
    return "The inference policy cannot be used", reason


def policy_gone(changes: list[str]) -> Message:
    """The policy file was removed while running."""
    return "Inference policy removed", f"Without it: {', '.join(changes)}."


def model_changed(changes: list[str]) -> Message:
    """Another program pointed at another model, and there is no policy."""
    return "Prediction model changed", ", ".join(changes)


def no_model(reason: str) -> Message:
    """Reload now, and still nothing to serve."""
    return "No model can be used", reason


def no_model_for_policy() -> Message:
    """Edit Inference Policy without any model."""
    return (
        "There is no model to write a policy for",
        "Nothing was written. Choose a model under Prediction Model, or put a model folder into models/ with "
        "Open Data Folder. In a terminal: taskclf-tray doctor",
    )


def zone_not_usable(problem: str, name: str) -> Message:
    """The computer is set to a time zone that nobody knows."""
    return "The time zone of this computer cannot be used", f"{problem} Days are counted in {name}. {ZONE_STEP}"


def clock_put_back(by: timedelta, minutes: int, labels: int) -> Message:
    """The clock had been ahead; what was recorded ahead of it counts nowhere."""
    parts = [_counted(count, what) for count, what in ((minutes, "minute"), (labels, "label")) if count]
    verb = "is" if parts in (["1 minute"], ["1 label"]) else "are"
    return (
        f"The clock was put back by about {_about(by)}",
        f"{' and '.join(parts)} recorded ahead of it {verb} kept apart: they count in no report and no question. "
        "Recording goes on from now.",
    )


def clock_without_battery(now: datetime) -> Message:
    """The clock shows a time before this program was written."""
    return (
        f"The clock of this computer shows {local_time(now):%Y-%m-%d %H:%M}",
        "Set it right: until then little is recorded, and at the wrong time.",
    )


def record_ahead(newest: datetime) -> str:
    """The check-up finds marks of a time that has not come, and no app that has noticed."""
    return f"the record reaches to {local_time(newest):%Y-%m-%d %H:%M}, ahead of the clock"


RECORD_AHEAD_STEP = (
    "Start the app: it keeps apart what lies ahead, and goes on recording. If the clock is slow, set it first."
)


def kept_apart(minutes: int, labels: int, start: datetime, found: datetime) -> str:
    """What was recorded before the clock was put back."""
    parts = [_counted(count, what) for count, what in ((minutes, "minute"), (labels, "label")) if count]
    return (
        f"kept apart: {' and '.join(parts)} from {local_time(start):%Y-%m-%d %H:%M} on, recorded before the clock was "
        f"put back to {local_time(found):%Y-%m-%d %H:%M}"
    )


def minutes_back(count: int) -> Message:
    """The clock has leapt over minutes that were kept apart: it had been right before it was put back."""
    verb = "is" if count == 1 else "are"
    return (
        f"{_counted(count, 'minute')} {verb} back in the record",
        "The clock had been put back for a while; what was kept apart meanwhile counts again.",
    )


def _about(length: timedelta) -> str:
    """`2 hours`, `3 years`: rounded, for a sentence."""
    hours = length / timedelta(hours=1)
    for unit, size in (("year", 24 * 365.25), ("day", 24.0), ("hour", 1.0)):
        if hours >= 0.95 * size:
            return _counted(round(hours / size), unit)
    return _counted(max(1, round(hours * 60)), "minute")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


ZONE_STEP = "Choose the time zone again in the system settings, or set TZ to a name such as Europe/Berlin."


def not_opened(path: str, *, is_folder: bool, is_copied: bool) -> Message:
    """No program would open the file or folder."""
    what = "file manager" if is_folder else "editor"
    copied = " (the path is in the clipboard)" if is_copied else ""
    return f"No {what} could be started", f"Open it yourself: {path}{copied}"


def model_picked(name: str) -> Message:
    """A model chosen in the menu."""
    return "Prediction model changed", f"{name} is in use, with its own calibration and threshold."


def model_in_use(name: str) -> Message:
    """A pick of what is served already."""
    return "This model is already in use", f"{name} stays in use, and its policy as it is."


def model_named_at_start() -> Message:
    """A pick while the command line names the model."""
    return "The model was named on the command line", "Start without --model-dir to choose it in the menu."


def model_promoted(name: str, sentences: list[str]) -> Message:
    """A new model is in use; the sentences say what has changed."""
    return "A model trained on your labels is in use", f"{' '.join(sentences)} {MENU_ROLL_BACK} undoes it. ({name})"


def model_refused(sentences: list[str]) -> Message:
    """A training that ended in nothing better; the sentences say why, and what would help."""
    return "The new model was refused, the one in use stays", " ".join(sentences)


def training_failed(title: str, next_step: str) -> Message:
    """Too few labels, a full disk, or a process that died: nothing was changed."""
    return "No model was trained", f"{title} {next_step}".strip()


def training_stopped() -> Message:
    """Stop retraining."""
    return "Retraining was stopped", "Nothing was changed; the model in use stays."


def training_already() -> Message:
    """Retrain now or Roll back while a training goes on."""
    return "A model is being trained", f"Wait until it is done; {MENU_STOP_RETRAINING} ends it."


def rolled_back(model: str, *, has_policy: bool) -> Message:
    """Roll back."""
    policy = "its policy is as it was" if has_policy else "without a policy, as it was"
    return "The earlier model is in use again", f"{model}, {policy}."


def model_status(
    model: str | None,
    metadata: ModelMetadata | None,
    threshold: float | None,
    last: LastTraining | None,
    new_blocks: int,
) -> Message:
    """Status: the model in use, the last training, and how far it is to the next."""
    title = "No model is in use" if model is None else f"Model {model}, threshold {_number(threshold)}"
    return title, f"{_made_of(metadata)}{_last_training(last, model)}{_to_the_next(new_blocks)}"


def _made_of(metadata: ModelMetadata | None) -> str:
    if metadata is None:
        return ""
    if metadata.data_provenance == "synthetic":
        return "It was trained on simulated people. "
    return f"It was trained on your labels of {metadata.train_date_from[:10]} to {metadata.train_date_to[:10]}. "


def _last_training(last: LastTraining | None, model: str | None) -> str:
    if last is None:
        return ""
    day = f"{local_time(last.at):%d %b}"
    if last.outcome == "promoted":
        again = "" if last.run == model else ", and is not in use any more"
        return f"The last training, on {day}, put a model in use{again}. "
    return f"The last training, on {day}, was refused: {' '.join(last.sentences)} "


def _to_the_next(new_blocks: int) -> str:
    blocks = "1 block" if new_blocks == 1 else f"{new_blocks} blocks"
    return (
        f"{blocks} labelled since; it trains by itself with {DEFAULT_RETRAIN_BLOCKS}, "
        f"{DEFAULT_RETRAIN_DAYS} days after the last time."
    )


def taxonomy_refused(reason: str, *, has_kept: bool) -> Message:
    """An invalid taxonomy file. `has_kept`: there are categories of before."""
    if has_kept:
        return "Categories not applied", f"{reason} The previous categories stay in use."
    return "Your categories cannot be used", f"{reason} Until then the eight labels are shown."


def taxonomy_gone() -> Message:
    """The taxonomy file was removed while running."""
    return "Your categories were removed", "The eight labels are shown, on all days."


def taxonomy_applied() -> Message:
    """A taxonomy edited while running."""
    return "Your categories were applied", "They count on all days, the past ones too."


def status_told(line: str, model: str | None, threshold: float | None, source: str) -> Message:
    """A click on the status entry."""
    if model is None:
        return line, "No model is in use."
    return line, f"Model {model}, threshold {_number(threshold)}. Source: {source}."


def reloaded() -> Message:
    """Reload now, with nothing new."""
    return "Everything is up to date", "The policy, model and categories on disk are the ones in use."


def settings_wrong(problems: list[str]) -> Message:
    """config.toml has mistakes."""
    more = "" if len(problems) == 1 else f" ({len(problems) - 1} more in the log)"
    return "A setting cannot be used", f"{problems[0]}{more}"


def settings_applied(changed: Sequence[str], without_effect: Sequence[str]) -> Message:
    """config.toml was edited while running: which settings, and what is to say of those that change nothing."""
    told = [f"Changed: {', '.join(changed)}."] if changed else []
    if "notifications_enabled" in changed:
        told.append("notifications_enabled counts from the next start on.")
    return "Settings applied", " ".join([*told, *without_effect])


def unexpected(kind: str) -> Message:
    """A mistake of ours."""
    return f"Something unexpected went wrong ({kind})", "It is tried again; Advanced, Open Log has the place."


def trouble(title: str, next_step: str) -> Message:
    """Any other error with a title and a next step."""
    return title, next_step


_STREAM_WORDS = {
    Stream.WINDOW: "windows",
    Stream.AWAY: "away time",
    Stream.INPUT: "keyboard and mouse counts",
    Stream.TAB: "browser tabs",
}
_UNREAD_WORDS = {
    Unread.OTHER_TYPE: "not read: of a kind that is not used",
    Unread.PHONE: "not read: a phone's, which is never work at a desk",
    Unread.COPY: "not read: aw-sync's copy from another computer",
    Unread.OTHER_HOST: "not read: another computer was chosen",
    Unread.NO_WINDOWS: "not read: that computer has no windows here, and several others report",
    Unread.BAD_NAME: "not read: the server cannot be asked for a bucket of this name",
    Unread.REFUSED: "not read: the server lists it but does not give its events",
}
_DOCTOR = "taskclf-tray doctor lists what is read."


def age(moment: datetime | None, now: datetime) -> str:
    """`newest event 3 days ago`."""
    if moment is None:
        return "no event yet"
    seconds = round((now - moment).total_seconds())
    for size, one, many in ((86_400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes")):
        if abs(seconds) >= 2 * size or (abs(seconds) >= size and size < 86_400):
            count = abs(seconds) // size
            words = f"{count} {one if count == 1 else many}"
            return f"newest event {words} ago" if seconds > 0 else f"newest event {words} in the future"
    return "newest event just now"


def bucket_line(bucket: BucketState, now: datetime) -> str:
    """`aw-watcher-window_desk (windows of desk): newest event 2 minutes ago; read`."""
    what = bucket.kind if bucket.stream is None else _STREAM_WORDS[bucket.stream]
    host = f" of {bucket.hostname}" if bucket.hostname else ""
    return f"{bucket.bucket_id} ({what}{host}): {age(bucket.newest, now)}; {_read_or_not(bucket)}"


def _read_or_not(bucket: BucketState) -> str:
    if bucket.unread is not None:
        return _UNREAD_WORDS[bucket.unread]
    if not bucket.is_newest:
        return f"read for its own time only: {bucket.machine} has a newer one"
    is_renamed = bucket.machine and bucket.hostname and bucket.machine.casefold() != bucket.hostname.casefold()
    return f"read, as one of {bucket.machine}" if is_renamed else "read"


def bucket_unread(bucket: BucketState) -> Message:
    """The source has an active bucket that is not read."""
    title, body = {
        Unread.PHONE: (
            "A phone's activity is left out",
            f"{bucket.bucket_id} reports what a phone shows. Only work at a computer is recorded.",
        ),
        Unread.COPY: (
            "Another computer's activity is not read here",
            f"{bucket.bucket_id} is aw-sync's copy of it. Start taskclf-tray on that computer to record its work.",
        ),
        Unread.NO_WINDOWS: (
            f"The away time of {bucket.hostname} is not read",
            "ActivityWatch has no windows of that computer. Start aw-watcher-window there.",
        ),
        Unread.BAD_NAME: (
            "A bucket of ActivityWatch cannot be read",
            f"{bucket.bucket_id}: its name is damaged or too long. Delete it in ActivityWatch under Raw Data.",
        ),
    }.get(
        bucket.unread or Unread.REFUSED,
        (
            "A bucket of ActivityWatch cannot be read",
            f"The server lists {bucket.bucket_id} but does not give its events. Restart ActivityWatch.",
        ),
    )
    return title, f"{body} {_DOCTOR}"


def windows_stay_away(other: BucketState | None) -> Message:
    """Nothing that is read reports windows any more; `other`: an active bucket of windows that is not read."""
    only = "" if other is None else f" Only {other.bucket_id} reports any, which is not read."
    return (
        "No windows arrive from this computer",
        f"Nothing was reported for a quarter of an hour.{only} Restart aw-watcher-window (on Wayland: awatcher). "
        f"{_DOCTOR}",
    )


def too_many_unknown() -> Message:
    """Most windows have no name: Wayland without a suitable watcher."""
    return (
        "Most windows have no name",
        "On Wayland the standard window watcher sees nothing. Install awatcher, which reports to ActivityWatch.",
    )


# -- files of the taskclf tool ------------------------------------------------------------------------------

TOOL_FILES = "The taskclf tool has data in this home"
TOOL_CONFIG_COPY = "Advanced → Edit Config opens config.toml; copy the lines you want into it."


def minutes_damaged(again: int, gone: int) -> Message:
    """Minutes of the record were damaged on the disk: some were read again, the others are gone."""
    read = f"{_minutes(again)} {'was' if again == 1 else 'were'} read again from ActivityWatch" if again else ""
    lost = f"{_minutes(gone)} {'is' if gone == 1 else 'are'} lost" if gone else ""
    rest = "Check the disk. `taskclf-tray doctor` looks at all of the record."
    return f"{_minutes(again + gone)} of your record {'was' if again + gone == 1 else 'were'} damaged", (
        f"{', '.join(part for part in (read, lost) if part)}. {rest}"
    )


def minutes_left_out(count: int) -> str:
    """What a command says that met damaged minutes."""
    is_one = count == 1
    return (
        f"{_minutes(count)} of the record {'is' if is_one else 'are'} damaged and left out. The running app reads "
        f"{'it' if is_one else 'them'} again where ActivityWatch still has {'it' if is_one else 'them'}."
    )


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"


def record_deleted() -> Message:
    """The record was put back."""
    return (
        "Your record was deleted while the app was running",
        "The app has put it back. To begin a new one, quit the app first, then delete tray.db.",
    )


def record_replaced() -> Message:
    """Another file stands in the record's place."""
    return (
        "Your record was replaced while the app was running",
        "The app goes on with the new one, and reads minutes again that ActivityWatch kept.",
    )


def record_not_saved(title: str, next_step: str) -> Message:
    """The record was deleted, and could not be put back."""
    return "Your record was deleted while the app was running, and could not be put back", f"{title} {next_step}"


def record_kept_beside(path: object) -> Message:
    """Something that is no record of ours stands in its place."""
    return (
        "Your record was overwritten while the app was running",
        f"The record as it was is in {path}: quit the app, and put it in the place of tray.db.",
    )


def home_gone(home: object) -> Message:
    """The whole data folder is somewhere else, or nowhere."""
    return (
        "Your data folder was moved or deleted while the app was running",
        f"Nothing is recorded until {home} is back. To use a new place, quit the app and start it there.",
    )


def labels_apart(count: int, path: object) -> Message:
    """A copy beside the record holds labels that the record does not have."""
    labels = "1 label is" if count == 1 else f"{count} labels are"
    return f"{labels} in a copy and not in your record", f"To bring back: taskclf-tray labels import {path}"


def tool_files_found(names: list[str]) -> str:
    """Told once, at the start."""
    return f"Not used here yet: {', '.join(names)}. taskclf-tray doctor says how to take each of them over."


def tool_labels(path: object) -> str:
    """Labels that were not imported, or have changed since."""
    return f"it has labels in {path} that were not taken over"


def tool_questions(count: int, path: object) -> str:
    """Entries of its queue that are not in ours."""
    return f"{'1 question waits' if count == 1 else f'{count} questions wait'} in {path} and not in this queue"


def tool_settings(path: object, lines: list[str]) -> str:
    """Settings of it that are not ours."""
    return f"its settings in {path} are not used here: {'; '.join(lines)}"


# -- terminal -----------------------------------------------------------------------------------------------


def loop_done(blocks: int, buckets: int, out_dir: object) -> str:
    """The end of an online loop that fed a queue."""
    queued = "1 block" if blocks == 1 else f"{blocks} blocks"
    return f"Queued for a label: {queued}, {buckets} bucket{'' if buckets == 1 else 's'}. Results are in {out_dir}"


def once_done(minutes: int, out_dir: object, *, is_dark: bool) -> str:
    """What `--once` did; `is_dark`: a pause or private mode kept it from reading."""
    done = f"{minutes} minute{'' if minutes == 1 else 's'} finalised; results are in {out_dir}"
    return f"{done}\nPaused or private: nothing more was read." if is_dark else done


def drift_notice(words: str, blocks: int) -> Message:
    """The one notification about a drift; `blocks` now wait for a label because of it."""
    wait = f" {blocks} block{' waits' if blocks == 1 else 's wait'} under {MENU_REVIEW}: your answers teach the model."
    return "Your work looks different", words + (wait if blocks else "")
