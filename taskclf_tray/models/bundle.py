"""Model bundles on disk: their content, strict reading, and atomic writing.

A bundle is a directory `YYYY-MM-DD_HHMMSS_run-XXXX` with `model.txt`, `metadata.json`, `metrics.json`,
`confusion_matrix.csv` and `categorical_encoders.json`. Every reader here raises ModelFormatError for a bundle that is
damaged or contradicts itself, and ModelIncompatibleError for a sound one of another schema or label set.
"""

from __future__ import annotations

import csv
import hashlib
import io
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from taskclf_tray.core.atomic import json_text, sync_directory, write_new_file
from taskclf_tray.core.defaults import METADATA_FILE
from taskclf_tray.core.errors import ModelError, ModelFormatError, ModelIncompatibleError
from taskclf_tray.core.filelocks import home_lock
from taskclf_tray.core.model_text import MAX_MODEL_BYTES, WINDOWS_LINE_ENDS, look_at
from taskclf_tray.core.person_files import checked
from taskclf_tray.core.private_files import PRIVATE_FOLDER, make_private_folder
from taskclf_tray.core.regular_files import read_regular
from taskclf_tray.core.schema import SCHEMAS
from taskclf_tray.core.strict_json import BadJsonError, describe, is_number, read_json_object, shorten
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.models.metadata import ModelMetadata

if TYPE_CHECKING:
    from taskclf_tray.infer.forest import Forest

__all__ = [
    "ModelMetadata",
    "bundle_problem",
    "load_model_bundle",
    "read_encoders",
    "read_metadata",
    "read_metrics",
    "save_model_bundle",
]

MODEL_FILE: Final = "model.txt"
METRICS_FILE: Final = "metrics.json"
ENCODERS_FILE: Final = "categorical_encoders.json"
CONFUSION_FILE: Final = "confusion_matrix.csv"

_MAX_ENCODER_BYTES: Final = 8_000_000
_ANOTHER_MODEL: Final = "Choose another model, or train a new one."

CatEncoders = dict[str, list[str]]
"""Column → its vocabulary, sorted; a value's code is its position."""


def read_metadata(run_dir: Path) -> ModelMetadata:
    """The bundle's metadata. Raises ModelFormatError when missing, damaged, or of wrong types."""
    data = _read_json(run_dir, METADATA_FILE)
    metadata, mistakes = checked(ModelMetadata, data)
    if metadata is None:
        raise _damaged(run_dir, f"{METADATA_FILE}: {mistakes[0]}")
    return metadata


def read_metrics(run_dir: Path) -> tuple[float, float]:
    """(macro F1, weighted F1) of the bundle. Raises ModelFormatError."""
    data = _read_json(run_dir, METRICS_FILE)
    for name in ("macro_f1", "weighted_f1"):
        value = data.get(name)
        if not is_number(value) or not 0 <= value <= 1:
            raise _damaged(run_dir, f"{METRICS_FILE}: {name} is {describe(value)}, not a number from 0 to 1")
    return float(data["macro_f1"]), float(data["weighted_f1"])


def read_encoders(run_dir: Path, columns: Sequence[str]) -> CatEncoders:
    """The vocabularies, which must cover `columns`. Raises ModelFormatError.

    A bundle of a schema with categorical columns always has them: without, every value would get the code of an
    unseen one, and the model would answer, but something else.
    """
    data = _read_json(run_dir, ENCODERS_FILE, _MAX_ENCODER_BYTES)
    for column in columns:
        if column not in data:
            raise _damaged(run_dir, f"{ENCODERS_FILE}: the vocabulary of {column} is missing")
    return {column: _vocabulary(run_dir, column, values) for column, values in data.items()}


def _vocabulary(run_dir: Path, column: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _damaged(run_dir, f"{ENCODERS_FILE}: the vocabulary of {shorten(column)} is not a list of texts")
    if len(set(values)) != len(values):
        raise _damaged(run_dir, f"{ENCODERS_FILE}: the vocabulary of {shorten(column)} has a value twice")
    return sorted(values)


def bundle_problem(run_dir: Path) -> str | None:
    """Return why the bundle cannot be served, in one sentence; None for a valid and compatible one.

    Checks everything but the trees (which `load_model_bundle` checks), so that listing bundles stays cheap.
    """
    try:
        metadata = read_metadata(run_dir)
        check_compatible(run_dir, metadata)
        read_metrics(run_dir)
        read_encoders(run_dir, SCHEMAS[metadata.schema_version].categorical_columns)
        _check_model_file(run_dir, metadata)
    except ModelError as error:
        return error.title
    return None


def check_compatible(run_dir: Path, metadata: ModelMetadata, *, schema: bool = True, labels: bool = True) -> None:
    """Check that the schema is known with its hash and the labels are the eight. Raises ModelIncompatibleError."""
    if schema:
        known = SCHEMAS.get(metadata.schema_version)
        if known is None or known.schema_hash != metadata.schema_hash:
            raise ModelIncompatibleError(
                f"The model {run_dir.name} was made for the feature schema {shorten(metadata.schema_version)} "
                f"with hash {shorten(metadata.schema_hash)}, which this version does not know.",
                _ANOTHER_MODEL,
            )
    if labels and sorted(metadata.label_set) != list(LABEL_SET_V1):
        raise ModelIncompatibleError(
            f"The model {run_dir.name} knows other labels than the eight of this version.", _ANOTHER_MODEL
        )


def load_model_bundle(
    run_dir: Path, *, validate_schema: bool = True, validate_labels: bool = True
) -> tuple[Forest, ModelMetadata, CatEncoders]:
    """Read a bundle.

    Args:
        run_dir: the folder of the bundle.
        validate_schema: check the feature schema and its hash.
        validate_labels: check that the labels are the eight core labels.

    Returns:
        (model, metadata, categorical encoders). `Forest.verified` tells whether the recorded SHA-256 was compared.

    Raises:
        ModelFormatError: a file is missing, damaged or in an unknown format.
        ModelIncompatibleError: the bundle belongs to another schema or label set.
    """
    from taskclf_tray.infer.forest import Forest  # numpy: 0.1 s of the start of commands that only read metadata

    run_dir = Path(run_dir)
    metadata = read_metadata(run_dir)
    check_compatible(run_dir, metadata, schema=validate_schema, labels=validate_labels)
    schema = SCHEMAS.get(metadata.schema_version)
    encoders = _encoders_of(run_dir, schema.categorical_columns if schema and validate_schema else ())
    forest = Forest.load(run_dir / MODEL_FILE, sha256=metadata.sha256)
    if validate_schema and schema is not None:
        _check_features(run_dir, forest.feature_names, schema.model_columns)
    if validate_labels:
        _check_classes(run_dir, forest.num_class, len(metadata.label_set))
    return forest, metadata, encoders


def _encoders_of(run_dir: Path, required: Sequence[str]) -> CatEncoders:
    if not required and not (run_dir / ENCODERS_FILE).exists():
        return {}
    return read_encoders(run_dir, required)


def _check_features(run_dir: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    unnamed = [f"Column_{i}" for i in range(len(expected))]  # LightGBM's names where training gave none
    if list(found) not in (list(expected), unnamed):
        raise _damaged(run_dir, f"{MODEL_FILE} has other features than {METADATA_FILE} says")


def _check_classes(run_dir: Path, found: int, expected: int) -> None:
    if found != expected:
        raise _damaged(run_dir, f"{MODEL_FILE} has {found} classes, {METADATA_FILE} {expected} labels")


def _check_model_file(run_dir: Path, metadata: ModelMetadata) -> None:
    try:
        text = look_at(run_dir / MODEL_FILE)
    except OSError as error:
        raise _damaged(run_dir, f"{MODEL_FILE} cannot be read ({error.strerror or type(error).__name__})") from error
    recorded = metadata.sha256 and metadata.sha256.lower()
    if recorded and text.sha256 and text.sha256 != recorded and text.problem != WINDOWS_LINE_ENDS:
        raise _damaged(run_dir, f"{MODEL_FILE} is not the file that was recorded when the model was made (SHA-256)")
    if text.problem is not None:
        raise _damaged(run_dir, f"{MODEL_FILE}: {text.problem}")
    features = text.header.get("feature_names", "").split(" ")
    _check_features(run_dir, features, SCHEMAS[metadata.schema_version].model_columns)
    if text.header.get("num_class") != str(len(metadata.label_set)):
        raise _damaged(run_dir, f"{MODEL_FILE} has another number of classes than {METADATA_FILE} has labels")


def save_model_bundle(
    model: Any,
    metadata: ModelMetadata,
    metrics: Mapping[str, Any],
    confusion_df: Any,
    base_dir: Path,
    cat_encoders: Mapping[str, Any] | None = None,
) -> Path:
    """Write a new bundle into `base_dir`, under a hidden name until it is complete.

    Args:
        model: LightGBM text, or an object with `model_to_string()`.
        metadata: the metadata; the model's SHA-256 and, when missing, the time of creation are filled in.
        metrics: the content of metrics.json.
        confusion_df: a DataFrame, or rows of counts in the order of `metadata.label_set`.
        base_dir: the folder of the bundles.
        cat_encoders: by column, the texts or an object with `classes_`.

    Returns:
        The folder of the bundle.

    Raises:
        ValueError: a value cannot be written as JSON.
        HomeBusyError: another program holds the lock of the home.
        OSError: a file cannot be written.
    """
    text = (model if isinstance(model, str) else str(model.model_to_string())).encode()
    made = metadata.created_at or datetime.now(UTC).isoformat()
    recorded = metadata.model_copy(update={"sha256": hashlib.sha256(text).hexdigest(), "created_at": made})
    files = {
        MODEL_FILE: text,
        METADATA_FILE: json_text(recorded.model_dump()).encode(),
        METRICS_FILE: json_text(dict(metrics)).encode(),
        CONFUSION_FILE: _confusion_csv(confusion_df, metadata.label_set).encode(),
    }
    if cat_encoders:
        files[ENCODERS_FILE] = json_text({column: _words(words) for column, words in cat_encoders.items()}).encode()
    return _publish(Path(base_dir), files)


def _publish(base_dir: Path, files: Mapping[str, bytes]) -> Path:
    make_private_folder(base_dir)
    name = f"{datetime.now(UTC):%Y-%m-%d_%H%M%S}_run-{secrets.token_hex(2).upper()}"
    hidden = base_dir / f".{name}.tmp"
    hidden.mkdir(mode=PRIVATE_FOLDER)
    try:
        for file_name, data in files.items():
            write_new_file(hidden / file_name, data)
        sync_directory(hidden)
        # models/ may be shared with the taskclf tool; any other folder is our own
        with home_lock(base_dir.parent) if base_dir.name == "models" else nullcontext():
            final = hidden.rename(base_dir / name)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    sync_directory(base_dir)
    return final


def _confusion_csv(confusion: Any, labels: Sequence[str]) -> str:
    if hasattr(confusion, "to_csv"):
        return str(confusion.to_csv())
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["", *labels])
    writer.writerows([label, *row] for label, row in zip(labels, confusion, strict=True))
    return out.getvalue()


def _words(words: Any) -> list[str]:
    return sorted(str(word) for word in getattr(words, "classes_", words))


def _read_json(run_dir: Path, name: str, max_bytes: int = 1_000_000) -> dict[str, Any]:
    try:
        return read_json_object(run_dir / name, max_bytes)
    except BadJsonError as error:
        raise _damaged(run_dir, f"{name} {error}") from error


def _damaged(run_dir: Path, why: str) -> ModelFormatError:
    return ModelFormatError(f"The model {run_dir.name} cannot be used: {why}.", _ANOTHER_MODEL)


def starter_bundle() -> Path:
    """Return the folder of the starter model inside the installed package."""
    shipped = Path(str(resources.files("taskclf_tray") / "data" / "starter"))
    return next(path for path in sorted(shipped.iterdir()) if path.is_dir())


def copy_starter(models_dir: Path) -> Path:
    """Copy the starter model into `models/`, for the owner alone, unless it is there. Returns its folder.

    The bundle appears as a whole: it is copied beside and renamed. Raises OSError (a full disk), and then leaves
    nothing behind.
    """
    bundle = starter_bundle()
    goal, beside = models_dir / bundle.name, models_dir / f".{bundle.name}.new"
    if goal.exists():
        return goal
    make_private_folder(models_dir)
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=PRIVATE_FOLDER)
    try:
        for file in sorted(bundle.iterdir()):
            write_new_file(beside / file.name, read_regular(file, MAX_MODEL_BYTES))
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(goal)
    return goal
