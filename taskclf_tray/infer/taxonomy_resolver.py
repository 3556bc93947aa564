"""Stage 8: core labels to the person's own buckets (contract, section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.defaults import MIXED_UNKNOWN
from taskclf_tray.core.types import LABEL_SET_V1
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.taxonomy_config import TaxonomyConfig

FloatArray = npt.NDArray[np.float64]

OTHER_BUCKET: Final = "Other"
LABELS_AND_MIXED: Final = (*LABEL_SET_V1, MIXED_UNKNOWN)
"""A label's position here is its number; `Mixed/Unknown` comes last."""
_ROUNDING: Final = 1e-6
"""More than the rounding error of a sum of eight probabilities."""


@dataclass(frozen=True, slots=True)
class TaxonomyResult:
    """The mapped label, and the probability of each bucket in file order (sums to 1)."""

    mapped_label: str
    mapped_probs: dict[str, float]


class TaxonomyResolver:
    """Maps smoothed labels and calibrated probabilities to the buckets of one taxonomy.

    `bucket_names`: the person's buckets in file order, then `Other` when a core label is in none of them (a bucket of
    that name takes those labels instead).

    >>> from taskclf_tray.infer.taxonomy_config import TaxonomyBucket
    >>> resolver = TaxonomyResolver(TaxonomyConfig(buckets=[TaxonomyBucket(name="Code", core_labels=["Build"])]))
    >>> resolver.resolve(1, [0, 1, 0, 0, 0, 0, 0, 0])
    TaxonomyResult(mapped_label='Code', mapped_probs={'Code': 1.0, 'Other': 0.0})
    """

    def __init__(self, config: TaxonomyConfig) -> None:
        self.config = config
        groups = {bucket.name: set(bucket.core_labels) for bucket in config.buckets}
        placed = set().union(*groups.values())
        if left_out := set(LABEL_SET_V1) - placed:
            groups.setdefault(OTHER_BUCKET, set()).update(left_out)
        self.bucket_names: tuple[str, ...] = tuple(groups)
        self.label_names = np.array([*self.bucket_names, config.mixed_label_name], dtype=object)
        """The possible labels of a row: the buckets, then the mixed name."""
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
        """Map one unsmoothed bucket.

        Args:
            core_label_id: number of the core label in label order.
            core_probs: eight calibrated probabilities in label order.
            is_rejected: a rejected bucket gets the mixed name; its probabilities are mapped all the same.
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
        """Map N unsmoothed buckets as `resolve` does.

        Args:
            core_label_ids: N numbers of core labels.
            core_probs: (N, 8) calibrated probabilities.
            is_rejected: N flags; None rejects nothing.
        """
        rejected = [False] * len(core_label_ids) if is_rejected is None else [bool(one) for one in is_rejected]
        lines = zip(core_label_ids, np.asarray(core_probs).tolist(), rejected, strict=True)
        return [self.resolve(int(label), probs, is_rejected=bad) for label, probs, bad in lines]

    def resolve_smoothed(self, smoothed_label: str, raw_label: str, core_probs: Sequence[float]) -> TaxonomyResult:
        """Map one smoothed bucket (contract, section 8).

        Args:
            smoothed_label: the label after smoothing.
            raw_label: the label before smoothing, `Mixed/Unknown` when rejected.
            core_probs: eight calibrated probabilities in label order.
        """
        probs = self._aggregate_row(core_probs)
        mapped_probs = dict(zip(self.bucket_names, probs, strict=True))
        return TaxonomyResult(self._label(smoothed_label, raw_label, probs), mapped_probs)

    def label(self, smoothed_label: str, raw_label: str, core_probs: Sequence[float]) -> str:
        """Return the mapped label of `resolve_smoothed` alone."""
        return self._label(smoothed_label, raw_label, self._aggregate_row(core_probs))

    def certain_label(self, smoothed_label: str, raw_label: str, confidence: float) -> str | None:
        """Return the mapped label if it follows without the probabilities, as for most minutes, else None.

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
        """Everything that selects the bucket, by its place in the file, for a minute; names and colours do not."""
        config = self.config
        return (self._members, self._weights, config.probability_aggregation, config.min_confidence_for_mapping)

    def _label(self, smoothed: str, raw: str, probs: Sequence[float]) -> str:
        if smoothed == MIXED_UNKNOWN:
            return self.config.mixed_label_name
        if smoothed != raw:
            # smoothing chose this label from the neighbours, so the bucket's own confidence does not count
            return self.bucket_names[max(self._holders[smoothed], key=probs.__getitem__)]
        best = max(range(len(probs)), key=probs.__getitem__)
        sure = probs[best] >= self.config.min_confidence_for_mapping
        return self.bucket_names[best] if sure else self.config.mixed_label_name

    def _aggregate_row(self, core_probs: Sequence[float]) -> list[float]:
        """Reweight, renormalise, aggregate, renormalise; sums run in label order, then in file order."""
        weighted = [float(p) * w for p, w in zip(core_probs, self._weights, strict=True)]
        total = _total(weighted)
        normalised = [p / total for p in weighted]
        if self._is_sum:
            grouped = [_total([normalised[i] for i in members]) for members in self._members]
        else:
            grouped = [max(normalised[i] for i in members) for members in self._members]
        total = _total(grouped)
        return [p / total for p in grouped]

    def resolve_smoothed_batch(
        self, smoothed_labels: Sequence[str], raw_labels: Sequence[str], core_probs: FloatArray
    ) -> tuple[list[str], FloatArray]:
        """Map N smoothed buckets, bit for bit as `resolve_smoothed`.

        Args:
            smoothed_labels: N labels after smoothing.
            raw_labels: N labels before smoothing.
            core_probs: (N, 8) calibrated probabilities.

        Returns:
            N mapped labels, and (N, buckets) mapped probabilities in the order of `bucket_names`.
        """
        smoothed, raw = (
            np.array([LABELS_AND_MIXED.index(label) for label in column.values], dtype=np.int64)[column.codes]
            for column in (Categorical.of(smoothed_labels), Categorical.of(raw_labels))
        )
        chosen, probs = self.resolve_codes(smoothed, raw, core_probs)
        return self.label_names[chosen].tolist(), probs

    def resolve_codes(
        self, smoothed: npt.NDArray[np.int64], raw: npt.NDArray[np.int64], core_probs: FloatArray
    ) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Map (N,) label numbers (8 is `Mixed/Unknown`) as `resolve_smoothed_batch`; returns (N,) indices into
        `label_names`.
        """
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
        normalised = [p / total for p in weighted]
        if self._is_sum:
            grouped = [_total([normalised[i] for i in members]) for members in self._members]
        else:
            grouped = [np.max([normalised[i] for i in members], axis=0) for members in self._members]
        total = _total(grouped)
        return np.stack([p / total for p in grouped], axis=1)


def _total(parts: Iterable[Any]) -> Any:
    """Sum numbers or columns from left to right. (`sum` compensates floats since Python 3.12: other bits.)"""
    rest = iter(parts)
    total = next(rest)
    for part in rest:
        total = total + part
    return total
