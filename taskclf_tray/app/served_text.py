"""What the person reads about what is served: policy, model, training, categories, settings, drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskclf_tray.app.text import MENU_RETRAIN, MENU_REVIEW, MENU_ROLL_BACK, MENU_STOP_RETRAINING, MENU_UNDO, Message
from taskclf_tray.core.defaults import DEFAULT_RETRAIN_BLOCKS, DEFAULT_RETRAIN_DAYS
from taskclf_tray.core.strict_json import is_number
from taskclf_tray.core.time import parse_time
from taskclf_tray.labels.learning import LastTraining
from taskclf_tray.models.head_files import StoredHead
from taskclf_tray.models.metadata import ModelMetadata
from taskclf_tray.record.promise import KeptPromise
from taskclf_tray.system.local_zone import local_time

LEAST_MINUTES: Final = 30
"""With fewer checked minutes nothing is said about what was kept of a promise."""
_SOURCE_NAMES: Final = {"builtin": "the built-in watcher"}


def threshold_changed(old: float | None, new: float | None) -> str:
    """`threshold 0.55 → 0.60`."""
    return f"threshold {_number(old)} → {_number(new)}"


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" if round(value, 2) == value else f"{value:g}"


def policy_applied(changes: list[str]) -> Message:
    """The edited policy is valid."""
    return "Inference policy applied", ", ".join(changes) or "The file is valid; nothing that is served has changed."


def policy_refused(reason: str) -> Message:
    """The edited policy is not valid."""
    return "Inference policy not applied", f"{reason} The previous policy stays in use."


def policy_ignored(reason: str) -> Message:
    """The policy cannot be used at the start; something else is served."""
    return "The inference policy cannot be used", reason


def head_changed(*, has_head: bool) -> str:
    """The policy names another head, or none."""
    return "what it has learnt from your words" if has_head else "without what it has learnt from your words"


def head_facts(stored: StoredHead) -> str:
    """`a head fitted on 2 Mar 2026 at 13:00, on 37 labelled minutes`."""
    minutes = "1 labelled minute" if stored.labelled_minutes == 1 else f"{stored.labelled_minutes:,} labelled minutes"
    at = f" on {local_time(parse_time(stored.fitted_at)):%d %b %Y at %H:%M}," if stored.fitted_at else ""
    return f"a personal head, fitted{at} on {minutes}"


def head_ignored(reason: str) -> Message:
    """The policy is valid, but the head that it names cannot be used."""
    return "What was learnt from your words cannot be used", reason


def policy_gone(changes: list[str]) -> Message:
    """The policy was removed while the app runs."""
    return "Inference policy removed", f"Without it: {', '.join(changes)}."


def model_changed(changes: list[str]) -> Message:
    """Another program has changed the active model, and there is no policy."""
    return "Prediction model changed", ", ".join(changes)


def no_model(reason: str) -> Message:
    """Reload now, and there is still nothing to serve."""
    return "No model can be used", reason


def no_model_for_policy() -> Message:
    """Edit Inference Policy without any model."""
    return (
        "There is no model to write a policy for",
        "Nothing was written. Choose a model under Prediction Model, or put a model folder into models/ with "
        "Open Data Folder. In a terminal: taskclf-tray doctor",
    )


def model_picked(name: str) -> Message:
    """A model chosen in the menu."""
    return "Prediction model changed", f"{name} is in use, with its own calibration and threshold."


def model_in_use(name: str) -> Message:
    """The chosen model is the one in use."""
    return "This model is already in use", f"{name} stays in use, and its policy as it is."


def model_named_at_start() -> Message:
    """A choice in the menu while the command line names the model."""
    return "The model was named on the command line", "Start without --model-dir to choose it in the menu."


def model_promoted(name: str, sentences: list[str]) -> Message:
    """A new model is in use; the sentences say what has changed."""
    return "A model trained on your labels is in use", f"{' '.join(sentences)} {MENU_ROLL_BACK} undoes it. ({name})"


def model_refused(sentences: list[str]) -> Message:
    """A trained model was refused; the sentences say why, and what would help."""
    return "The new model was refused, the one in use stays", " ".join(sentences)


def training_failed(title: str, next_step: str) -> Message:
    """No model was trained: too few labels, a full disk, or a process that died. Nothing has changed."""
    return "No model was trained", f"{title} {next_step}".strip()


def learnt_line(minutes: int, *, is_undone: bool) -> str:
    """What a label, or its undo, has changed of today, in minutes the person has not labelled."""
    changed = "1 minute" if minutes == 1 else f"{minutes} minutes"
    if is_undone:
        return f"Undone: {changed} of today changed" if minutes else "Undone: no other minute of today changed"
    return f"Learnt from your answer: {changed} of today changed" if minutes else "Learnt from your answer"


def first_learnt(line: str) -> Message:
    """The first time that an answer was learnt in this home."""
    return line, f"This happens after each of your answers. {MENU_UNDO} in the menu takes a label and its effect back."


def answer_not_learnt(title: str, next_step: str) -> Message:
    """A label is stored, but the head could not be fitted."""
    return "Your answer is stored, but could not be learnt yet", f"{title} {next_step}".strip()


def training_stopped() -> Message:
    """Stop retraining."""
    return "Retraining was stopped", "Nothing was changed; the model in use stays."


def training_already() -> Message:
    """Retrain now or Roll back during a training."""
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
    *,
    promise: str = "",
    head: StoredHead | None = None,
) -> Message:
    """Status: the model in use, what its threshold promises, the last training, and when the next one starts."""
    title = "No model is in use" if model is None else f"Model {model}, threshold {_number(threshold)}"
    words = "" if head is None else f"It knows your words: {head_facts(head)}. "
    promised = f"{promise} " if promise else ""
    return title, f"{_made_of(metadata)}{words}{promised}{_last_training(last, model)}{_to_the_next(new_blocks)}"


def promise_line(kept: KeptPromise, tuning: Mapping[str, Any]) -> str:
    """What the threshold promises, and what was kept. `tuning`: as in the policy."""
    return " ".join([_kept_words(kept, is_proven=tuning.get("threshold") is not None), *_easier_words(tuning)])


def _kept_words(kept: KeptPromise, *, is_proven: bool) -> str:
    promised = f"Promised {round(100 * kept.target_accuracy)} % ({'proven' if is_proven else 'estimated'})"
    if kept.accuracy is None or kept.shown < LEAST_MINUTES:
        return f"{promised}; {kept.shown} minutes with a label have been checked so far, too few to say what was kept."
    return f"{promised}, kept {round(100 * kept.accuracy)} % of {kept.shown} minutes so far."


def _easier_words(tuning: Mapping[str, Any]) -> list[str]:
    """What an easier target would show, where the tuning found that little is left."""
    easier = tuning.get("easier")
    if not isinstance(easier, dict):
        return []
    target, coverage = easier.get("target_accuracy"), easier.get("coverage")
    if not is_number(target) or not is_number(coverage):
        return []
    return [
        f"Few minutes get a label; at {round(100 * target)} % right it would be {round(100 * coverage)} %: write "
        f"target_accuracy = {target:g} into config.toml and choose {MENU_RETRAIN}."
    ]


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
        f"{blocks} labelled since. Training starts automatically at {DEFAULT_RETRAIN_BLOCKS} blocks, "
        f"{DEFAULT_RETRAIN_DAYS} days after the last training."
    )


def taxonomy_refused(reason: str, *, has_kept: bool) -> Message:
    """The taxonomy is not valid. `has_kept`: the categories from before are in use."""
    if has_kept:
        return "Categories not applied", f"{reason} The previous categories stay in use."
    return "Your categories cannot be used", f"{reason} Until then the eight labels are shown."


def taxonomy_gone() -> Message:
    """The taxonomy was removed while the app runs."""
    return "Your categories were removed", "The eight labels are shown, on all days."


def taxonomy_applied() -> Message:
    """The taxonomy was edited while the app runs."""
    return "Your categories were applied", "They count on all days, the past ones too."


def status_told(line: str, model: str | None, threshold: float | None, source: str) -> Message:
    """A click on the status entry."""
    if model is None:
        return line, "No model is in use."
    return line, f"Model {model}, threshold {_number(threshold)}. Source: {_SOURCE_NAMES.get(source, source)}."


def reloaded() -> Message:
    """Reload now, and nothing has changed."""
    return "Everything is up to date", "The policy, model and categories on disk are the ones in use."


def settings_wrong(problems: list[str]) -> Message:
    """config.toml has mistakes."""
    more = "" if len(problems) == 1 else f" ({len(problems) - 1} more in the log)"
    return "A setting cannot be used", f"{problems[0]}{more}"


def settings_applied(changed: Sequence[str], without_effect: Sequence[str]) -> Message:
    """config.toml was edited while the app runs: the changed settings, and a note on those without effect."""
    told = [f"Changed: {', '.join(changed)}."] if changed else []
    if "notifications_enabled" in changed:
        told.append("notifications_enabled takes effect at the next start.")
    return "Settings applied", " ".join([*told, *without_effect])


def drift_notice(words: str, blocks: int) -> Message:
    """The notification about a drift; `blocks` that a label would help with wait for one."""
    wait = f" {blocks} block{' waits' if blocks == 1 else 's wait'} under {MENU_REVIEW}: your answers teach the model."
    return "Your work looks different", words + (wait if blocks else "")
