"""`metadata.json` of a model bundle: what was trained, on what, for which rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from taskclf_tray.core.strict_json import describe, is_number
from taskclf_tray.core.time import parse_time

PROVENANCES: Final = ("real", "synthetic", "mixed")


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The keys of `metadata.json`; unknown ones are kept in `extra`, in their order.

    `time_basis`: "local" for models whose hour and weekday are local time; without it they are UTC. `sha256`: of
    model.txt, None in bundles of the taskclf tool. `reject_threshold`: advice of the training, or None.
    Raises ValueError (the rest of a sentence) for a value of a wrong type or out of range.
    """

    schema_version: str
    schema_hash: str
    label_set: tuple[str, ...]
    train_date_from: str = ""
    train_date_to: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    git_commit: str = ""
    dataset_hash: str = ""
    reject_threshold: float | None = None
    data_provenance: str = "real"
    created_at: str = ""
    unknown_category_freq_threshold: int | None = None
    unknown_category_mask_rate: float | None = None
    time_basis: str | None = None
    sha256: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels: object = self.label_set
        if isinstance(labels, list):
            object.__setattr__(self, "label_set", tuple(labels))
        for name, (holds, expected) in _CHECKS.items():
            value = getattr(self, name)
            if not holds(value):
                raise ValueError(f"{name} is {describe(value)}, but must be {expected}")

    @property
    def created(self) -> datetime | None:
        """`created_at` as an aware datetime; None when it is empty."""
        return parse_time(self.created_at) if self.created_at else None

    def to_dict(self) -> dict[str, Any]:
        """As in the file: contract's order, then the extra keys; our own keys only where they have a value."""
        data = {name: getattr(self, name) for name in _KNOWN}
        data["label_set"], data["params"] = list(self.label_set), dict(self.params)
        for ours in ("time_basis", "sha256"):
            if data[ours] is None:
                del data[ours]
        return data | dict(self.extra)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelMetadata:
        """Reverse of `to_dict`. Raises ValueError for missing keys and wrong values."""
        for name in ("schema_version", "schema_hash", "label_set"):
            if name not in data:
                raise ValueError(f"{name} is missing")
        known = {name: value for name, value in data.items() if name in _KNOWN}
        return cls(**known, extra={name: value for name, value in data.items() if name not in _KNOWN})


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_labels(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(label, str) for label in value)
        and len(set(value)) == len(value)
    )


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return not value or parse_time(value) is not None
    except ValueError:
        return False


def _is_share(value: Any) -> bool:
    return value is None or (is_number(value) and 0 <= value <= 1)


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_digest(value: object) -> bool:
    return value is None or (
        isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdefABCDEF")
    )


_Check = tuple[Callable[[Any], bool], str]
_TEXT: Final[_Check] = (_is_text, "a text")
_SHARE: Final[_Check] = (_is_share, "a number from 0 to 1, or null")
_CHECKS: Final[dict[str, _Check]] = {
    "schema_version": (_is_name, "a text"),
    "schema_hash": (_is_name, "a text"),
    "label_set": (_is_labels, "a list of different texts"),
    "train_date_from": _TEXT,
    "train_date_to": _TEXT,
    "params": (lambda value: isinstance(value, Mapping), "an object"),
    "git_commit": _TEXT,
    "dataset_hash": _TEXT,
    "reject_threshold": _SHARE,
    "data_provenance": (lambda value: isinstance(value, str) and value in PROVENANCES, "real, synthetic or mixed"),
    "created_at": (_is_time, "a time in ISO 8601"),
    "unknown_category_freq_threshold": (_is_count, "a whole number, or null"),
    "unknown_category_mask_rate": _SHARE,
    "time_basis": (lambda value: value is None or value == "local" or value == "utc", "local or utc"),
    "sha256": (_is_digest, "64 hexadecimal digits"),
}
_KNOWN: Final = tuple(item.name for item in fields(ModelMetadata) if item.name != "extra")
