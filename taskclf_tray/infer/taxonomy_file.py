"""The taxonomy file (YAML): read with the line of every mistake, written whole; and the one a person starts from.

The starter file has one bucket per core label, so that nothing changes before it is edited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from taskclf_tray.core.atomic import write_text_atomic
from taskclf_tray.core.defaults import DEFAULT_MIN_CONFIDENCE_FOR_MAPPING, MIXED_UNKNOWN
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.core.plain_text import readable
from taskclf_tray.core.strict_json import BadJsonError, read_bounded
from taskclf_tray.core.types import LABEL_SET_V1, LABEL_VERSION
from taskclf_tray.infer.plain_yaml import PlainYaml, PlainYamlError, parse_plain_yaml
from taskclf_tray.infer.taxonomy import (
    TaxonomyAdvanced,
    TaxonomyBucket,
    TaxonomyConfig,
    TaxonomyDisplay,
    TaxonomyReject,
)

MAX_FILE_BYTES: Final = 256 * 1024
_NEXT_STEP: Final = "Correct the file and save it again."
DEFAULT_COLORS: Final = ("#bfdfdb", "#0b52a8", "#57b3ff", "#bc530f", "#6d226a", "#2d926c", "#faf87d", "#f4b40f")
"""In label order; those the tray icon has without a taxonomy, so that a new taxonomy recolours nothing."""

_ROOT_KEYS: Final = ("version", "label_schema_version", "user_id", "display", "reject", "buckets", "advanced")
_SECTION_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "display": ("show_core_labels", "default_view", "color_theme"),
    "reject": ("mixed_label_name", "include_rejected_in_reports"),
    "advanced": ("probability_aggregation", "min_confidence_for_mapping", "reweight_core_labels"),
}
_BUCKET_KEYS: Final = ("name", "description", "core_labels", "color")
_KIND: Final[Mapping[type, str]] = {str: "text", bool: "true or false", float: "a number"}

T = TypeVar("T")


def default_taxonomy() -> TaxonomyConfig:
    """One bucket per core label, named like it."""
    buckets = [
        TaxonomyBucket(name=label, core_labels=[label], color=color)
        for label, color in zip(LABEL_SET_V1, DEFAULT_COLORS, strict=True)
    ]
    return TaxonomyConfig(buckets=buckets)


def load_taxonomy(path: Path) -> TaxonomyConfig:
    """Read a taxonomy file. Raises TaxonomyError (with `line` and `key` where known) for anything wrong with it."""
    try:
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8-sig")
    except BadJsonError as error:
        raise TaxonomyError(f"The taxonomy {path.name} {error}.", _NEXT_STEP) from error
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"The taxonomy {path.name} is not UTF-8 text.", _NEXT_STEP) from error
    return parse_taxonomy(text, source=path.name)


def parse_taxonomy(text: str, *, source: str = "file") -> TaxonomyConfig:
    """The taxonomy in YAML text; `source` names it in errors. Raises TaxonomyError as `load_taxonomy` does."""
    try:
        return _config(parse_plain_yaml(text))
    except PlainYamlError as error:
        where = source if error.line is None else f"{source}, line {error.line}"
        what = error.problem if error.key is None else f"{error.key}: {error.problem}"
        title = f"Taxonomy {where}: {readable(what)}."
        raise TaxonomyError(title, _NEXT_STEP, key=error.key, line=error.line) from error


def save_taxonomy(config: TaxonomyConfig, path: Path) -> Path:
    """Write a taxonomy so that `load_taxonomy` gives an equal one; the file appears whole. Returns `path`."""
    text = yaml.safe_dump(taxonomy_document(config), sort_keys=False, allow_unicode=True)
    write_text_atomic(path, text)
    return path


def taxonomy_document(config: TaxonomyConfig) -> dict[str, Any]:
    """The taxonomy in the keys of its file."""
    return {
        "version": config.version,
        "label_schema_version": config.label_schema_version,
        "user_id": config.user_id,
        "display": {name: getattr(config.display, name) for name in _SECTION_KEYS["display"]},
        "reject": {name: getattr(config, name) for name in _SECTION_KEYS["reject"]},
        "buckets": [
            {"name": b.name, "description": b.description, "core_labels": list(b.core_labels), "color": b.color}
            for b in config.buckets
        ],
        "advanced": {
            "probability_aggregation": config.probability_aggregation,
            "min_confidence_for_mapping": config.min_confidence_for_mapping,
            "reweight_core_labels": dict(config.reweight_core_labels),
        },
    }


def _config(document: PlainYaml) -> TaxonomyConfig:
    root = document.root
    _check_keys(document, root, "", _ROOT_KEYS)
    fields: dict[str, Any] = {
        "version": _version(document),
        "label_schema_version": _get(document, "label_schema_version", str, LABEL_VERSION),
        "user_id": None if root.get("user_id") is None else _get(document, "user_id", str, ""),
        "display": TaxonomyDisplay(
            show_core_labels=_get(document, "display.show_core_labels", bool, False),
            default_view=_get(document, "display.default_view", str, "mapped"),
            color_theme=_get(document, "display.color_theme", str, "default"),
        ),
        "reject": TaxonomyReject(
            mixed_label_name=_get(document, "reject.mixed_label_name", str, MIXED_UNKNOWN),
            include_rejected_in_reports=_get(document, "reject.include_rejected_in_reports", bool, False),
        ),
        "advanced": _built(document, "", lambda: _advanced(document)),
        "buckets": _buckets(document),
    }
    return _built(document, "", lambda: TaxonomyConfig(**fields))


def _advanced(document: PlainYaml) -> TaxonomyAdvanced:
    values: dict[str, Any] = {
        "probability_aggregation": _get(document, "advanced.probability_aggregation", str, "sum"),
        "min_confidence_for_mapping": _get(
            document, "advanced.min_confidence_for_mapping", float, DEFAULT_MIN_CONFIDENCE_FOR_MAPPING
        ),
        "reweight_core_labels": _weights(document),
    }
    return TaxonomyAdvanced(**values)


def _version(document: PlainYaml) -> str:
    """`version: 1.0` is a number in YAML and `"1.0"` a text: both mean the same."""
    version = document.root.get("version", "1.0")
    if isinstance(version, bool) or not isinstance(version, str | int | float):
        raise _wrong(document, "version", "must be 1.0")
    if str(version) not in ("1", "1.0"):
        raise _wrong(document, "version", f"{version} is not known, only 1.0 is")
    return "1.0"


def _buckets(document: PlainYaml) -> list[TaxonomyBucket]:
    listed = document.root.get("buckets")
    if not isinstance(listed, list):
        raise _wrong(document, "buckets", "must be a list of buckets")
    return [_bucket(document, f"buckets[{i}]", bucket) for i, bucket in enumerate(listed)]


def _bucket(document: PlainYaml, key: str, bucket: Any) -> TaxonomyBucket:
    if not isinstance(bucket, dict):
        raise _wrong(document, key, "must have a name and core_labels")
    _check_keys(document, bucket, key, _BUCKET_KEYS)
    labels = bucket.get("core_labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _wrong(document, f"{key}.core_labels", "must be a list of core labels")
    texts = {name: _checked(document, f"{key}.{name}", bucket[name], str) for name in bucket if name != "core_labels"}
    if "name" not in texts:
        raise _wrong(document, f"{key}.name", "is missing")
    return _built(document, key, lambda: TaxonomyBucket(core_labels=labels, **texts))


def _weights(document: PlainYaml) -> dict[str, float]:
    key = "advanced.reweight_core_labels"
    weights = _section(document, "advanced").get("reweight_core_labels")
    if weights is None:
        return {}
    if not isinstance(weights, dict):
        raise _wrong(document, key, "must be lines of `core label: weight`")
    return {label: _checked(document, f"{key}.{label}", weight, float) for label, weight in weights.items()}


def _section(document: PlainYaml, name: str) -> dict[str, Any]:
    section = document.root.get(name)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise _wrong(document, name, "must consist of `key: value` lines")
    _check_keys(document, section, name, _SECTION_KEYS[name])
    return section


def _get(document: PlainYaml, key: str, kind: type[T], default: T) -> T:
    section, _, name = key.rpartition(".")
    values = _section(document, section) if section else document.root
    return _checked(document, key, values[name], kind) if name in values else default


def _checked(document: PlainYaml, key: str, value: Any, kind: type[T]) -> T:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise _wrong(document, key, "the number is too large") from None
    if not isinstance(value, kind):
        raise _wrong(document, key, f"must be {_KIND[kind]}")
    return value


def _check_keys(document: PlainYaml, values: dict[str, Any], where: str, known: tuple[str, ...]) -> None:
    """A misspelt key would be ignored without a word, so it is refused."""
    for name in values:
        if name not in known:
            key = f"{where}.{name}" if where else name
            raise _wrong(document, key, f"is not known; known are {', '.join(known)}")


def _built(document: PlainYaml, where: str, build: Callable[[], T]) -> T:
    """Run a constructor that checks its values, and give its error the line."""
    try:
        return build()
    except TaxonomyError as error:
        key = ".".join(part for part in (where, error.key) if part)
        problem = error.title.removeprefix(f"{error.key}: ").rstrip(".")
        raise _wrong(document, key, problem) from error


def _wrong(document: PlainYaml, key: str, problem: str) -> PlainYamlError:
    return PlainYamlError(problem, key, document.line_of(key))


_HEAD: Final = """\
# Your own categories for the eight labels of the model.
#
# Each bucket below is one category: rename it, give it another color, or let it hold several core labels; then
# remove the buckets whose label you moved. A label that is in no bucket is shown as Other.
# As it stands this file changes nothing: every label is a category of its own, with its own name.
#
# A save is checked at once. A valid file counts for all days, the past ones too; with an invalid one the previous
# categories stay, and a notification names the line and the key. Removing the file brings the core labels back.

version: "1.0"
label_schema_version: labels_v1

reject:
  # What minutes are called that the model is not sure of.
  mixed_label_name: Mixed/Unknown
  # Whether reports count them.
  include_rejected_in_reports: false

buckets:
"""
_BUCKET: Final = """\
  - name: {label}
    core_labels: [{label}]
    color: "{color}"
"""
_TAIL: Final = """
  # One category for several labels looks like this:
  # - name: Deep Work
  #   description: Work that wants quiet
  #   core_labels: [Build, Debug, Write]
  #   color: "#2E86DE"

advanced:
  # The probability of a category: the sum of its labels' (sum) or the highest of them (max).
  probability_aggregation: sum
  # A category less probable than this is shown as Mixed/Unknown. With 0 only the reject threshold of the inference
  # policy decides, as it does without this file; 0.55 is usual for categories of several labels.
  min_confidence_for_mapping: 0.0
  # How much a label counts in its category, 1.0 where it is not named, such as {Meet: 1.5}.
  reweight_core_labels: {}
"""


def starter_taxonomy_text() -> str:
    """The commented file; it shows every minute as the core labels alone would."""
    colors = zip(LABEL_SET_V1, DEFAULT_COLORS, strict=True)
    return _HEAD + "".join(_BUCKET.format(label=label, color=color) for label, color in colors) + _TAIL


def write_starter_taxonomy(path: Path, *, overwrite: bool = False) -> bool:
    """Write the starter file; whether it was written. An existing file stays unless `overwrite`. Raises OSError."""
    if not overwrite and (path.exists() or path.is_symlink()):
        return False
    write_text_atomic(path, starter_taxonomy_text())
    return True
