"""Every sentence the person reads, in one file. Plain words, no title, no URL, no path longer than needed."""

from __future__ import annotations

from datetime import datetime

APP_NAME = "taskclf"

# -- status -------------------------------------------------------------------------------------------------


def clock(moment: datetime) -> str:
    """`14:05`, in the machine's local time."""
    return moment.astimezone().strftime("%H:%M")


def live_line(ui_label: str, core_label: str, probability: float, since: datetime | None) -> str:
    """`Deep Work — Build 87 % since 14:05`; a label that is its own category stands once."""
    name = core_label if ui_label == core_label else f"{ui_label} — {core_label}"
    line = f"{name} {round(probability * 100)} %"
    return f"{line} since {clock(since)}" if since else line


def unsure_line(core_label: str, probability: float) -> str:
    """The model has a guess, and does not trust it."""
    return f"Not sure — perhaps {core_label} ({round(probability * 100)} %)"


def away_line(since: datetime | None) -> str:
    """Nobody at the keyboard."""
    return f"Away since {clock(since)}" if since else "Away"


STARTING = "Starting…"
WAITING = "Watching — the first label comes within two minutes"
NO_MODEL = "No model — choose one under Prediction Model"
NO_SOURCE = "No activity source — is ActivityWatch running?"
NO_WINDOW = "No window has the focus"
PRIVATE = "Private mode — nothing is read"
ATTENTION = "Needs attention — see Open Log"


def paused_line(until: datetime | None) -> str:
    """A pause, and when it ends."""
    return f"Paused until {clock(until)}" if until else "Paused"


TRAY_LOST = "The desktop session that showed the tray icon has ended."
TRAY_LOST_STEP = "Start taskclf-tray again in the new session; nothing recorded is lost."

SIMULATION_BANNER = "Simulated person: this is not your activity"

# -- menu ---------------------------------------------------------------------------------------------------

MENU_PAUSE = "Pause"
MENU_PAUSE_15 = "15 minutes"
MENU_PAUSE_60 = "1 hour"
MENU_PAUSE_TOMORROW = "Until tomorrow"
MENU_RESUME = "Resume"
MENU_PRIVATE = "Private mode"
MENU_MODEL = "Prediction Model"
MENU_NO_MODELS = "No model found"
MENU_ADVANCED = "Advanced"
MENU_EDIT_POLICY = "Edit Inference Policy"
MENU_EDIT_CONFIG = "Edit Config"
MENU_RELOAD = "Reload now"
MENU_OPEN_DATA = "Open Data Folder"
MENU_OPEN_LOG = "Open Log"
MENU_QUIT = "Quit"


def model_entry(name: str, problem: str | None) -> str:
    """A bundle in the Prediction Model menu."""
    return name if problem is None else f"{name} — {problem}"


# -- notices ------------------------------------------------------------------------------------------------


def welcome() -> tuple[str, str]:
    """The one notification of the first start."""
    return (
        "taskclf is watching what kind of work you do",
        "It records, on this computer only, one label a minute and numbers derived from the active window. It never "
        "stores window titles or addresses. It asks you nothing yet. Pause and Private mode are in the menu.",
    )


def threshold_changed(old: float | None, new: float | None) -> str:
    """`threshold 0.55 → 0.60`."""
    return f"threshold {_number(old)} → {_number(new)}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}" if round(value, 2) == value else f"{value:g}"


def policy_applied(changes: list[str]) -> tuple[str, str]:
    """A save in the editor that was good."""
    return "Inference policy applied", ", ".join(changes) or "The file is valid; nothing that is served has changed."


def policy_refused(reason: str) -> tuple[str, str]:
    """A save in the editor that was not."""
    return "Inference policy not applied", f"{reason} The previous policy stays in use."


def policy_ignored(reason: str) -> tuple[str, str]:
    """At start: a policy that cannot be used; something else is served."""
    return "The inference policy cannot be used", reason


def no_model_for_policy() -> tuple[str, str]:
    """Edit Inference Policy without any model."""
    return (
        "There is no model to write a policy for",
        "Nothing was written. Choose a model under Prediction Model, or put a model folder into models/ with "
        "Open Data Folder. In a terminal: taskclf-tray doctor",
    )


def editor_failed(path: str, copied: bool) -> tuple[str, str]:
    """No program would open the file."""
    return "No editor could be started", f"Open this file yourself: {path}" + (" (copied)" if copied else "")


def model_picked(name: str) -> tuple[str, str]:
    """A model chosen in the menu."""
    return "Prediction model changed", f"{name} is in use, with its own calibration and threshold."


def taxonomy_refused(reason: str) -> tuple[str, str]:
    """An invalid taxonomy file."""
    return "Your categories cannot be used", f"{reason} The eight core labels are shown instead."


def taxonomy_applied() -> tuple[str, str]:
    """A taxonomy edited while running."""
    return "Your categories were applied", "They count from the next minute on."


def status_told(line: str, model: str | None, threshold: float | None, source: str) -> tuple[str, str]:
    """A click on the status entry."""
    if model is None:
        return line, NO_MODEL
    return line, f"Model {model}, threshold {_number(threshold)}. Source: {source}."


def reloaded() -> tuple[str, str]:
    """Reload now, with nothing new."""
    return "Everything is up to date", "The policy, model and categories on disk are the ones in use."


def source_lost(detail: str) -> tuple[str, str]:
    """The source stopped answering."""
    return "Activity cannot be read", detail


def trouble(title: str, next_step: str) -> tuple[str, str]:
    """Any other error with a title and a next step."""
    return title, next_step


def too_many_unknown() -> tuple[str, str]:
    """Most windows have no name: Wayland without a suitable watcher."""
    return (
        "Most windows have no name",
        "On Wayland the standard window watcher sees nothing. Install awatcher, which reports to ActivityWatch.",
    )


# -- terminal -----------------------------------------------------------------------------------------------


def once_done(minutes: int, out_dir: object) -> str:
    """What `--once` did."""
    return f"{minutes} minute{'' if minutes == 1 else 's'} finalised; results are in {out_dir}"
