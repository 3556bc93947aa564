"""Evaluates a LightGBM multiclass model from its text file, with numpy alone.

The library is not asked, because a damaged model file ends or hangs the process that loads it, and because it costs
the tray more memory than everything else together. A file is trusted after its SHA-256 matched the recorded one;
without a recorded hash only its structure is checked (`Forest.verified` is False, and callers say so). Either way
a file that passed can be evaluated for any row: no crash, no endless walk, finite probabilities.

The law of parity: a row's probabilities are the same bits whether it is predicted alone or among others.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.infer.forest_table import Floats, check, damaged
from taskclf_tray.infer.forest_text import MAX_BYTES, read_table, refuse_at_sight
from taskclf_tray.infer.forest_walk import Walk, lay_out

# below: row by row is quicker (a tree costs about 0.1 ms whatever the rows); above: the memory of a chunk is bounded
_FEWEST_ROWS_IN_CHUNK = 1_024
_MOST_CHUNK_VALUES = 2**21  # 16 MiB of float64


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """A gradient-boosted multiclass model; immutable, safe to share between threads.

    `sha256` is the file's hash in lower-case hex; `verified` says that it was compared with a recorded one.
    """

    num_class: int
    feature_names: tuple[str, ...]
    num_trees: int
    sha256: str
    verified: bool
    _walk: Walk = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, sha256: str | None = None) -> Forest:
        """Read a model.txt.

        Raises:
            ModelFormatError: unreadable, other than `sha256`, damaged, too large, or not a model we can evaluate.
        """
        try:
            with open_regular(path) as file:
                # no more than the file's size at once: a buffer of the limit would be most of the tray's memory
                data = file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)
        except OSError as error:
            title = f"The model file {path.name} cannot be read: {error.strerror or type(error).__name__}."
            raise ModelFormatError(title, "Check that the file is there, or choose another model.") from error
        return cls.from_text(data, sha256=sha256)

    @classmethod
    def from_text(cls, text: str | bytes, *, sha256: str | None = None) -> Forest:
        """Build from the content of a model.txt; `sha256` is the recorded hash (hex) of its UTF-8 bytes.

        Raises:
            ModelFormatError: other than `sha256`, damaged, too large, or not a model we can evaluate.
        """
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        refuse_at_sight(data)  # else a converted file would only be called another one than was recorded
        found = hashlib.sha256(data).hexdigest()
        if sha256 is not None and sha256.lower() != found:
            raise damaged("its content is not what was recorded when the model was made (SHA-256)")
        table = read_table(data)
        check(table)
        return cls(table.num_class, table.feature_names, table.num_trees, found, sha256 is not None, lay_out(table))

    def predict(self, matrix: Floats) -> Floats:
        """(N, F) feature values in the order of `feature_names` → (N, num_class) probabilities."""
        return _softmax(self.predict_raw(matrix))

    def predict_raw(self, matrix: Floats) -> Floats:
        """(N, F) → (N, num_class) sums of leaf values (logits), in LightGBM's order of addition.

        Raises:
            ValueError: the matrix does not have F columns.
        """
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.feature_names):
            raise ValueError(f"expected (N, {len(self.feature_names)}) feature values, got {np.shape(matrix)}")
        scores = np.empty((len(rows), self.num_class))
        for start, stop in _chunks(len(rows), rows.shape[1]):
            if stop - start < _FEWEST_ROWS_IN_CHUNK:
                for index in range(start, stop):
                    scores[index] = self._walk.score_row(rows[index])
            else:
                scores[start:stop] = self._walk.score_rows(rows[start:stop])
        return scores


def _chunks(rows: int, features: int) -> list[tuple[int, int]]:
    size = max(_FEWEST_ROWS_IN_CHUNK, _MOST_CHUNK_VALUES // features)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def _softmax(scores: Floats) -> Floats:
    """exp(s − max s) / Σ, as LightGBM's `Common::Softmax`; the sum is written out in label order.

    `exp` sees one contiguous array, since numpy may compute another last bit for a strided one.
    """
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    total = powers[:, 0]
    for label in range(1, powers.shape[1]):
        total = total + powers[:, label]
    probabilities: Floats = powers / total[:, np.newaxis]
    return probabilities
