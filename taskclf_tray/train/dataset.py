"""Labelled minutes, on which models are trained, calibrated and judged.

A dataset has one line for each bucket that a person, or marked as weak a rule, gave a label. Rows stay packed, a
twentieth of their size as objects, and are unpacked in chunks.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from taskclf_tray.core.time import from_us, local_date
from taskclf_tray.core.types import LABEL_SET_V1, FeatureRow
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.store.buckets import unpack_known_row

if TYPE_CHECKING:
    from taskclf_tray.train.encoded_rows import EncodedRows

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.str_]
Provenance = Literal["real", "synthetic", "mixed"]

NO_LABEL: Final = -1
CHUNK_ROWS: Final = 2_000
BLOCK_GAP_US: Final = 300 * 1_000_000
"""Minutes of one label that are closer than this are one block, since they are no independent samples."""


@dataclass(frozen=True, slots=True)
class LabelledBucket:
    """One line of a dataset."""

    user_id: str
    start_us: int
    end_us: int
    day: int
    label: int
    weight: float
    is_weak: bool
    is_models: bool
    packed: bytes


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled buckets in order of (user, time); every array has one line for each.

    `labels`: ids in label order. `days`: ordinals of the local date, each in the row's own zone. `block_ids`: rising;
    a run of one label of one user and day is one block, the unit for resampling and for splits. `is_weak`: the label
    is from a rule. `is_models`: the model decides the bucket, not the idle rule. `packed`: the feature rows.
    """

    packed: tuple[bytes, ...]
    user_ids: TextArray
    start_us: IntArray
    end_us: IntArray
    days: IntArray
    labels: IntArray
    weights: FloatArray
    block_ids: IntArray
    is_weak: BoolArray
    is_models: BoolArray
    provenance: Provenance = "real"
    encoded: EncodedRows | None = None
    """The rows once more, for `matrix`; as `encoded_once` makes them."""

    @classmethod
    def of(cls, buckets: Iterable[LabelledBucket], provenance: Provenance = "real") -> Dataset:
        """Collect lines in any order. A person's label wins over a rule's; a bucket with two labels is dropped."""
        lines = _settled(buckets)
        users = np.array([line.user_id for line in lines], dtype=np.str_)
        start_us = np.array([line.start_us for line in lines], dtype=np.int64)
        end_us = np.array([line.end_us for line in lines], dtype=np.int64)
        days = np.array([line.day for line in lines], dtype=np.int64)
        labels = np.array([line.label for line in lines], dtype=np.int64)
        is_weak = np.array([line.is_weak for line in lines], dtype=np.bool_)
        return cls(
            packed=tuple(line.packed for line in lines),
            user_ids=users,
            start_us=start_us,
            end_us=end_us,
            days=days,
            labels=labels,
            weights=np.array([line.weight for line in lines], dtype=np.float64),
            block_ids=_blocks(users, start_us, end_us, days, labels, is_weak),
            is_weak=is_weak,
            is_models=np.array([line.is_models for line in lines], dtype=np.bool_),
            provenance=provenance,
        )

    @classmethod
    def joined(cls, parts: Sequence[Dataset]) -> Dataset:
        """Join datasets; a bucket that is in several counts once."""
        kinds = {part.provenance for part in parts if len(part)}
        provenance: Provenance = kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "real"
        return cls.of((line for part in parts for line in part.lines()), provenance)

    def __len__(self) -> int:
        return len(self.packed)

    def take(self, which: IntArray | BoolArray) -> Dataset:
        """Some of the lines (a mask, or rising positions); blocks keep their ids."""
        places = np.flatnonzero(which) if which.dtype == np.bool_ else np.asarray(which, dtype=np.int64)
        return Dataset(
            packed=tuple(self.packed[place] for place in places.tolist()),
            user_ids=self.user_ids[places],
            start_us=self.start_us[places],
            end_us=self.end_us[places],
            days=self.days[places],
            labels=self.labels[places],
            weights=self.weights[places],
            block_ids=self.block_ids[places],
            is_weak=self.is_weak[places],
            is_models=self.is_models[places],
            provenance=self.provenance,
            encoded=None if self.encoded is None else self.encoded.take(places),
        )

    def labelled_by_person(self) -> Dataset:
        """The dataset without the weak lines."""
        return self.take(~self.is_weak)

    def lines(self) -> Iterator[LabelledBucket]:
        """Iterate over the lines."""
        for k in range(len(self)):
            yield LabelledBucket(
                user_id=str(self.user_ids[k]),
                start_us=int(self.start_us[k]),
                end_us=int(self.end_us[k]),
                day=int(self.days[k]),
                label=int(self.labels[k]),
                weight=float(self.weights[k]),
                is_weak=bool(self.is_weak[k]),
                is_models=bool(self.is_models[k]),
                packed=self.packed[k],
            )

    def rows(self, start: int = 0, stop: int | None = None) -> list[FeatureRow]:
        """The feature rows of the lines [start, stop)."""
        return [unpack_known_row(blob) for blob in self.packed[start:stop]]

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[tuple[int, list[FeatureRow]]]:
        """All feature rows, some at a time: (position of the first, rows)."""
        for start in range(0, len(self), size):
            yield start, self.rows(start, start + size)

    def matrix(self, encoder: Encoder) -> FloatArray:
        """(N, F): the rows in the columns of this encoder's model."""
        if self.encoded is not None and self.encoded.fits(encoder):
            return self.encoded.matrix(encoder)
        matrix = np.empty((len(self), len(encoder.columns)))
        for start, rows in self.chunks():
            matrix[start : start + len(rows)] = encoder.encode_rows(rows)
        return matrix

    def value_counts(self, columns: Sequence[str]) -> dict[str, Counter[str]]:
        """How many rows have each value of these text columns."""
        counts: dict[str, Counter[str]] = {column: Counter() for column in columns}
        if self.encoded is not None:
            return {column: Counter(self.encoded.counts(column)) for column in columns}
        for _, rows in self.chunks():
            for column, counter in counts.items():
                counter.update(getattr(row, column) for row in rows)
        return counts

    @cached_property
    def runs(self) -> IntArray:
        """(N,) the number of the run of adjoining minutes that each line is in."""
        opens = np.ones(len(self), dtype=np.bool_)
        opens[1:] = (self.user_ids[1:] != self.user_ids[:-1]) | (self.start_us[1:] != self.end_us[:-1])
        return np.asarray(np.cumsum(opens) - 1, dtype=np.int64)

    def neighbours(self, which: IntArray, reach: int) -> tuple[IntArray, IntArray]:
        """Pairs (one of these lines, another at most `reach` lines away in the same run), as positions."""
        is_one = np.zeros(len(self), dtype=np.bool_)
        is_one[which] = True
        at, of = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for distance in range(1, min(reach, len(self) - 1) + 1):
            first = np.flatnonzero(self.runs[distance:] == self.runs[:-distance])
            at += [first, first + distance]
            of += [first + distance, first]
        here, there = np.concatenate(at), np.concatenate(of)
        return here[is_one[here]], there[is_one[here]]

    @property
    def block_count(self) -> int:
        """How many blocks a person labelled."""
        return len(np.unique(self.block_ids[~self.is_weak]))

    @property
    def day_count(self) -> int:
        """How many local days (of each user) have a minute a person labelled."""
        said = ~self.is_weak
        return len({*zip(self.user_ids[said].tolist(), self.days[said].tolist(), strict=True)})

    @property
    def date_range(self) -> tuple[str, str]:
        """First and last local date, ISO; two empty texts when there is no line."""
        if not len(self):
            return "", ""
        first, last = int(self.days.min()), int(self.days.max())
        return date.fromordinal(first).isoformat(), date.fromordinal(last).isoformat()

    @cached_property
    def dataset_hash(self) -> str:
        """SHA-256 over every line's identity, label, weight and feature row: the same for the same content only."""
        digest = hashlib.sha256(f"taskclf dataset 1 {self.provenance} {len(self)}\n".encode())
        for line in self.lines():
            head = (line.user_id, line.start_us, line.end_us, line.day, line.label, line.weight, line.is_weak)
            digest.update(f"{head!r} {line.is_models}\n".encode())
            digest.update(zlib.decompress(line.packed) + b"\n")
        return digest.hexdigest()


def local_day(start_us: int, zone_name: str) -> int:
    """The ordinal of the local date at a moment; a zone that this computer does not know counts as UTC."""
    return local_date(from_us(start_us), zone_name).toordinal()


def class_weights(labels: IntArray, weights: FloatArray) -> FloatArray:
    """(8,) the root of how much rarer than average each label is; 0 for labels that do not occur."""
    mass = np.bincount(labels, weights=weights, minlength=len(LABEL_SET_V1))
    present: BoolArray = mass > 0
    scale = np.zeros(len(LABEL_SET_V1))
    scale[present] = np.sqrt(mass.sum() / (present.sum() * mass[present]))
    return scale


def _settled(buckets: Iterable[LabelledBucket]) -> list[LabelledBucket]:
    """One line for each bucket, in order of (user, time)."""
    found: dict[tuple[str, int], list[LabelledBucket]] = {}
    for line in buckets:
        found.setdefault((line.user_id, line.start_us), []).append(line)
    settled = (_one_of(found[key]) for key in sorted(found))
    return [line for line in settled if line is not None]


def _one_of(lines: list[LabelledBucket]) -> LabelledBucket | None:
    """A person's label before a rule's; None where two of the same rank differ. The order of lines has no effect."""
    if len(lines) == 1:
        return lines[0]
    said = [line for line in lines if not line.is_weak] or lines
    return None if len({line.label for line in said}) > 1 else min(said, key=lambda line: (-line.weight, line.packed))


def _blocks(
    users: TextArray, start_us: IntArray, end_us: IntArray, days: IntArray, labels: IntArray, is_weak: BoolArray
) -> IntArray:
    """(N,) the number of each line's block."""
    if not len(labels):
        return np.zeros(0, dtype=np.int64)
    opens = np.ones(len(labels), dtype=np.bool_)
    opens[1:] = (
        (users[1:] != users[:-1])
        | (days[1:] != days[:-1])
        | (labels[1:] != labels[:-1])
        | (is_weak[1:] != is_weak[:-1])
        | (start_us[1:] - end_us[:-1] >= BLOCK_GAP_US)
    )
    return np.asarray(np.cumsum(opens) - 1, dtype=np.int64)
