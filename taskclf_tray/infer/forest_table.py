"""The trees of a model as flat arrays in file order, and the checks that make their evaluation safe.

In a table that passed `check`, every child lies behind its parent, every node and leaf has one parent, and every leaf
value is finite. So an evaluation cannot leave an array, loop, or give infinity or NaN for any row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskclf_tray.core.errors import ModelFormatError
from taskclf_tray.core.model_text import WINDOWS_LINE_ENDS

CATEGORICAL_BIT = 1
DEFAULT_LEFT_BIT = 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2

_LARGEST_SCORE = 1e300
_LARGEST_WORD = 2**32 - 1

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def damaged(what: str) -> ModelFormatError:
    """Return the error for a file that LightGBM did not write like this."""
    return ModelFormatError(f"The model file is damaged: {what}.", "Restore it, or train or choose another model.")


def unsupported(what: str) -> ModelFormatError:
    """Return the error for a sound file with a feature that the evaluator does not support."""
    return ModelFormatError(f"The model cannot be used: {what}.", "Train or choose a multiclass model without it.")


def windows_line_ends() -> ModelFormatError:
    """Return the error for a file that an editor or git rewrote, which LightGBM cannot read either."""
    return ModelFormatError(
        f"The model file cannot be used: {WINDOWS_LINE_ENDS}.",
        "Copy it again without converting line ends (in git: `model.txt -text` in .gitattributes), "
        "or save it with Unix line ends (LF).",
    )


@dataclass(frozen=True, slots=True, eq=False)
class ForestTable:
    """All trees one after the other: T trees, M nodes, L leaves, S category sets of W words.

    `left` and `right` are as in the file: within the tree, ≥ 0 a node, < 0 the leaf `~child`. `decision` holds bit 0
    categorical, bit 1 default left, bits 2–3 missing type (0 none, 1 zero, 2 NaN). The threshold of a categorical node
    is the index of one of its tree's sets; a set is a bit string in words of 32 bits.
    """

    num_class: int
    feature_names: tuple[str, ...]
    node_start: Ints  # (T + 1,)
    leaf_start: Ints  # (T + 1,)
    set_start: Ints  # (T + 1,)
    feature: Ints  # (M,)
    threshold: Floats  # (M,)
    decision: Ints  # (M,)
    left: Ints  # (M,)
    right: Ints  # (M,)
    leaf_value: Floats  # (L,)
    set_words: Ints  # (S,) words in each set
    words: NDArray[np.int64]  # (W,)

    @property
    def num_trees(self) -> int:
        """T, a multiple of `num_class`; tree t belongs to class t mod `num_class`."""
        return len(self.node_start) - 1

    @property
    def tree_of_node(self) -> Ints:
        """(M,) the tree of each node."""
        return np.repeat(np.arange(self.num_trees), np.diff(self.node_start))

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """(M,) True where a node tests membership in a set of categories."""
        return (self.decision & CATEGORICAL_BIT) > 0

    def numbered_children(self) -> tuple[Ints, Ints]:
        """Return left and right child of every node, numbered over the forest: nodes 0…M−1, then leaves M…M+L−1."""
        tree = self.tree_of_node
        node_base, leaf_base = self.node_start[tree], len(self.feature) + self.leaf_start[tree]
        left, right = (np.where(c >= 0, node_base + c, leaf_base + ~c) for c in (self.left, self.right))
        return left, right

    def tree_depths(self) -> Ints:
        """Return (T,) the number of nodes on the longest path of each tree; 0 for a single leaf."""
        left, right = self.numbered_children()
        tree, depths = self.tree_of_node, np.zeros(self.num_trees, np.intp)
        level, nodes = 0, self.node_start[:-1][np.diff(self.node_start) > 0]
        while nodes.size:
            level += 1
            depths[tree[nodes]] = level
            below = np.concatenate((left[nodes], right[nodes]))
            nodes = below[below < len(self.feature)]
        return depths


def check(table: ForestTable) -> None:
    """Check that every path of the table ends at a finite leaf.

    Raises:
        ModelFormatError: names tree, node and field.
    """
    _check_numbers(table)
    _check_splits(table)
    _check_sets(table)
    _check_children(table)
    _check_scores(table)


def _refuse(table: ForestTable, bad: NDArray[np.bool_], what: str) -> None:
    """Raise for the first marked node, if any."""
    if bad.any():
        node = int(bad.argmax())
        tree = int(np.searchsorted(table.node_start, node, side="right")) - 1
        raise damaged(f"tree {tree}, node {node - int(table.node_start[tree])}: {what}")


def _check_numbers(table: ForestTable) -> None:
    # LightGBM writes inf, and nothing else that is not finite, where every number goes left and NaN right
    _refuse(table, ~(table.threshold > -np.inf), "threshold is not a number above -inf")
    bad = ~np.isfinite(table.leaf_value)
    if bad.any():
        tree = int(np.searchsorted(table.leaf_start, int(bad.argmax()), side="right")) - 1
        raise damaged(f"tree {tree}: leaf_value holds a number that is not finite")


def _check_splits(table: ForestTable) -> None:
    feature, decision = table.feature, table.decision
    _refuse(table, (feature < 0) | (feature >= len(table.feature_names)), "split_feature names no feature")
    _refuse(table, (decision < 0) | (decision > 15), "decision_type has unknown bits")
    _refuse(table, decision >> 2 > MISSING_NAN, "decision_type has an unknown missing type")


def _check_sets(table: ForestTable) -> None:
    sets = np.diff(table.set_start)[table.tree_of_node]
    index = table.threshold
    outside = (index != np.floor(index)) | (index < 0) | (index >= sets)
    _refuse(table, table.categorical & outside, "the threshold names no category set of its tree")
    if ((table.words < 0) | (table.words > _LARGEST_WORD)).any():
        raise damaged("cat_threshold holds a word that is not 32 bits")


def _check_children(table: ForestTable) -> None:
    tree = table.tree_of_node
    place = np.arange(len(tree)) - table.node_start[tree]
    nodes, leaves = np.diff(table.node_start)[tree], np.diff(table.leaf_start)[tree]
    for name, child in (("left_child", table.left), ("right_child", table.right)):
        _refuse(table, (child >= nodes) | (child < -leaves), f"{name} points outside the tree")
        _refuse(table, (child >= 0) & (child <= place), f"{name} points back to itself or a node before it")
    left, right = table.numbered_children()
    parents = np.bincount(np.concatenate((left, right)))
    _refuse(table, (parents[left] > 1) | (parents[right] > 1), "a child of it has a second parent")


def _check_scores(table: ForestTable) -> None:
    largest = np.maximum.reduceat(np.abs(table.leaf_value), table.leaf_start[:-1])
    with np.errstate(over="ignore"):
        total = float(largest.sum())
    if not total < _LARGEST_SCORE:
        raise damaged("leaf_value holds numbers so large that their sums overflow")
