"""`models/inference_policy.json`: which model is served, with which calibrators and reject thresholds.

A person edits this file by hand, so every way in which it can be wrong has one sentence that names the key and the
remedy. Values are checked when an `InferencePolicy` is made (no wrong one exists); `validate_policy` checks it against
the models and stores on the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_text_atomic
from taskclf_tray.core.defaults import DEFAULT_REJECT_THRESHOLD
from taskclf_tray.core.errors import PolicyValidationError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.models import Model
from taskclf_tray.core.smoothing import SMOOTHING_KEY, Transitions, smoothing_entry, transitions_in
from taskclf_tray.core.strict_json import BadJsonError, parse_json_object, read_bounded
from taskclf_tray.models.policy_checks import bundle_problems, store_problems, value_problems, wrong

_log = logging.getLogger(__name__)

POLICY_FILE: Final = "inference_policy.json"
POLICY_VERSION: Final = "v1"
MAX_POLICY_BYTES: Final = 1_000_000

_TEMPLATE_CREATED_AT: Final = "2000-01-01T00:00:00+00:00"
_HELP: Final = {
    "policy_version": "The version of this file's format; leave it at v1.",
    "model_dir": "The folder of the model, relative to the folder that holds models/, such as models/<run_id>.",
    "model_schema_hash": "The schema_hash in the metadata.json of that model.",
    "model_label_set": "The label_set in the metadata.json of that model.",
    "calibrator_store_dir": "The folder of a calibrator store, relative like model_dir, or null for none.",
    "calibration_method": "The method of that store, temperature or isotonic, or null.",
    "reject_threshold": "A number from 0 to 1: a minute the model is less sure of than this shows as Mixed/Unknown.",
    "per_user_reject_thresholds": 'Thresholds of single users by user id, such as {"<user_id>": 0.6}, or null.',
    "created_at": "When this file was made, in ISO 8601.",
    "source": "What made this file: manual when a person did.",
    "git_commit": "The version of the program that made this file; may stay empty.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InferencePolicy(Model):
    """One policy; keys the file has beyond these are in `extra`, in their order, and dumped beside them.

    `model_dir` and `calibrator_store_dir` are relative to the home (the parent of models/), with `/`.
    Raises PolicyValidationError for a value of a wrong type or out of range.
    """

    policy_version: str = POLICY_VERSION
    model_dir: str
    model_schema_hash: str
    model_label_set: list[str]
    calibrator_store_dir: str | None = None
    calibration_method: str | None = None
    reject_threshold: float = DEFAULT_REJECT_THRESHOLD
    per_user_reject_thresholds: dict[str, float] | None = None
    created_at: str = ""
    source: str = "manual"
    git_commit: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels: object = self.model_label_set
        if isinstance(labels, list | tuple):
            object.__setattr__(self, "model_label_set", list(labels))
        _raise_first(value_problems(dict(self.extra) | {name: getattr(self, name) for name in _KNOWN}))

    @property
    def transitions(self) -> Transitions | None:
        """How labels follow each other, as learnt from this person's; in the extra key `smoothing`."""
        return transitions_in(self.extra.get(SMOOTHING_KEY))

    def to_dict(self) -> dict[str, Any]:
        """As in the file: the contract's keys in its order, then the extra ones."""
        data = {name: getattr(self, name) for name in _KNOWN}
        data["model_label_set"] = list(self.model_label_set)
        if self.per_user_reject_thresholds is not None:
            data["per_user_reject_thresholds"] = dict(self.per_user_reject_thresholds)
        return data | dict(self.extra)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InferencePolicy:
        """Reverse of `to_dict`. Raises PolicyValidationError, also for a missing key."""
        _raise_first(_missing(data, _REQUIRED))
        return cls._from_mapping(data)

    def _dump_values(self) -> dict[str, Any]:
        return self.to_dict()

    @classmethod
    def _from_mapping(cls, values: Mapping[str, Any]) -> InferencePolicy:
        _raise_first(_missing(values, _WITHOUT_DEFAULT))
        known = {name: value for name, value in values.items() if name in _KNOWN}
        return cls(**known, extra={name: value for name, value in values.items() if name not in _KNOWN})


_WITHOUT_DEFAULT: Final = ("model_dir", "model_schema_hash", "model_label_set")
_REQUIRED: Final = ("policy_version", *_WITHOUT_DEFAULT, "reject_threshold")
"""Keys that a file must have."""
_OPTIONAL: Final = {
    "calibrator_store_dir": None,
    "calibration_method": None,
    "per_user_reject_thresholds": None,
    "created_at": "",
    "source": "manual",
    "git_commit": "",
}
_KNOWN: Final = tuple(item.name for item in fields(InferencePolicy) if item.name != "extra")


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
) -> InferencePolicy:
    """A policy made now, with the `transitions` learnt, if any. Raises PolicyValidationError for wrong values.

    `git_commit` says "unknown": an installed program has no repository to ask.
    """
    return InferencePolicy(
        model_dir=model_dir,
        model_schema_hash=model_schema_hash,
        model_label_set=sorted(model_label_set),
        calibrator_store_dir=calibrator_store_dir,
        calibration_method=calibration_method,
        reject_threshold=reject_threshold,
        created_at=datetime.now(UTC).isoformat(),
        source=source,
        git_commit="unknown",
        extra={} if transitions is None else {SMOOTHING_KEY: smoothing_entry(transitions)},
    )


def policy_path(models_dir: Path) -> Path:
    """Where the policy of these models is."""
    return Path(models_dir) / POLICY_FILE


def save_inference_policy(policy: InferencePolicy, models_dir: Path) -> Path:
    """Replace the policy file as a whole, under the home's lock; return its path. Raises OSError, HomeBusyError."""
    path = policy_path(models_dir)
    with home_lock(Path(models_dir).parent):
        write_text_atomic(path, json_text(policy.to_dict()))
    _log.info(
        "inference policy written: %s, threshold %g, source %s",
        policy.model_dir,
        policy.reject_threshold,
        policy.source,
    )
    return path


def parse_policy_text(text: str | bytes) -> InferencePolicy:
    """The policy in a text; a byte order mark is tolerated. Raises PolicyValidationError."""
    try:
        return InferencePolicy.from_dict(parse_json_object(text))
    except BadJsonError as error:
        raise _unreadable(error) from error


def read_inference_policy(models_dir: Path) -> InferencePolicy:
    """The policy of these models, its values checked. Raises PolicyValidationError, also when there is none."""
    return parse_policy_text(_read(models_dir))


def _read(models_dir: Path) -> bytes:
    try:
        return read_bounded(policy_path(models_dir), MAX_POLICY_BYTES)
    except BadJsonError as error:
        raise _unreadable(error) from error


def load_inference_policy(models_dir: Path) -> InferencePolicy | None:
    """The policy of these models; None when it is missing or invalid, and then the log says why."""
    try:
        return read_inference_policy(models_dir)
    except PolicyValidationError as error:
        if policy_path(models_dir).exists():
            _log.warning("inference policy not used: %s", error)
        return None


def remove_inference_policy(models_dir: Path) -> bool:
    """Remove the policy file; whether there was one. Raises OSError, HomeBusyError."""
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
    """Raise PolicyValidationError unless what the policy names is in the home and fits (contract, section 10)."""
    _raise_first(_disk_problems(policy.to_dict(), models_dir))


def policy_problems(models_dir: Path) -> list[PolicyValidationError]:
    """Everything wrong with the policy file of these models and what it names; empty when it is valid.

    The trees of the model and the users' calibrators are not looked at: what loads them says the rest.
    """
    try:
        data = parse_json_object(_read(models_dir))
    except BadJsonError as error:
        return [_unreadable(error)]
    except PolicyValidationError as error:
        return [error]
    problems = list(_missing(data, _REQUIRED))
    absent = {error.key for error in problems}
    values = _OPTIONAL | dict.fromkeys(_REQUIRED) | data
    problems += [error for error in value_problems(values) if error.key not in absent]
    wrong_keys = {error.key for error in problems}
    return problems + [error for error in _disk_problems(values, models_dir, wrong_keys) if error.key not in wrong_keys]


def _disk_problems(
    values: Mapping[str, Any], models_dir: Path, wrong_keys: Iterable[str | None] = ()
) -> Iterator[PolicyValidationError]:
    """What does not fit the disk; the values of `wrong_keys` cannot be compared with it."""
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


def _missing(data: Mapping[str, Any], required: Iterable[str]) -> Iterator[PolicyValidationError]:
    for name in required:
        if name not in data:
            yield wrong(name, f"The key {name} is missing", f"add it ({_HELP[name].rstrip('.')})")


def _raise_first(problems: Iterator[PolicyValidationError]) -> None:
    for problem in problems:
        raise problem


def render_default_inference_policy_template_json() -> str:
    """The text of `configs/inference_policy.template.json`, always the same bytes."""
    return json_text(_template(_TEMPLATE_CREATED_AT, "", "template", "<TASKCLF_HOME>").to_dict())


def write_inference_policy_starter_template(models_dir: Path) -> Path:
    """Put a policy with placeholders where a person can fill it in; an existing file is left as it is.

    The placeholders fail `validate_policy`, so nothing is served by it before it is filled in.
    """
    path = policy_path(models_dir)
    with home_lock(Path(models_dir).parent):
        if not path.exists():
            home = str(Path(models_dir).absolute().parent)
            template = _template(datetime.now(UTC).isoformat(), "unknown", "starter-template", home)
            write_text_atomic(path, json_text(template.to_dict()))
    return path


def _template(created_at: str, git_commit: str, source: str, home: str) -> InferencePolicy:
    return InferencePolicy(
        model_dir="models/<run_id>",
        model_schema_hash="<schema_hash>",
        model_label_set=["<label>"],
        created_at=created_at,
        source=source,
        git_commit=git_commit,
        extra={"_help": {"paths_are_relative_to": home} | _HELP},
    )


def _unreadable(error: BadJsonError) -> PolicyValidationError:
    return PolicyValidationError(
        f"The file {POLICY_FILE} {error}.", "Correct it, or remove the file to serve the active or the best model."
    )
