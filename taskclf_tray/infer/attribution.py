"""What each feature adds to the forest's scores of one row: Shapley values over its trees.

The value of a feature is what it adds to the score on average over all orders in which the features of a tree could
become known; a decision on an unknown feature goes both ways, in the shares of the training rows that went there
(Lundberg, Erion and Lee 2018, "Consistent Individualized Feature Attribution for Tree Ensembles"). For a leaf of value
v whose path asks d features, let o_j be 1 if the row agrees with every decision of the path on feature j, else 0, and
z_j the share of training rows that those decisions let through. The average over the orders is an integral over the
share t of features already known,

    v × (o_i − z_i) × ∫₀¹ Π_{j≠i} ((1 − t) z_j + t o_j) dt,

whose integrand is a polynomial of degree d − 1: Gauss–Legendre quadrature with half as many points gives it exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taskclf_tray.core.regular_files import open_regular
from taskclf_tray.infer.forest import Walk, lay_out
from taskclf_tray.infer.forest_table import Floats, ForestTable, Ints, check, damaged
from taskclf_tray.infer.forest_text import MAX_BYTES, read_table

_TREE: Final = re.compile(rb"^Tree=\d+\s*$", re.MULTILINE)
_COUNTS: Final = re.compile(rb"^(internal_count|leaf_count)=(.*)$", re.MULTILINE)
_VALUES_AT_ONCE: Final = 2**18
"""Leaves × path features × quadrature points held at once: 2 MiB of float64 for each of a few arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """A forest that explains its scores; as costly to make as loading the model, and kept as long as it is needed.

    Attributes:
        feature_names: F names in the order of the model.
        num_class: C classes.
    """

    feature_names: tuple[str, ...]
    num_class: int
    _walk: Walk
    _leaf_class: Ints  # (L,) of leaves with a path
    _leaf_value: Floats  # (L,)
    _path_feature: Ints  # (L, D) features of the path, F where it asks fewer
    _share: Floats  # (L, D) z: the share of training rows that the path's decisions on the feature let through
    _step_slot: Ints  # (P,) each decision's place among the L × D
    _step_node: Ints  # (P,) its node, in the order of the walk
    _step_is_left: NDArray[np.bool_]  # (P,) whether the path goes left there
    _constant: Floats  # (C,) scores of the trees that are a single leaf

    @classmethod
    def load(cls, path: Path) -> Attribution:
        """Read a model.txt. Raises OSError, ModelFormatError."""
        with open_regular(path) as file:
            return cls.from_text(file.read(MAX_BYTES + 1))

    @classmethod
    def from_text(cls, data: bytes) -> Attribution:
        """Build from the content of a model.txt. Raises ModelFormatError, also for one without the rows' counts."""
        table = read_table(data)
        check(table)
        return _attribution(table, _training_rows(table, data))

    def contributions(self, row: Floats) -> Floats:
        """Return (F + 1, C): what each feature adds to the score of each class; last, the scores with none known.

        `row`: (F,) feature values. The columns' sums are the scores, `Forest.predict_raw`, up to rounding.
        """
        agrees = self._agrees(row)
        points, weights = np.polynomial.legendre.leggauss(max(1, -(-agrees.shape[1] // 2)))
        points, weights = (points + 1) / 2, weights / 2
        size = max(1, _VALUES_AT_ONCE // max(1, agrees.shape[1] * len(points)))
        found = np.zeros(((len(self.feature_names) + 1), self.num_class))
        for start in range(0, len(agrees), size):
            chunk = slice(start, start + size)
            share, agree = self._share[chunk, :, None], agrees[chunk, :, None]
            factors = (1 - points) * share + points * agree
            integral = _products_of_the_others(factors) @ weights
            values = self._leaf_value[chunk, None] * (agrees[chunk] - self._share[chunk]) * integral
            np.add.at(found, (self._path_feature[chunk], self._leaf_class[chunk, None]), values)
        found[-1] = self._sums(self._share)
        return found

    def scores_without(self, row: Floats, features: Sequence[int]) -> Floats:
        """Return (C,) the scores if these features were not known: decisions on them go both ways, in shares."""
        agrees = self._agrees(row)
        return self._sums(np.where(np.isin(self._path_feature, features), self._share, agrees))

    def _sums(self, shares: Floats) -> Floats:
        """(C,) sums of the leaves that are reached with these (L, D) shares."""
        reached = self._leaf_value * shares.prod(axis=1)
        sums: Floats = np.bincount(self._leaf_class, reached, self.num_class) + self._constant
        return sums

    def _agrees(self, row: Floats) -> Floats:
        """(L, D) whether the row takes every decision of the path on the feature: 1.0 or 0.0."""
        goes_left = self._walk._goes_left(np.ascontiguousarray(row, dtype=np.float64))
        agrees = np.ones(self._share.size)
        agrees[self._step_slot[goes_left[self._step_node] != self._step_is_left]] = 0.0
        return agrees.reshape(self._share.shape)


def _products_of_the_others(factors: Floats) -> Floats:
    """(L, D, Q): for each of D the product of the other factors, without a division by zero."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    np.cumprod(factors[:, :-1], axis=1, out=before[:, 1:])
    np.cumprod(factors[:, :0:-1], axis=1, out=after[:, -2::-1])
    products: Floats = before * after
    return products


def _attribution(table: ForestTable, rows: Floats) -> Attribution:
    """Follow every leaf of the table up to its root. `rows`: (M + L,) training rows of each node, then of each leaf."""
    nodes, features = len(table.feature), len(table.feature_names)
    walk, (left, right) = lay_out(table), table.numbered_children()
    parent = np.full(len(rows), -1, np.intp)
    parent[left] = parent[right] = np.arange(nodes)
    is_left = np.zeros(len(rows), np.bool_)
    is_left[left] = True
    both = np.maximum(rows[left] + rows[right], 1.0)
    share = np.ones(len(rows))
    share[left], share[right] = rows[left] / both, rows[right] / both

    leaf_class = np.repeat(np.arange(table.num_trees), np.diff(table.leaf_start)) % table.num_class
    has_path = parent[nodes:] >= 0
    leaf, child = np.flatnonzero(has_path), nodes + np.flatnonzero(has_path)
    steps: list[tuple[Ints, Ints]] = []
    while leaf.size:
        steps.append((leaf, child))
        above = parent[parent[child]] >= 0
        leaf, child = leaf[above], parent[child][above]
    step_leaf, step_child = (np.concatenate(column) for column in zip(*steps, strict=True)) if steps else (leaf, child)
    step_node = parent[step_child]

    row_of = np.cumsum(has_path) - 1
    pairs, pair_of_step = np.unique(row_of[step_leaf] * features + table.feature[step_node], return_inverse=True)
    row_of_pair = pairs // features
    first = np.searchsorted(row_of_pair, np.arange(int(has_path.sum())))
    width = int(np.diff(np.append(first, len(pairs))).max(initial=0))
    slot_of_pair = row_of_pair * width + np.arange(len(pairs)) - first[row_of_pair]
    path_feature = np.full(len(first) * width, features, np.intp)
    path_feature[slot_of_pair] = pairs % features
    let_through = np.ones(path_feature.shape)
    np.multiply.at(let_through, slot_of_pair[pair_of_step], share[step_child])
    return Attribution(
        feature_names=table.feature_names,
        num_class=table.num_class,
        _walk=walk,
        _leaf_class=leaf_class[has_path],
        _leaf_value=table.leaf_value[has_path],
        _path_feature=path_feature.reshape(len(first), width),
        _share=let_through.reshape(len(first), width),
        _step_slot=slot_of_pair[pair_of_step],
        _step_node=walk.tree_nodes[step_node],
        _step_is_left=is_left[step_child],
        _constant=np.bincount(leaf_class[~has_path], table.leaf_value[~has_path], table.num_class).astype(np.float64),
    )


def _training_rows(table: ForestTable, data: bytes) -> Floats:
    """(M + L,) how many training rows reached each node, then each leaf, as the file says."""
    nodes, leaves = np.diff(table.node_start).tolist(), np.diff(table.leaf_start).tolist()
    blocks = _TREE.split(data)[1:]
    counts = [dict(_COUNTS.findall(block)) for block in blocks[: table.num_trees]]
    internal, leaf = ([one.get(name, b"").split() for one in counts] for name in (b"internal_count", b"leaf_count"))
    leaf = [values if nodes[tree] else [b"1"] for tree, values in enumerate(leaf)]  # a single leaf has no share
    if [len(v) * bool(nodes[t]) for t, v in enumerate(internal)] != nodes or [len(v) for v in leaf] != leaves:
        raise damaged("it does not say how many rows each leaf was trained on")
    lists = [v for t, v in enumerate(internal) if nodes[t]] + leaf
    try:
        return np.array([float(value) for values in lists for value in values])
    except ValueError as error:
        raise damaged("it does not say how many rows each leaf was trained on") from error
