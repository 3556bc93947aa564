"""`models/inference_policy.json`: which model is served, with which calibrators and reject thresholds.

A person edits this file by hand, so every way in which it can be wrong has one sentence that names the key and the
remedy. Values are checked when an `InferencePolicy` is made (no wrong one exists); `validate_policy` checks it against
the models and stores on the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict

from taskclf_tray.core.atomic import json_text, sync_directory, write_text_atomic
from taskclf_tray.core.defaults import DEFAULT_REJECT_THRESHOLD, POLICY_FILE
from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.person_files import FileModel, Mistake, Share, TimeText, about, checked, is_none, line_of, where
from taskclf_tray.core.smoothing import Transitions, smoothing_entry, transitions_in
from taskclf_tray.core.strict_json import BadJsonError, is_number, parse_json_object, read_bounded
from taskclf_tray.models.head_files import HeadEntry
from taskclf_tray.models.metadata import EACH_ONCE
from taskclf_tray.models.policy_checks import SAVE_AGAIN, bundle_problems, is_inner_path, store_problems

_log = logging.getLogger(__name__)

POLICY_VERSION: Final = "v1"
MAX_POLICY_BYTES: Final = 1_000_000

_TEMPLATE_CREATED_AT: Final = "2000-01-01T00:00:00+00:00"
NEEDED_IN_FILE: Final = ("policy_version", "reject_threshold")
"""Keys a file must have, although they have a default in Python."""
TUNING_KEY: Final = "tuned_reject"
"""The extra key with the result of the tuning of the threshold."""
_LEARNT: Final = ("smoothing", "personal_head")
"""Keys that only a training writes."""

CalibrationMethod = Literal["temperature", "isotonic"]
CALIBRATION_METHODS: Final[tuple[CalibrationMethod, ...]] = ("temperature", "isotonic")


def _check_smoothing(value: dict[str, Any]) -> dict[str, Any]:
    transitions_in(value)
    return value


_Folder = Annotated[str, where(is_inner_path)]
_FOLDER: Final = "the path of a folder, relative to the folder that holds models/ and without .., such as "


class InferencePolicy(FileModel):
    """One inference policy. `model_extra` keeps unknown keys in their order.

    `model_dir` and `calibrator_store_dir` are relative to the home (the parent of models/), with `/`.
    Raises PolicyValidationError for a value of a wrong type or out of range.

    >>> policy = InferencePolicy(model_dir="models/x", model_schema_hash="h", model_label_set=["Build"])
    >>> policy.model_copy(update={"source": "me"}).source
    'me'
    """

    model_config = ConfigDict(extra="allow")

    policy_version: Literal["v1"] = about(
        "The version of this file's format; leave it at v1.", expected='"v1"', default=POLICY_VERSION
    )
    model_dir: _Folder = about(
        "The folder of the model, relative to the folder that holds models/, such as models/<run_id>.",
        expected=f"{_FOLDER}models/2026-01-31_120000_run-1A2B",
    )
    model_schema_hash: str = about(
        "The schema_hash in the metadata.json of that model.",
        remedy="copy schema_hash from the metadata.json of the model",
        min_length=1,
    )
    model_label_set: Annotated[list[str], EACH_ONCE] = about(
        "The label_set in the metadata.json of that model.",
        remedy="copy label_set, every label once, from the metadata.json of the model",
        min_length=1,
    )
    calibrator_store_dir: _Folder | None = about(
        "The folder of a calibrator store, relative like model_dir, or null for none.",
        expected=f"{_FOLDER}artifacts/calibrator_store, or null",
        default=None,
    )
    calibration_method: CalibrationMethod | None = about(
        "The method of that store, temperature or isotonic, or null.",
        expected="temperature, isotonic or null",
        default=None,
    )
    reject_threshold: Share = about(
        "A number from 0 to 1: a minute the model is less sure of than this shows as Mixed/Unknown.",
        expected="a number from 0 to 1, such as 0.55",
        default=DEFAULT_REJECT_THRESHOLD,
    )
    per_user_reject_thresholds: dict[str, Share] | None = about(
        'Thresholds of single users by user id, such as {"<user_id>": 0.6}, or null.',
        expected='an object of numbers from 0 to 1, such as {"<user_id>": 0.6}, or null',
        default=None,
    )
    created_at: TimeText = about(
        "When this file was made, in ISO 8601.", expected='a time such as "2026-01-31T12:00:00+00:00"', default=""
    )
    source: str = about(
        "What made this file: manual when a person did.", expected="a text in quotation marks", default="manual"
    )
    git_commit: str = about(
        "The version of the program that made this file; may stay empty.",
        expected="a text in quotation marks",
        default="",
    )
    smoothing: Annotated[dict[str, Any], AfterValidator(_check_smoothing)] | None = about(
        "How labels follow each other, as learnt from this person's, or null.",
        expected='{"smoother": "hmm", "transitions": [8 rows of 8 numbers]}, or null',
        default=None,
        exclude_if=is_none,
    )

    personal_head: HeadEntry | None = about(
        "What was learnt from this person's words; without this key the model answers alone.",
        expected='{"file": "tray/heads/….json", "sha256": "64 hexadecimal digits"}, or remove the key',
        default=None,
        exclude_if=is_none,
    )

    @classmethod
    def refusal(cls, mistake: Mistake) -> PolicyValidationError:
        """Return a PolicyValidationError with the key."""
        return PolicyValidationError(f"{mistake}.", SAVE_AGAIN, key=str(mistake.path[0]) if mistake.path else None)

    @property
    def transitions(self) -> Transitions | None:
        """The learnt transitions between labels, None without any."""
        return transitions_in(self.smoothing)

    @property
    def tuning(self) -> dict[str, Any] | None:
        """How the threshold was tuned (`train/tune.py`); None where it was not, or was changed by hand since."""
        tuned = (self.model_extra or {}).get(TUNING_KEY)
        if not isinstance(tuned, dict) or not is_number(tuned.get("target_accuracy")):
            return None
        return tuned if tuned.get("served_threshold", tuned.get("threshold")) == self.reject_threshold else None

    @property
    def promised_accuracy(self) -> float | None:
        """The accuracy that the threshold promises of labels that are not rejected; None for no promise."""
        tuned = self.tuning
        return None if tuned is None else float(tuned["target_accuracy"])


def build_inference_policy(
    *,
    model_dir: str,
    model_schema_hash: str,
    model_label_set: Sequence[str],
    reject_threshold: float = DEFAULT_REJECT_THRESHOLD,
    calibrator_store_dir: str | None = None,
    calibration_method: str | None = None,
    source: str = "manual",
    transitions: Transitions | None = None,
    personal_head: HeadEntry | None = None,
) -> InferencePolicy:
    """Build a policy with the current time.

    Args:
        model_dir: the bundle, relative to the home.
        model_schema_hash: `schema_hash` of the bundle's metadata.json.
        model_label_set: `label_set` of the bundle's metadata.json.
        reject_threshold: from 0 to 1.
        calibrator_store_dir: the store, relative to the home.
        calibration_method: the store's method, `temperature` or `isotonic`.
        source: what made the policy.
        transitions: the learnt transitions between labels, if any.
        personal_head: the personal head, if any.

    Returns:
        The policy; its `git_commit` is "unknown", because an installed program has no repository.

    Raises:
        PolicyValidationError: a value has a wrong type or is out of range.
    """
    values = {
        "model_dir": model_dir,
        "model_schema_hash": model_schema_hash,
        "model_label_set": sorted(model_label_set),
        "calibrator_store_dir": calibrator_store_dir,
        "calibration_method": calibration_method,
        "reject_threshold": reject_threshold,
        "created_at": datetime.now(UTC).isoformat(),
        "source": source,
        "git_commit": "unknown",
        "smoothing": None if transitions is None else smoothing_entry(transitions),
        "personal_head": personal_head,
    }
    return InferencePolicy.model_validate(values)


def policy_path(models_dir: Path) -> Path:
    """Return the path of the policy of these models."""
    return Path(models_dir) / POLICY_FILE


def save_inference_policy(policy: InferencePolicy, models_dir: Path) -> Path:
    """Replace the policy file atomically, under the home's lock.

    Returns:
        The path of the file.

    Raises:
        HomeBusyError: another program holds the lock of the home.
        OSError: the file cannot be written.
    """
    path = policy_path(models_dir)
    with home_lock(Path(models_dir).parent):
        write_text_atomic(path, json_text(policy.model_dump()))
    _log.info(
        "inference policy written: %s, threshold %g, source %s",
        policy.model_dir,
        policy.reject_threshold,
        policy.source,
    )
    return path


def parse_policy_text(text: str | bytes) -> InferencePolicy:
    """Parse a policy; a byte order mark is allowed. Raises PolicyValidationError."""
    policy, _, problems = _parsed(text)
    if policy is None:
        raise problems[0]
    return policy


def read_inference_policy(models_dir: Path) -> InferencePolicy:
    """Read the policy of these models and check its values. Raises PolicyValidationError, also when there is none."""
    return parse_policy_text(_read(models_dir))


def _read(models_dir: Path) -> bytes:
    try:
        return read_bounded(policy_path(models_dir), MAX_POLICY_BYTES)
    except BadJsonError as error:
        raise _unreadable(error) from error


def _parsed(text: str | bytes) -> tuple[InferencePolicy | None, dict[str, Any], list[PolicyValidationError]]:
    """(the policy, None when a value is wrong; the keys of the text; every wrong value). Raises PolicyValidationError
    for a text that is no JSON object.
    """
    try:
        values = parse_json_object(text)
    except BadJsonError as error:
        raise _unreadable(error) from error
    policy, mistakes = checked(InferencePolicy, values, NEEDED_IN_FILE)
    return policy, values, [_refused(mistake, text) for mistake in mistakes]


def _refused(mistake: Mistake, text: str | bytes) -> PolicyValidationError:
    error = InferencePolicy.refusal(mistake)
    line = line_of(str(mistake.path[0]), text if isinstance(text, str) else text.decode(errors="replace"))
    if line is not None:
        error.next_step = f"Correct line {line} of {POLICY_FILE} and save the file again."
    return error


def load_inference_policy(models_dir: Path) -> InferencePolicy | None:
    """Load the policy of these models; None when it is missing or invalid, with the reason in the log."""
    try:
        return read_inference_policy(models_dir)
    except PolicyValidationError as error:
        if policy_path(models_dir).exists():
            _log.warning("inference policy not used: %s", error)
        return None


def remove_inference_policy(models_dir: Path) -> bool:
    """Remove the policy file. Returns whether there was one. Raises OSError, HomeBusyError."""
    path = policy_path(models_dir)
    if not path.is_symlink() and not path.exists():
        return False
    with home_lock(Path(models_dir).parent):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_directory(path.parent)
    return True


def validate_policy(policy: InferencePolicy, models_dir: Path) -> None:
    """Check that what the policy names is in the home and fits together (contract, section 10).

    Raises:
        PolicyValidationError: the first mismatch.
    """
    for problem in _disk_problems(policy.model_dump(), models_dir):
        raise problem


def policy_problems(models_dir: Path) -> list[PolicyValidationError]:
    """List all mistakes in the policy file and in what it names; empty for a valid one.

    The trees of the model and the users' calibrators are not checked here, but when they are loaded.
    """
    try:
        _, values, problems = _parsed(_read(models_dir))
    except PolicyValidationError as error:
        return [error]
    wrong_keys = {error.key for error in problems}
    values = {"calibrator_store_dir": None, "calibration_method": None} | values
    return problems + [error for error in _disk_problems(values, models_dir, wrong_keys) if error.key not in wrong_keys]


def _disk_problems(
    values: Mapping[str, Any], models_dir: Path, wrong_keys: Iterable[str | None] = ()
) -> Iterator[PolicyValidationError]:
    """Yield the mismatches with the disk; the values of `wrong_keys` are not compared."""
    home, bad = Path(models_dir).parent, set(wrong_keys)
    if "model_dir" not in bad:
        labels = () if "model_label_set" in bad else values["model_label_set"]
        for problem in bundle_problems(home, values["model_dir"], values["model_schema_hash"], labels):
            bad.add(problem.key)
            yield problem
    store_dir = values["calibrator_store_dir"]
    if store_dir is not None and "calibrator_store_dir" not in bad:
        bundle_id = None if "model_dir" in bad else (home / values["model_dir"]).name
        schema_hash = None if bad & {"model_dir", "model_schema_hash"} else values["model_schema_hash"]
        method = None if "calibration_method" in bad else values["calibration_method"]
        yield from store_problems(home, store_dir, bundle_id, schema_hash, method)


def render_default_inference_policy_template_json() -> str:
    """Render the text of `configs/inference_policy.template.json`; the bytes are always the same."""
    return json_text(_template(_TEMPLATE_CREATED_AT, "", "template", "<TASKCLF_HOME>").model_dump())


def write_inference_policy_starter_template(models_dir: Path) -> Path:
    """Write a policy with placeholders for a person to fill in; an existing file stays as it is.

    `validate_policy` refuses the placeholders, so the policy serves nothing before they are filled in. Returns the
    path. Raises OSError, HomeBusyError.
    """
    path = policy_path(models_dir)
    with home_lock(Path(models_dir).parent):
        if not path.exists():
            home = str(Path(models_dir).absolute().parent)
            template = _template(datetime.now(UTC).isoformat(), "unknown", "starter-template", home)
            write_text_atomic(path, json_text(template.model_dump()))
    return path


def _template(created_at: str, git_commit: str, source: str, home: str) -> InferencePolicy:
    texts = {name: field.description for name, field in InferencePolicy.model_fields.items() if name not in _LEARNT}
    values = {
        "model_dir": "models/<run_id>",
        "model_schema_hash": "<schema_hash>",
        "model_label_set": ["<label>"],
        "created_at": created_at,
        "source": source,
        "git_commit": git_commit,
        "_help": {"paths_are_relative_to": home} | texts,
    }
    return InferencePolicy.model_validate(values)


def _unreadable(error: BadJsonError) -> PolicyValidationError:
    return PolicyValidationError(
        f"The file {POLICY_FILE} {error}.", "Correct it, or remove the file to serve the active or the best model."
    )
