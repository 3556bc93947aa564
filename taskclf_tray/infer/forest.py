"""Evaluation of a LightGBM multiclass model from its text file, with numpy alone.

LightGBM itself is not used: a damaged model file ends or hangs the process that loads it, and the library takes more of
the tray's memory than everything else together. A file is trusted once its SHA-256 matches the recorded one; without a
recorded hash only its structure is checked (`Forest.verified` is False, and callers say so). Either way, evaluating a
checked file ends for any row, without a crash, with finite probabilities.

Law of parity: a row's probabilities are the same bits whether it is predicted alone or with others.

One row: all nodes of the forest are evaluated at once, which gives each node its next node; then all trees step down
together. Many rows: tree by tree, the rows are split at each node. Both reach the same leaves (only comparisons decide)
and add the leaf values of a class in tree order from 0.0, so the sums are equal bit for bit.

Node decisions follow `Tree::NumericalDecision` and `Tree::CategoricalDecision` of LightGBM 4
(include/LightGBM/tree.h) and the dense-row reader of its C API, which takes tiny values for zero.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.infer.forest_table import (
    DEFAULT_LEFT_BIT,
    MISSING_NAN,
    MISSING_NONE,
    Floats,
    ForestTable,
    Ints,
    check,
    damaged,
)
from taskclf_tray.infer.forest_text import MAX_BYTES, read_table, refuse_at_sight

# LightGBM's kZeroThreshold is the float literal 1e-35f, widened to double
ZERO_THRESHOLD = float(np.float32(1e-35))
# a category in no set; C++ truncates a double to int, and on x86 an overflow gives INT_MIN
_NO_CATEGORY = 2.0**31
# below: row by row is quicker (a tree costs about 0.1 ms whatever the rows); above: the memory of a chunk is bounded
_FEWEST_ROWS_IN_CHUNK = 1_024
_MOST_CHUNK_VALUES = 2**21  # 16 MiB of float64


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """The forest laid out for evaluation; F features, M nodes of which Q are numeric, C categorical, L leaves, T trees.

    Numbers over the forest: numeric nodes 0…Q−1 in the order of their columns, categorical nodes Q…M−1, leaves M…M+L−1.
    A numeric node tests a *column*: a feature under one treatment of missing values, so that "value ≤ threshold goes
    left" is the whole decision: −inf always goes left, NaN always right.
    """

    num_class: int
    treatments: tuple[tuple[int, bool], ...]  # (missing type, default left) of each block of F columns
    column_nodes: Ints  # (columns,) how many numeric nodes ask for each column
    column: Ints  # (Q,)
    threshold: Floats  # (Q,)
    category_features: Ints  # the features that categorical nodes ask for
    category_row: Ints  # (C,) index into `category_features`
    set_start: Ints  # (C,) first word of the node's set in `words`
    set_bits: NDArray[np.int64]  # (C,) length of the set; the word after it is 0
    words: NDArray[np.int64]
    right: Ints  # (M,)
    step_left: Ints  # (M,) left child minus right child
    leaves: Ints  # (L,) M…M+L−1: a leaf's next node is itself
    leaf_value: Floats  # (L,)
    roots: Ints  # (T,)
    active_trees: tuple[int, ...]  # trees deeper than 0, 1, 2, …; `by_depth` lists the trees, deepest first
    by_depth: Ints  # (T,)
    back_in_order: Ints  # (T,) inverse of `by_depth`
    tree_nodes: Ints  # (M,) nodes in file order, parents before children
    tree_start: Ints  # (T + 1,) into `tree_nodes`

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def score_row(self, row: Floats) -> Floats:
        """Sum the leaf values of one row: (F,) → (classes,)."""
        node_count = len(self.right)
        following = np.empty(node_count + len(self.leaves), np.intp)
        following[node_count:] = self.leaves
        np.multiply(self._goes_left(row), self.step_left, out=following[:node_count])
        following[:node_count] += self.right
        at = self.roots.take(self.by_depth)
        for trees in self.active_trees:
            at[:trees] = following.take(at[:trees])
        values = self.leaf_value.take(at.take(self.back_in_order) - node_count)
        # accumulate is a running sum by definition; the order of add.reduce depends on the layout
        sums: Floats = np.add.accumulate(values.reshape(-1, self.num_class), axis=0)[-1]
        return sums

    def score_rows(self, rows: Floats) -> Floats:
        """Sum the leaf values of many rows: (N, F) → (N, classes); takes the memory of the rows once per treatment."""
        features = np.ascontiguousarray(rows.T)
        columns, categories = self._columns(features), self._categories(features)
        scores = np.zeros((self.num_class, len(rows)))
        everyone = np.arange(len(rows))
        for tree in range(len(self.roots)):
            self._score_tree(tree, everyone, columns, categories, scores[tree % self.num_class])
        return np.ascontiguousarray(scores.T)

    def _score_tree(
        self, tree: int, everyone: Ints, columns: Floats, categories: NDArray[np.int64], scores: Floats
    ) -> None:
        waiting = {int(self.roots[tree]): everyone}
        for node in self.tree_nodes[self.tree_start[tree] : self.tree_start[tree + 1]].tolist():
            rows = waiting.pop(node)
            left = self._rows_go_left(node, rows, columns, categories)
            right_child = int(self.right[node])
            waiting[right_child + int(self.step_left[node])] = rows[left]
            waiting[right_child] = rows[~left]
        for leaf, rows in waiting.items():
            scores[rows] += self.leaf_value[leaf - len(self.right)]

    def _goes_left(self, row: Floats) -> NDArray[np.bool_]:
        """Decide every node of the forest for one row: (F,) → (M,)."""
        numeric = len(self.column)
        left = np.empty(len(self.right), np.bool_)
        np.less_equal(self._columns(row).repeat(self.column_nodes), self.threshold, out=left[:numeric])
        if len(self.category_row):
            categories = self._categories(row).take(self.category_row)
            left[numeric:] = self._inside(categories, self.set_start, self.set_bits)
        return left

    def _rows_go_left(self, node: int, rows: Ints, columns: Floats, categories: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Decide one node for the given rows: (n,)."""
        numeric = len(self.column)
        if node < numeric:
            left: NDArray[np.bool_] = columns[self.column[node]].take(rows) <= self.threshold[node]
            return left
        place = node - numeric
        mine = categories[self.category_row[place]].take(rows)
        return self._inside(mine, self.set_start[place], self.set_bits[place])

    def _columns(self, features: Floats) -> Floats:
        """Return (treatments × F, …): each block holds all features under one treatment of zero and missing values."""
        missing = np.isnan(features)
        absent = missing | (np.abs(features) <= ZERO_THRESHOLD)
        clean = np.where(absent, 0.0, features)
        blocks = [
            clean if kind == MISSING_NONE else np.where(missing if kind == MISSING_NAN else absent, side, clean)
            for kind, side in ((kind, -np.inf if left else np.nan) for kind, left in self.treatments)
        ]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _categories(self, features: Floats) -> NDArray[np.int64]:
        """Return (categorical features, …) whole numbers; `_NO_CATEGORY` for NaN, below 0 and beyond 31 bits."""
        values = features.take(self.category_features, axis=0)
        return np.where((values > -1.0) & (values < _NO_CATEGORY), values, _NO_CATEGORY).astype(np.int64)

    def _inside(
        self, categories: NDArray[np.int64], start: Ints | np.intp, bits: NDArray[np.int64] | np.int64
    ) -> NDArray[np.bool_]:
        """Whether each category is in its set; one set per category, or one for all."""
        bit = np.minimum(categories, bits)
        inside: NDArray[np.bool_] = (self.words.take(start + (bit >> 5)) >> (bit & 31)) & 1 == 1
        return inside


def lay_out(table: ForestTable) -> Walk:
    """Number the nodes of a checked table for evaluation."""
    features, node_count = len(table.feature_names), len(table.feature)
    treatments, column = _columns_asked(table, features)
    order = np.lexsort((column, table.categorical))
    number = np.empty(node_count + len(table.leaf_value), np.intp)
    number[order] = np.arange(node_count)
    number[node_count:] = leaves = np.arange(node_count, len(number))
    left, right = (number[child][order] for child in table.numbered_children())
    numeric, categorical = np.split(order, [node_count - int(table.categorical.sum())])
    category_features, category_row = np.unique(table.feature[categorical], return_inverse=True)
    set_of_node = table.set_start[table.tree_of_node[categorical]] + table.threshold[categorical].astype(np.intp)
    set_end = np.cumsum(table.set_words)
    depths = table.tree_depths()
    by_depth = np.argsort(-depths, kind="stable")
    return Walk(
        num_class=table.num_class,
        treatments=treatments,
        column_nodes=np.bincount(column[numeric], minlength=len(treatments) * features),
        column=column[numeric],
        threshold=table.threshold[numeric],
        category_features=category_features,
        category_row=category_row,
        set_start=(set_end - table.set_words + np.arange(len(set_end)))[set_of_node],
        set_bits=32 * table.set_words[set_of_node],
        words=np.insert(table.words, set_end, 0),
        right=right,
        step_left=left - right,
        leaves=leaves,
        leaf_value=table.leaf_value + 0.0,  # makes 0.0 of -0.0, as adding it to a sum that begins with 0.0 does
        roots=_roots(table, number),
        active_trees=tuple(int((depths > level).sum()) for level in range(int(depths.max()))),
        by_depth=by_depth,
        back_in_order=np.argsort(by_depth),
        tree_nodes=number[:node_count],
        tree_start=table.node_start,
    )


def _columns_asked(table: ForestTable, features: int) -> tuple[tuple[tuple[int, bool], ...], Ints]:
    """Return the treatments of missing values in use, and the column of every numeric node."""
    missing = table.decision >> 2
    default_left = (table.decision & DEFAULT_LEFT_BIT) > 0
    kind = np.where(missing == MISSING_NONE, 0, 2 * missing + default_left)
    kinds, block = np.unique(kind[~table.categorical], return_inverse=True)
    column = np.zeros(len(kind), np.intp)
    column[~table.categorical] = block * features + table.feature[~table.categorical]
    treatments = tuple((int(kind) // 2, bool(kind % 2)) for kind in kinds) or ((MISSING_NONE, False),)
    return treatments, column


def _roots(table: ForestTable, number: Ints) -> Ints:
    """Return (T,) the first node of each tree, or its only leaf."""
    node_count, first_node, first_leaf = len(table.feature), table.node_start[:-1], table.leaf_start[:-1]
    has_nodes = np.diff(table.node_start) > 0
    roots: Ints = number[np.where(has_nodes, first_node, node_count + first_leaf)]
    return roots


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """A gradient-boosted multiclass model; immutable, safe to share between threads.

    `sha256` is the file's hash in lower-case hex; `verified` tells whether it was compared with a recorded one.
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
            ModelFormatError: the file is unreadable, differs from `sha256`, is damaged, too large, or not supported.
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
            ModelFormatError: the content differs from `sha256`, is damaged, too large, or not supported.
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
        """Predict (N, num_class) probabilities from (N, F) feature values in the order of `feature_names`."""
        return _softmax(self.predict_raw(matrix))

    def predict_raw(self, matrix: Floats) -> Floats:
        """Return (N, num_class) sums of leaf values (logits) for (N, F) values, added in LightGBM's order.

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
    """Compute exp(s − max s) / Σ, as LightGBM's `Common::Softmax`; the sum runs in label order.

    `exp` sees one contiguous array, because numpy may compute another last bit for a strided one.
    """
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    total = powers[:, 0]
    for label in range(1, powers.shape[1]):
        total = total + powers[:, label]
    probabilities: Floats = powers / total[:, np.newaxis]
    return probabilities
