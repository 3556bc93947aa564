"""Stage 8: from core labels to the person's own buckets (contract, section 8)."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import DEFAULT_MIN_CONFIDENCE_FOR_MAPPING, MIXED_UNKNOWN
from taskclf_tray.core.errors import TaxonomyError
from taskclf_tray.core.models import Model
from taskclf_tray.core.plain_text import readable
from taskclf_tray.core.types import LABEL_SET_V1, LABEL_VERSION
from taskclf_tray.infer.categorical import Categorical

if TYPE_CHECKING:
    from taskclf_tray.infer.taxonomy_file import default_taxonomy as default_taxonomy
    from taskclf_tray.infer.taxonomy_file import load_taxonomy as load_taxonomy
    from taskclf_tray.infer.taxonomy_file import save_taxonomy as save_taxonomy

FloatArray = npt.NDArray[np.float64]
Aggregation = Literal["sum", "max"]

OTHER_BUCKET: Final = "Other"
LABELS_AND_MIXED: Final = (*LABEL_SET_V1, MIXED_UNKNOWN)
"""A label's position here is its number; `Mixed/Unknown` comes last."""
MIN_WEIGHT: Final = 1e-100
MAX_WEIGHT: Final = 1e100
"""Weights stay where a probability times a weight cannot vanish or overflow, so that mapped rows always sum to 1."""

_ROUNDING: Final = 1e-6
"""More than sums of eight probabilities are off by."""
_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)
_DEFAULT_COLOR: Final = "#7F8C8D"


def _refuse(key: str, problem: str) -> TaxonomyError:
    return TaxonomyError(f"{readable(f'{key}: {problem}')}.", "Correct the taxonomy file and save it again.", key=key)


@dataclass(frozen=True, slots=True)
class TaxonomyBucket(Model):
    """One of the person's buckets and the core labels it holds. Raises TaxonomyError for wrong values."""

    name: str
    core_labels: list[str]
    description: str = ""
    color: str = _DEFAULT_COLOR

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise _refuse("name", "a bucket needs a name")
        object.__setattr__(self, "core_labels", list(self.core_labels))
        if not self.core_labels:
            raise _refuse("core_labels", f"bucket {self.name!r} holds no core label")
        for label in self.core_labels:
            if label not in LABEL_SET_V1:
                raise _refuse("core_labels", f"bucket {self.name!r} names {label!r}, which is no core label")
        if len(set(self.core_labels)) < len(self.core_labels):
            raise _refuse("core_labels", f"bucket {self.name!r} names a core label twice")
        if not _COLOR.fullmatch(self.color):
            raise _refuse("color", f"bucket {self.name!r} has the color {self.color!r}, not one like #2E86DE")


@dataclass(frozen=True, slots=True)
class TaxonomyDisplay(Model):
    """How views show labels; no effect on what is computed."""

    show_core_labels: bool = False
    default_view: str = "mapped"
    color_theme: str = "default"


@dataclass(frozen=True, slots=True)
class TaxonomyReject(Model):
    """What a minute is called that the model is not sure of, and whether reports count it."""

    mixed_label_name: str = MIXED_UNKNOWN
    include_rejected_in_reports: bool = False


@dataclass(frozen=True, slots=True)
class TaxonomyAdvanced(Model):
    """How probabilities of core labels become those of buckets. Raises TaxonomyError for wrong values."""

    probability_aggregation: Aggregation = "sum"
    min_confidence_for_mapping: float = DEFAULT_MIN_CONFIDENCE_FOR_MAPPING
    reweight_core_labels: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reweight_core_labels", dict(self.reweight_core_labels))
        if self.probability_aggregation not in ("sum", "max"):
            raise _refuse("advanced.probability_aggregation", "it must be sum or max")
        if not 0 <= self.min_confidence_for_mapping <= 1:
            raise _refuse("advanced.min_confidence_for_mapping", "it must be between 0 and 1")
        for label, weight in self.reweight_core_labels.items():
            key = f"advanced.reweight_core_labels.{label}"
            if label not in LABEL_SET_V1:
                raise _refuse(key, "no such core label")
            if not (math.isfinite(weight) and MIN_WEIGHT <= weight <= MAX_WEIGHT):
                raise _refuse(key, "a weight must be a number above 0")


@dataclass(frozen=True, slots=True)
class TaxonomyConfig(Model):
    """A whole taxonomy file, in the file's sections. Raises TaxonomyError, whose `key` names what is wrong."""

    buckets: list[TaxonomyBucket]
    version: str = "1.0"
    label_schema_version: str = LABEL_VERSION
    user_id: str | None = None
    display: TaxonomyDisplay = field(default_factory=TaxonomyDisplay)
    reject: TaxonomyReject = field(default_factory=TaxonomyReject)
    advanced: TaxonomyAdvanced = field(default_factory=TaxonomyAdvanced)

    def __post_init__(self) -> None:
        object.__setattr__(self, "buckets", list(self.buckets))
        if not self.buckets:
            raise _refuse("buckets", "a taxonomy needs at least one bucket")
        names = [bucket.name for bucket in self.buckets]
        for name in names:
            if names.count(name) > 1:
                raise _refuse("buckets", f"two buckets are named {name!r}")
        if not self.mixed_label_name.strip():
            raise _refuse("reject.mixed_label_name", "the name is empty")
        if self.mixed_label_name in names:
            raise _refuse("reject.mixed_label_name", f"a bucket is named {self.mixed_label_name!r} too")
        if self.label_schema_version != LABEL_VERSION:
            raise _refuse("label_schema_version", f"{self.label_schema_version!r} is not {LABEL_VERSION!r}")

    @property
    def mixed_label_name(self) -> str:
        """What a minute is called that the model is not sure of."""
        return self.reject.mixed_label_name

    @property
    def include_rejected_in_reports(self) -> bool:
        """Whether reports count such minutes."""
        return self.reject.include_rejected_in_reports

    @property
    def probability_aggregation(self) -> Aggregation:
        """A bucket's probability: the sum of its labels', or the largest of them."""
        return self.advanced.probability_aggregation

    @property
    def min_confidence_for_mapping(self) -> float:
        """Below this probability no bucket is named."""
        return self.advanced.min_confidence_for_mapping

    @property
    def reweight_core_labels(self) -> dict[str, float]:
        """How much a core label counts, 1.0 where it is not named."""
        return self.advanced.reweight_core_labels

    @property
    def digest(self) -> str:
        """64 hex digits over the content: equal for files that say the same."""
        # one flat object, as before the sections were fields: records name taxonomies by this
        flat = {name: getattr(self, name) for name in ("buckets", "version", "label_schema_version", "user_id")}
        flat["display"] = self.display
        flat |= self.reject.model_dump() | self.advanced.model_dump()
        content = {name: _plain(value) for name, value in flat.items()}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def taxonomy_of(document: Mapping[str, Any]) -> TaxonomyConfig:
    """The taxonomy that `taxonomy_file.taxonomy_document` wrote as `document`, also after a trip through JSON.

    Raises TaxonomyError, KeyError or TypeError for what it did not write.
    """
    return TaxonomyConfig(
        buckets=[TaxonomyBucket(**bucket) for bucket in document["buckets"]],
        version=document["version"],
        label_schema_version=document["label_schema_version"],
        user_id=document["user_id"],
        display=TaxonomyDisplay(**document["display"]),
        reject=TaxonomyReject(**document["reject"]),
        advanced=TaxonomyAdvanced(**document["advanced"]),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.model_dump()
    return [_plain(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class TaxonomyResult(Model):
    """The mapped label, and each bucket's probability in file order (sums to 1)."""

    mapped_label: str
    mapped_probs: dict[str, float]


class TaxonomyResolver:
    """Maps smoothed labels and calibrated probabilities by one taxonomy.

    `bucket_names`: the person's buckets in file order, then `Other` when a core label is in none of them (a
    bucket of that name takes those labels instead).
    """

    def __init__(self, config: TaxonomyConfig) -> None:
        self.config = config
        groups = {bucket.name: set(bucket.core_labels) for bucket in config.buckets}
        placed = set().union(*groups.values())
        if left_out := set(LABEL_SET_V1) - placed:
            groups.setdefault(OTHER_BUCKET, set()).update(left_out)
        self.bucket_names: tuple[str, ...] = tuple(groups)
        self.label_names = np.array([*self.bucket_names, config.mixed_label_name], dtype=object)
        """What a row may be mapped to: the buckets, then the mixed name."""
        self._members = [[i for i, name in enumerate(LABEL_SET_V1) if name in group] for group in groups.values()]
        self._holders = {name: [b for b, group in enumerate(groups.values()) if name in group] for name in LABEL_SET_V1}
        self._weights = [float(config.reweight_core_labels.get(name, 1.0)) for name in LABEL_SET_V1]
        self._is_sum = config.probability_aggregation == "sum"
        self._is_plain = (
            self._is_sum and len(set(self._weights)) == 1 and all(len(h) == 1 for h in self._holders.values())
        )
        self._certain_from = max(0.5, config.min_confidence_for_mapping) + _ROUNDING

    def resolve(
        self, core_label_id: int, core_probs: Sequence[float] | FloatArray, *, is_rejected: bool = False
    ) -> TaxonomyResult:
        """One bucket that is not smoothed: its core label and the eight calibrated probabilities in label order.

        A rejected one has the mixed name, and its probabilities all the same.
        """
        label = MIXED_UNKNOWN if is_rejected else LABEL_SET_V1[core_label_id]
        probs = [float(p) for p in core_probs]
        raw = MIXED_UNKNOWN if is_rejected else LABEL_SET_V1[max(range(len(probs)), key=probs.__getitem__)]
        return self.resolve_smoothed(label, raw, probs)

    def resolve_batch(
        self,
        core_label_ids: Sequence[int] | npt.NDArray[np.int64],
        core_probs: FloatArray,
        *,
        is_rejected: Sequence[bool] | npt.NDArray[np.bool_] | None = None,
    ) -> list[TaxonomyResult]:
        """`resolve` of many: N label ids and (N, 8) probabilities."""
        rejected = [False] * len(core_label_ids) if is_rejected is None else [bool(one) for one in is_rejected]
        lines = zip(core_label_ids, np.asarray(core_probs).tolist(), rejected, strict=True)
        return [self.resolve(int(label), probs, is_rejected=bad) for label, probs, bad in lines]

    def resolve_smoothed(self, smoothed_label: str, raw_label: str, core_probs: Sequence[float]) -> TaxonomyResult:
        """One smoothed bucket (contract, section 8): `core_probs` are the eight calibrated probabilities.

        `raw_label` is the label before smoothing (`Mixed/Unknown` when rejected).
        """
        probs = self._aggregate_row(core_probs)
        mapped_probs = dict(zip(self.bucket_names, probs, strict=True))
        return TaxonomyResult(self._label(smoothed_label, raw_label, probs), mapped_probs)

    def label(self, smoothed_label: str, raw_label: str, core_probs: Sequence[float]) -> str:
        """The mapped label alone, as `resolve` gives it."""
        return self._label(smoothed_label, raw_label, self._aggregate_row(core_probs))

    def certain_label(self, smoothed_label: str, raw_label: str, confidence: float) -> str | None:
        """The mapped label where it follows without the probabilities, as for most minutes; None where it does not.

        A core label with more than half of the probability puts its only bucket before all others, unless labels are
        reweighted, aggregated by their maximum, or in several buckets.
        """
        if smoothed_label == MIXED_UNKNOWN:
            return self.config.mixed_label_name
        holders = self._holders[smoothed_label]
        if len(holders) > 1:
            return None
        if smoothed_label != raw_label or (self._is_plain and confidence > self._certain_from):
            return self.bucket_names[holders[0]]
        return None

    @property
    def rules(self) -> tuple[object, ...]:
        """All that decides to which bucket, by its place in the file, a minute is mapped; names and colours do not."""
        config = self.config
        return (self._members, self._weights, config.probability_aggregation, config.min_confidence_for_mapping)

    def _label(self, smoothed: str, raw: str, probs: Sequence[float]) -> str:
        if smoothed == MIXED_UNKNOWN:
            return self.config.mixed_label_name
        if smoothed != raw:
            # brought in by smoothing: its neighbours vouch for it, so the bucket's own confidence is not asked
            return self.bucket_names[max(self._holders[smoothed], key=probs.__getitem__)]
        best = max(range(len(probs)), key=probs.__getitem__)
        sure = probs[best] >= self.config.min_confidence_for_mapping
        return self.bucket_names[best] if sure else self.config.mixed_label_name

    def _aggregate_row(self, core_probs: Sequence[float]) -> list[float]:
        """Reweight, renormalise, aggregate, renormalise; sums run in label order, then in file order."""
        weighted = [float(p) * w for p, w in zip(core_probs, self._weights, strict=True)]
        total = _total(weighted)
        shares = [p / total for p in weighted]
        if self._is_sum:
            grouped = [_total([shares[i] for i in members]) for members in self._members]
        else:
            grouped = [max(shares[i] for i in members) for members in self._members]
        total = _total(grouped)
        return [p / total for p in grouped]

    def resolve_smoothed_batch(
        self, smoothed_labels: Sequence[str], raw_labels: Sequence[str], core_probs: FloatArray
    ) -> tuple[list[str], FloatArray]:
        """Many buckets at once, bit for bit as `resolve_smoothed`.

        `core_probs`: (N, 8). Returns the N mapped labels and the (N, buckets) mapped probabilities, columns in the
        order of `bucket_names`.
        """
        smoothed, raw = (
            np.array([LABELS_AND_MIXED.index(label) for label in coded.values], dtype=np.int64)[coded.codes]
            for coded in (Categorical.of(smoothed_labels), Categorical.of(raw_labels))
        )
        chosen, probs = self.resolve_codes(smoothed, raw, core_probs)
        return self.label_names[chosen].tolist(), probs

    def resolve_codes(
        self, smoothed: npt.NDArray[np.int64], raw: npt.NDArray[np.int64], core_probs: FloatArray
    ) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """`resolve_smoothed_batch` with (N,) label numbers (8 is `Mixed/Unknown`); the first answer is N indices into
        `label_names`."""
        probs = self._aggregate(core_probs)
        mixed = len(self.bucket_names)
        chosen = probs.argmax(axis=1)
        if len(chosen):
            chosen[probs.max(axis=1) < self.config.min_confidence_for_mapping] = mixed
        changed = np.flatnonzero(smoothed != raw)
        to = smoothed[changed]
        for label, name in enumerate(LABEL_SET_V1):
            moved = changed[to == label]
            if len(moved):
                holders = np.array(self._holders[name])
                chosen[moved] = holders[probs[moved][:, holders].argmax(axis=1)]
        chosen[smoothed == len(LABEL_SET_V1)] = mixed
        return chosen, probs

    def _aggregate(self, core_probs: FloatArray) -> FloatArray:
        weighted = [core_probs[:, i] * w for i, w in enumerate(self._weights)]
        total = _total(weighted)
        shares = [p / total for p in weighted]
        if self._is_sum:
            grouped = [_total([shares[i] for i in members]) for members in self._members]
        else:
            grouped = [np.max([shares[i] for i in members], axis=0) for members in self._members]
        total = _total(grouped)
        return np.stack([p / total for p in grouped], axis=1)


def _total(parts: Iterable[Any]) -> Any:
    """The sum of numbers or columns from left to right. (`sum` compensates floats since Python 3.12: other bits.)"""
    rest = iter(parts)
    total = next(rest)
    for part in rest:
        total = total + part
    return total


_IN_FILE: Final = ("default_taxonomy", "load_taxonomy", "save_taxonomy")


def __getattr__(name: str) -> Any:
    """Loading and saving are public here; the code is in `taxonomy_file`, which imports this module."""
    if name in _IN_FILE:
        return getattr(importlib.import_module("taskclf_tray.infer.taxonomy_file"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
