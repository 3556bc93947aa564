"""The rows of a dataset, encoded once for all the models that learn from parts of them.

A training unpacks each row some ten times otherwise, which takes longer than growing the trees. Sparse matrices hold
the columns, since most bins of a title sketch are 0: a row takes a tenth of its dense size. The codes of a text column
depend on the model, so texts are kept apart and coded on the way out.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import sparse

from taskclf_tray.core.schema import NEWEST_SCHEMA
from taskclf_tray.core.types import PROGRAM_BUCKETS, WORD_BUCKETS, FeatureRow
from taskclf_tray.infer.categorical import Categorical
from taskclf_tray.infer.encode import Encoder
from taskclf_tray.store.buckets import unpack_words
from taskclf_tray.train.dataset import Dataset, FloatArray, IntArray

TIME_BASIS: Final = "local"
ENCODED_ROWS: Final = 500
"""At a time; an unpacked row takes 20 KB."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRows:
    """N rows out of those that were encoded together.

    Attributes:
        lines: (N,) their positions.
        values: the columns of the newest schema, 0 in text columns.
        texts: the values of each text column.
        words: the seconds of each bucket of words.
    """

    lines: IntArray
    values: sparse.csr_array
    texts: Mapping[str, Categorical]
    words: sparse.csr_array

    @classmethod
    def of(cls, chunks: Iterable[Sequence[FeatureRow]]) -> EncodedRows:
        """Encode rows, some at a time."""
        encoder = Encoder(NEWEST_SCHEMA, None, TIME_BASIS)
        texts = {name: [Categorical.of(())] for name in encoder.vocabularies}
        values, words = _Stack(len(encoder.columns)), _Stack(WORD_BUCKETS + PROGRAM_BUCKETS)
        for rows in chunks:
            matrix = encoder.encode_rows(rows)
            matrix[:, [encoder.place[name] for name in texts]] = 0.0
            values.add(sparse.csr_array(matrix))
            words.add(words_matrix([row.word_seconds for row in rows]))
            for name, parts in texts.items():
                parts.append(Categorical.of([getattr(row, name) for row in rows]))
        joined = {name: Categorical.joined(parts) for name, parts in texts.items()}
        return cls(np.arange(len(values)), values.matrix(), joined, words.matrix())

    def take(self, places: IntArray) -> EncodedRows:
        """Some of the rows; nothing is copied."""
        return replace(self, lines=self.lines[places])

    def fits(self, encoder: Encoder) -> bool:
        """Whether they were encoded for the schema and the time basis of this encoder."""
        columns = Encoder(NEWEST_SCHEMA, None, TIME_BASIS).columns
        return encoder.columns == columns and encoder.time_basis == TIME_BASIS

    def matrix(self, encoder: Encoder) -> FloatArray:
        """(N, F): what `encoder.encode_rows` gives for them, bit for bit."""
        matrix: FloatArray = self.values[self.lines].toarray()
        for name, vocabulary in encoder.vocabularies.items():
            texts = self.texts[name]
            matrix[:, encoder.place[name]] = vocabulary.codes(texts.values)[texts.codes[self.lines]]
        return matrix

    def counts(self, column: str) -> dict[str, int]:
        """How many of the rows have each value of a text column."""
        texts = self.texts[column]
        found = np.bincount(texts.codes[self.lines], minlength=len(texts.values))
        return dict(zip(texts.values, found.tolist(), strict=True))


class _Stack:
    """Sparse matrices, one below the other, in buffers that grow in place: parts would take the memory twice."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._data, self._indices, self._ends = array("d"), array("i"), array("i", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, part: sparse.csr_array) -> None:
        self._ends.frombytes((part.indptr[1:] + self._ends[-1]).astype(np.intc).tobytes())
        self._data.frombytes(part.data.astype(np.float64).tobytes())
        self._indices.frombytes(part.indices.astype(np.intc).tobytes())

    def matrix(self) -> sparse.csr_array:
        buffers = np.frombuffer(self._data), np.frombuffer(self._indices, np.intc), np.frombuffer(self._ends, np.intc)
        return sparse.csr_array(buffers, shape=(len(self), self._columns))


def encoded_once(dataset: Dataset) -> Dataset:
    """The dataset with its rows encoded, for itself and for what is taken of it."""
    return replace(dataset, encoded=EncodedRows.of(rows for _, rows in dataset.chunks(ENCODED_ROWS)))


def words_of(dataset: Dataset) -> sparse.csr_array:
    """(N, 4608): the seconds of each bucket of words in the rows of a dataset."""
    if dataset.encoded is not None:
        return dataset.encoded.words[dataset.encoded.lines]
    return words_matrix([unpack_words(blob) for blob in dataset.packed])


def words_matrix(seconds: Sequence[Sequence[Sequence[int]]]) -> sparse.csr_array:
    """(N, 4608): the seconds of each bucket of words in N rows."""
    pairs = np.array([pair for own in seconds for pair in own], dtype=np.float64).reshape(-1, 2)
    ends = np.cumsum([0, *map(len, seconds)])
    shape = len(seconds), WORD_BUCKETS + PROGRAM_BUCKETS
    return sparse.csr_array((pairs[:, 1], pairs[:, 0].astype(np.int64), ends), shape=shape)
