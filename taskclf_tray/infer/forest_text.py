"""Reader of LightGBM's text model format (version v3 and v4) into a `ForestTable`.

The format: header lines `key=value`, tree blocks that begin with `Tree=k`, the line `end of trees`. What follows
(importances, parameters) changes no prediction and is not read. Everything before is read strictly: an unknown key, a
wrong count or a stray character is refused, because a file that was changed by accident must not become a different
model. Limits keep a hostile file from taking the machine's time or memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np

from taskclf_tray.core.model_text import (
    MAX_MODEL_BYTES,
    NO_END,
    TOO_LARGE,
    has_windows_line_ends,
    kind_problem,
    linear_tree,
)
from taskclf_tray.infer.forest_table import ForestTable, Ints, damaged, unsupported, windows_line_ends

MAX_BYTES = MAX_MODEL_BYTES
MAX_TREES = 50_000
MAX_LEAVES_PER_TREE = 131_072  # LightGBM's own limit of num_leaves
MAX_SET_WORDS_PER_TREE = 65_536
MAX_CLASSES = 1_000
_LARGEST_COUNT = 2**31 - 1
_MAX_LINES = 64  # of the header, of a tree
_MAX_NUMBER_CHARS = 32  # LightGBM writes at most 24: "-1.2345678901234567e-308"

_MODEL_KEYS = ("version", "num_class", "num_tree_per_iteration", "objective", "average_output", "tree_sizes")
_COLUMN_KEYS = ("label_index", "max_feature_idx", "feature_names", "monotone_constraints", "feature_infos")
_HEADER_KEYS = frozenset((*_MODEL_KEYS, *_COLUMN_KEYS))
_NODE_KEYS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_UNUSED_NODE_KEYS = ("split_gain", "internal_value", "internal_weight", "internal_count")
_UNUSED_LEAF_KEYS = ("leaf_weight", "leaf_count")
_OTHER_TREE_KEYS = ("num_leaves", "num_cat", "leaf_value", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage")
_TREE_KEYS = frozenset((*_NODE_KEYS, *_UNUSED_NODE_KEYS, *_UNUSED_LEAF_KEYS, *_OTHER_TREE_KEYS))
_TREE_START = re.compile(rb"\nTree=")
_END = re.compile(rb"\nend of trees(?=\n|\Z)")


@dataclass(frozen=True, slots=True)
class _Header:
    num_class: int
    feature_names: tuple[str, ...]
    tree_sizes_bytes: list[int] | None


@dataclass(slots=True)
class _Columns:
    """The numbers of all trees read so far, one list per field."""

    leaf_count: list[int] = field(default_factory=list)
    set_count: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    decision: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    leaf_value: list[float] = field(default_factory=list)
    set_words: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


def refuse_at_sight(data: bytes) -> None:
    """Raise ModelFormatError for a file that is too large, or was rewritten with Windows line ends."""
    if len(data) > MAX_BYTES:
        raise unsupported(TOO_LARGE)
    if has_windows_line_ends(data):
        raise windows_line_ends()


def read_table(data: bytes) -> ForestTable:
    """Parse the file. Counts and number forms are checked here, the meaning of the numbers in `forest_table.check`.

    Raises:
        ModelFormatError: the file is damaged, too large, or uses an unsupported feature of LightGBM.
    """
    refuse_at_sight(data)
    starts = _tree_starts(data)
    header = _read_header(data[: starts[0]])
    _check_tree_count(header, starts)
    columns = _Columns()
    for number, (start, stop) in enumerate(pairwise(starts)):
        _read_tree(data[start:stop], number, columns)
    return _table(header, columns)


def _tree_starts(data: bytes) -> list[int]:
    """Return the start of each tree block, and the end of the last one."""
    end = _END.search(data)
    if end is None:
        raise damaged(NO_END)
    found = islice(_TREE_START.finditer(data, 0, end.start() + 1), MAX_TREES + 1)
    starts = [start.start() + 1 for start in found]
    if not starts:
        raise damaged("it holds no tree")
    if len(starts) > MAX_TREES:
        raise unsupported(f"it has more than {MAX_TREES} trees")
    return [*starts, end.start() + 1]


def _check_tree_count(header: _Header, starts: list[int]) -> None:
    sizes = [stop - start for start, stop in pairwise(starts)]
    if len(sizes) % header.num_class:
        raise damaged(f"{len(sizes)} trees cannot be divided among {header.num_class} classes")
    if header.tree_sizes_bytes is not None and header.tree_sizes_bytes != sizes:
        raise damaged("the trees do not have the lengths that tree_sizes gives")


def _read_header(block: bytes) -> _Header:
    first, _, rest = block.partition(b"\n")
    if first != b"tree":
        raise damaged('it does not begin with the line "tree"')
    values = _key_values(rest, _HEADER_KEYS, "the header")
    num_class = _count(values, "num_class", "the header", 1, MAX_CLASSES)
    problem = kind_problem({key: value.decode("utf-8", "replace") for key, value in values.items()})
    if problem is not None:
        raise unsupported(problem)
    if _count(values, "num_tree_per_iteration", "the header", 1, MAX_CLASSES) != num_class:
        raise damaged("num_tree_per_iteration is not num_class")
    names = _feature_names(values)
    sizes = values.get("tree_sizes")
    return _Header(num_class, names, None if sizes is None else _ints(sizes, MAX_TREES, "the header, tree_sizes"))


def _feature_names(values: Mapping[str, bytes]) -> tuple[str, ...]:
    try:
        names = tuple(_required(values, "feature_names", "the header").decode("utf-8").split(" "))
    except UnicodeDecodeError:
        raise damaged("the header, feature_names is not UTF-8") from None
    if _count(values, "max_feature_idx", "the header", 0, MAX_BYTES) != len(names) - 1:
        raise damaged("the header names a different number of features than max_feature_idx says")
    if len(set(names)) != len(names) or "" in names:
        raise damaged("the header, feature_names has an empty or a repeated name")
    infos = values.get("feature_infos")
    if infos is not None and infos.count(b" ") != len(names) - 1:
        raise damaged("the header, feature_infos does not describe every feature")
    return names


def _read_tree(block: bytes, number: int, columns: _Columns) -> None:
    first, _, rest = block.partition(b"\n")
    where = f"tree {number}"
    if first != b"Tree=%d" % number:
        raise damaged(f"{where} is numbered {_quoted(first[5:])}")
    if b"\nis_linear=1" in block:  # before its lines are read: leaves that are equations have lines of their own
        raise unsupported(linear_tree(number))
    values = _key_values(rest, _TREE_KEYS, where)
    if values.get("is_linear", b"0") != b"0":
        raise unsupported(f"{where} has is_linear={_quoted(values['is_linear'])}, which is not known")
    leaves = _count(values, "num_leaves", where, 1, _LARGEST_COUNT)
    if leaves > MAX_LEAVES_PER_TREE:
        raise unsupported(f"{where} has {leaves} leaves, more than {MAX_LEAVES_PER_TREE}")
    sets = _count(values, "num_cat", where, 0, leaves - 1)
    _read_nodes(values, leaves - 1, where, columns)
    columns.leaf_count.append(leaves)
    columns.leaf_value += _some_floats(values, "leaf_value", leaves, where, b"0123456789+-.e ")
    _read_sets(values, sets, where, columns)
    _check_unused(values, leaves, where)


def _read_nodes(values: Mapping[str, bytes], nodes: int, where: str, columns: _Columns) -> None:
    columns.feature += _some_ints(values, "split_feature", nodes, where)
    # the split "missing or not" has the threshold inf
    columns.threshold += _some_floats(values, "threshold", nodes, where, b"0123456789+-.einf ")
    columns.decision += _some_ints(values, "decision_type", nodes, where)
    columns.left += _some_ints(values, "left_child", nodes, where)
    columns.right += _some_ints(values, "right_child", nodes, where)


def _read_sets(values: Mapping[str, bytes], sets: int, where: str, columns: _Columns) -> None:
    columns.set_count.append(sets)
    if not sets:
        if "cat_boundaries" in values or "cat_threshold" in values:
            raise damaged(f"{where} has category sets although num_cat is 0")
        return
    bounds = _some_ints(values, "cat_boundaries", sets + 1, where)
    if bounds[0] != 0 or any(after <= before for before, after in pairwise(bounds)):
        raise damaged(f"{where}, cat_boundaries does not rise from 0")
    if bounds[-1] > MAX_SET_WORDS_PER_TREE:
        raise unsupported(f"{where} has category sets of more than {MAX_SET_WORDS_PER_TREE} words")
    columns.words += _some_ints(values, "cat_threshold", bounds[-1], where)
    columns.set_words += [after - before for before, after in pairwise(bounds)]


def _check_unused(values: Mapping[str, bytes], leaves: int, where: str) -> None:
    """Check that fields without use for a prediction are complete: a short one shows a damaged file."""
    for keys, expected in ((_UNUSED_NODE_KEYS, leaves - 1), (_UNUSED_LEAF_KEYS, leaves)):
        for key in keys:
            if leaves > 1 and key in values and values[key].count(b" ") != expected - 1:
                raise damaged(f"{where}, {key} does not have {expected} values")


def _key_values(block: bytes, known: frozenset[str], where: str) -> dict[str, bytes]:
    if block.count(b"\n") > _MAX_LINES:
        raise damaged(f"{where} has more than {_MAX_LINES} lines")
    values: dict[str, bytes] = {}
    for line in filter(None, block.split(b"\n")):
        raw_key, _, value = line.partition(b"=")
        key = raw_key.decode("ascii", "replace")
        if key not in known:
            raise unsupported(f"{where} has the unknown line {_quoted(raw_key)}")
        if key in values:
            raise damaged(f"{where} has {key} twice")
        values[key] = value
    return values


def _required(values: Mapping[str, bytes], key: str, where: str) -> bytes:
    if key not in values:
        raise damaged(f"{where} has no {key}")
    return values[key]


def _count(values: Mapping[str, bytes], key: str, where: str, low: int, high: int) -> int:
    numbers = _some_ints(values, key, 1, where)
    if not low <= numbers[0] <= high:
        raise damaged(f"{where}, {key} is {numbers[0]}; {low} to {high} is possible")
    return numbers[0]


def _some_ints(values: Mapping[str, bytes], key: str, expected: int, where: str) -> list[int]:
    where_exactly = f"{where}, {key}"
    numbers = _ints(_required(values, key, where), expected, where_exactly)
    if len(numbers) != expected:
        raise damaged(f"{where_exactly} has {len(numbers)} values where {expected} are needed")
    return numbers


def _some_floats(values: Mapping[str, bytes], key: str, expected: int, where: str, alphabet: bytes) -> list[float]:
    where_exactly = f"{where}, {key}"
    tokens = _tokens(_required(values, key, where), alphabet, expected, where_exactly)
    try:
        numbers = list(map(float, tokens))
    except ValueError:
        raise damaged(f"{where_exactly} holds what is not a number") from None
    if len(numbers) != expected:
        raise damaged(f"{where_exactly} has {len(numbers)} values where {expected} are needed")
    return numbers


def _ints(line: bytes, at_most: int, where: str) -> list[int]:
    tokens = _tokens(line, b"0123456789- ", at_most, where)
    try:
        return list(map(int, tokens))
    except ValueError:
        raise damaged(f"{where} holds what is not a whole number") from None


def _tokens(line: bytes, alphabet: bytes, at_most: int, where: str) -> list[bytes]:
    """Split the line into words; the alphabet excludes what Python reads and LightGBM never writes (1_0, nan)."""
    if line.translate(None, alphabet):
        raise damaged(f"{where} holds a character that belongs to no number")
    if len(line) > _MAX_NUMBER_CHARS * (at_most + 1):
        raise damaged(f"{where} is longer than {at_most} numbers can be")
    return line.split()


def _quoted(raw: bytes) -> str:
    """Quote at most 40 printable characters of the file for an error message."""
    return ascii(raw[:40].decode("utf-8", "replace"))


def _array(numbers: list[int], key: str) -> Ints:
    try:
        return np.array(numbers, np.intp)
    except OverflowError:
        raise damaged(f"{key} holds a number that does not fit a machine word") from None


def _starts(counts: list[int]) -> Ints:
    return np.concatenate((np.zeros(1, np.intp), np.cumsum(np.array(counts, np.intp))))


def _table(header: _Header, columns: _Columns) -> ForestTable:
    return ForestTable(
        num_class=header.num_class,
        feature_names=header.feature_names,
        node_start=_starts([leaves - 1 for leaves in columns.leaf_count]),
        leaf_start=_starts(columns.leaf_count),
        set_start=_starts(columns.set_count),
        feature=_array(columns.feature, "split_feature"),
        threshold=np.array(columns.threshold, np.float64),
        decision=_array(columns.decision, "decision_type"),
        left=_array(columns.left, "left_child"),
        right=_array(columns.right, "right_child"),
        leaf_value=np.array(columns.leaf_value, np.float64),
        set_words=_array(columns.set_words, "cat_boundaries"),
        words=_array(columns.words, "cat_threshold").astype(np.int64),
    )
